//! What the judge of a course knows: the last URL, and what happened since it was signed.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::happenings::Word;
use super::is_writable;
use crate::arbitrary::Touch;
use crate::domain::ended::EndReason;
use crate::domain::request::{Connection, Form, Method};
use crate::domain::{Credentials, Request, Validity};
use crate::judge::{Issued, written};
use crate::model::{World, sign};

/// What was signed last, and what happened since.
#[derive(Default)]
pub struct Past {
    pub(super) issued: Option<Issued>,
    /// Why that URL was emptied, if it was.
    pub(super) ended: Option<EndReason>,
    /// Whether the spec asked for another URL for a while.
    is_edited: bool,
    /// Whether other credentials were found for a while.
    has_other_keys: bool,
    /// What other clients did to the Secret.
    pub(super) touches: Vec<Touch>,
    /// The claims that were put to the test.
    pub tried: BTreeSet<&'static str>,
}

/// What was so before a plan was carried out.
#[allow(clippy::struct_excessive_bools, reason = "each is one independent fact")]
pub struct Before {
    pub(super) word: Word,
    /// Why a new URL may be signed.
    pub(super) reasons: Vec<&'static str>,
    /// Whether the credentials are other ones than those of the last URL.
    pub(super) is_rotated: bool,
    /// Whether a token asks for a new URL.
    pub(super) is_asked: bool,
    /// Whether the spec is for another object, or another use of it, than the last URL, and the Secret
    /// tells what that was for.
    pub(super) is_for_another: bool,
    /// Whether the operator may write the Secret, and knows its URL.
    pub(super) is_clear: bool,
    /// Whether the last URL is in the Secret.
    pub(super) is_stored: bool,
    /// Whether a URL can be signed now.
    pub(super) is_signable: bool,
}

type Pairs = Vec<(String, String)>;

/// What the URL is for, without its lifetime.
fn use_of(request: &Request) -> (Method, Connection, String, String, Pairs, Pairs, Option<Form>) {
    let Request { method, connection, bucket, key, headers, query, form, .. } = request.clone();
    (method, connection, bucket, key, headers, query, form)
}

fn is_usable(credentials: Option<&Credentials>, now: Timestamp) -> bool {
    let left = |end: Timestamp| end.as_second() - now.as_second();
    credentials.is_some_and(|credentials| credentials.expiration.is_none_or(|end| left(end) >= 10))
}

impl Past {
    /// When the last URL expires.
    pub fn expiration(&self) -> Option<Timestamp> {
        self.issued.as_ref().map(|issued| issued.validity.expiration_time())
    }

    /// The spec or the credentials were changed.
    pub fn note_inputs(&mut self, world: &World) {
        let Some(issued) = &self.issued else { return };
        self.is_edited |= use_of(&issued.request) != use_of(&world.request)
            || issued.request.expires_in != world.request.expires_in;
        self.has_other_keys |=
            world.credentials.as_ref().is_some_and(|credentials| *credentials != issued.credentials);
    }

    /// Another client did something to the Secret.
    pub fn note_touch(&mut self, touch: Touch) {
        self.touches.push(touch);
    }

    /// Whether other clients did something that may have changed the URL, or hidden that it is ours or
    /// that it ended.
    pub(super) fn is_touched(&self) -> bool {
        let is_harmless = |touch: &Touch| {
            matches!(
                touch,
                Touch::AddLabel
                    | Touch::AddData
                    | Touch::EditLabels
                    | Touch::TakeLabels
                    | Touch::TakeOwner
                    | Touch::EditSideKeys
                    | Touch::TakeSideKeys
            )
        };
        !self.touches.iter().all(is_harmless)
    }

    /// A URL is about to be written.
    pub fn note_signed(&mut self, world: &World, validity: Validity) {
        let is_there = world.server.get().is_some();
        let handled = self.issued.take().filter(|_| is_there).and_then(|issued| issued.handled);
        let credentials = world.credentials.clone().unwrap();
        let url = written(&sign(&world.request, &credentials, validity));
        self.issued = Some(Issued {
            request: world.request.clone(),
            credentials,
            validity,
            handled: world.request.renew.clone().or(handled),
            url,
            url_key: world.request.target.url_key.clone(),
        });
        self.ended = None;
        (self.is_edited, self.has_other_keys) = (false, false);
        self.touches.clear();
    }

    /// The same URL was written again, under the key that the spec names now.
    pub fn note_repaired(&mut self, world: &World) {
        let issued = self.issued.as_mut().unwrap();
        issued.url_key.clone_from(&world.request.target.url_key);
        assert!(self.is_strange(world) || self.is_stored(world), "a repair changes the URL");
    }

    /// The URL was emptied. What the record does not show as ours cannot be remembered.
    pub fn note_ended(&mut self, why: EndReason, was_ours: bool) {
        self.ended = Some(why);
        if !was_ours {
            self.touches.push(Touch::ResetRecord);
        }
    }

    pub(super) fn is_stored(&self, world: &World) -> bool {
        self.issued.as_ref().is_some_and(|issued| issued.is_stored(world))
    }

    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.expiration().is_some_and(|end| end <= now)
    }

    /// Whether the Secret holds a URL other than under the key under which the last one was written.
    fn is_strange(&self, world: &World) -> bool {
        let own = self.issued.as_ref().map(|issued| issued.url_key.as_str());
        let data = world.server.get().and_then(|secret| secret.data).unwrap_or_default();
        data.iter().any(|(key, value)| {
            Some(key.as_str()) != own && String::from_utf8_lossy(&value.0).contains("X-Amz-Signature=")
        })
    }

    /// What is so before a plan is carried out.
    pub fn before(&self, world: &World, word: Word) -> Before {
        let (now, request) = (world.now, &world.request);
        let is_asked = request.renew.is_some()
            && self.issued.as_ref().is_some_and(|issued| issued.handled != request.renew);
        let is_renewal_due = || {
            let issued = self.issued.as_ref();
            let due = issued.map(|issued| issued.validity.renewal_time(request.overlap, world.seed));
            due.is_some_and(|due| due <= now)
        };
        let once = [
            ("it is the first", self.issued.is_none()),
            ("the spec changed", self.is_edited),
            ("a token asks for it", is_asked),
            ("other clients changed the Secret", self.is_touched()),
        ];
        let renewed = [
            ("other credentials", self.has_other_keys),
            ("it is due", is_renewal_due()),
            ("it ended", self.ended.is_some()),
        ];
        let content = world.stored().map(|stored| stored.content);
        let is_use_known = content.is_none_or(|content| content.url.is_none() || content.usage.is_some());
        let renewed = renewed.into_iter().filter(|_| !request.is_signed_once);
        let holds = |(reason, is_so): (&'static str, bool)| is_so.then_some(reason);
        Before {
            word,
            reasons: once.into_iter().chain(renewed).filter_map(holds).collect(),
            is_asked,
            is_for_another: is_use_known
                && self.issued.as_ref().is_some_and(|issued| use_of(&issued.request) != use_of(request)),
            is_clear: is_writable(world) && !self.is_strange(world),
            is_stored: self.is_stored(world),
            is_rotated: self.has_other_keys,
            is_signable: word.is_granted() && !request.suspend && is_usable(world.credentials.as_ref(), now),
        }
    }
}
