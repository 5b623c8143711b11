//! What may happen on a course: to the spec, the credentials and the Secret, and what the signer says.
//!
//! Edits and what other clients do to the Secret are those of every other walk (`arbitrary`).

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::arbitrary::{self, Edit, Touch};
use crate::domain::reason::FailureReason;
use crate::domain::resolve::Permission;
use crate::domain::status::Problem;
use crate::domain::{Credentials, Sensitive};
use crate::model;

/// The credentials that somebody stores. A session is one of its own each time: nothing makes it longer
/// later.
#[derive(Clone, Copy, Debug)]
pub enum Keys {
    /// There are none.
    Missing,
    /// An access key that does not expire: one of a few ids, with one of a few secrets.
    Lasting(u8, u8),
    /// A session with so many seconds left.
    Session(i64),
}

impl Keys {
    /// The credentials as they are found at `now`.
    pub fn at(self, now: Timestamp) -> Option<Credentials> {
        match self {
            Self::Missing => None,
            Self::Lasting(id, secret) => Some(Credentials {
                secret_access_key: Sensitive::new(format!("secret {secret}")),
                ..model::credentials(&format!("KEY{id}"), None)
            }),
            Self::Session(left) => {
                let end = now.checked_add(SignedDuration::from_secs(left)).unwrap();
                let name = format!("SESSION{}-{}", now.as_second(), end.as_second());
                Some(model::credentials(&name, Some(end)))
            }
        }
    }
}

/// What the signer says about the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Word {
    /// There is no signer to ask.
    NoSigner,
    /// It allows the request, for so many seconds at most.
    Allowed(Option<u32>),
    /// It would deny the request, but is only audited.
    Audited,
    /// It denies the request.
    Denied { is_withdrawn: bool },
    /// It does not serve the namespace any more, so nothing of it may be known.
    Unserved { is_withdrawn: bool },
}

impl Word {
    /// What the domain calls it.
    pub fn permission(self) -> Permission {
        let denied = |reason, is_withdrawn| Permission::Denied {
            problem: Problem::new(reason, "the signer says no".to_owned()),
            is_withdrawn,
        };
        match self {
            Self::NoSigner => Permission::NotNeeded,
            Self::Allowed(_) => Permission::Allowed { why: "a rule".to_owned() },
            Self::Audited => Permission::Audited { why: "no rule".to_owned() },
            Self::Denied { is_withdrawn } => denied(FailureReason::NotPermitted, is_withdrawn),
            Self::Unserved { is_withdrawn } => denied(FailureReason::SignerNotFound, is_withdrawn),
        }
    }

    /// Whether a URL may be signed.
    pub fn is_granted(self) -> bool {
        !matches!(self, Self::Denied { .. } | Self::Unserved { .. })
    }

    /// Whether the URL must not stay in its Secret.
    pub fn is_withdrawn(self) -> bool {
        matches!(self, Self::Denied { is_withdrawn: true } | Self::Unserved { is_withdrawn: true })
    }
}

/// What may happen.
#[derive(Clone, Debug)]
pub enum Happening {
    Edit(Edit),
    Suspend(bool),
    Rotate(Keys),
    Touch(Touch),
    /// The operator starts again with an empty memory.
    Restart,
    Say(Word),
}

fn keys() -> impl Strategy<Value = Keys> {
    let left = prop_oneof![0..70_i64, 0..7200_i64, 0..200_000_i64];
    prop_oneof![
        1 => Just(Keys::Missing),
        3 => (0..3_u8, 0..2_u8).prop_map(|(id, secret)| Keys::Lasting(id, secret)),
        2 => left.prop_map(Keys::Session),
    ]
}

/// What a signer may say about a URL that is renewed. Of a URL that is signed only once, a signer that
/// serves the namespace no more is another case: see `course/open.rs`.
fn word(is_once: bool) -> impl Strategy<Value = Word> {
    let cap = || prop::option::of(arbitrary::lifetime(60));
    let denied = any::<bool>().prop_map(|is_withdrawn| Word::Denied { is_withdrawn });
    let unserved = any::<bool>().prop_map(move |is_withdrawn| {
        if is_once { Word::Denied { is_withdrawn } } else { Word::Unserved { is_withdrawn } }
    });
    prop_oneof![
        4 => cap().prop_map(Word::Allowed),
        1 => Just(Word::Audited),
        3 => denied,
        2 => unserved,
    ]
}

/// What may happen to a URL that is signed only once, or to one that is renewed.
pub fn happening(is_once: bool) -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => arbitrary::edit().prop_map(Happening::Edit),
        2 => any::<bool>().prop_map(Happening::Suspend),
        4 => keys().prop_map(Happening::Rotate),
        2 => arbitrary::touch().prop_map(Happening::Touch),
        2 => Just(Happening::Restart),
        6 => word(is_once).prop_map(Happening::Say),
    ]
}
