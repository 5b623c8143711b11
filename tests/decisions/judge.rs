//! Knows from the history, not from digests, what a decision ought to be.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;

use crate::domain::decision::{Decision, WaitReason};
use crate::domain::plan::Action;
use crate::domain::reason::IssueReason;
use crate::domain::secret::header_lines;
use crate::domain::{Credentials, Request, SignedUrl, Validity};
use crate::model::World;

/// What the URL in the Secret was made from.
#[derive(Clone, Debug)]
pub struct Issued {
    pub request: Request,
    pub credentials: Credentials,
    pub validity: Validity,
    /// The last token that a Secret was written for.
    pub handled: Option<String>,
    /// The URL.
    pub url: String,
    /// The key under which it was written last.
    pub url_key: String,
}

impl Issued {
    /// Whether the Secret holds this URL where it was written.
    pub fn is_stored(&self, world: &World) -> bool {
        url(world, &self.url_key).is_some_and(|url| url == self.url)
    }
}

fn text(secret: &Secret, key: &str) -> Option<String> {
    String::from_utf8(secret.data.as_ref()?.get(key)?.0.clone()).ok()
}

/// The URL in the Secret; of a form, with its file.
pub fn url(world: &World, key: &str) -> Option<String> {
    let secret = world.server.get()?;
    let url = text(&secret, key)?;
    let is_address = url.starts_with("http") && !url.contains("X-Amz-Signature");
    let form = text(&secret, "form.json").filter(|_| is_address);
    Some(url + form.as_deref().unwrap_or_default())
}

/// What [`url`] finds where this was written.
pub fn written(signed: &SignedUrl) -> String {
    let url = signed.url.expose();
    url.clone() + signed.form.as_ref().map(|form| form.json(url)).as_deref().unwrap_or_default()
}

/// What a client does not find in the Secret though it should be there.
pub fn missing_from(world: &World) -> Vec<String> {
    let Some((secret, rendered)) = world.server.get().zip(world.rendered()) else {
        return vec!["everything".to_owned()];
    };
    let wanted = rendered.into_secret();
    let maps = |secret: &Secret| {
        let (metadata, text) = (&secret.metadata, |key: &String| text(secret, key).unwrap_or_default());
        let data: BTreeMap<_, _> =
            secret.data.iter().flatten().map(|(key, _)| (key.clone(), text(key))).collect();
        [metadata.labels.clone().unwrap_or_default(), metadata.annotations.clone().unwrap_or_default(), data]
    };
    let owners = |secret: &Secret| secret.metadata.owner_references.clone().unwrap_or_default();
    let (have, want) = (maps(&secret), maps(&wanted));
    let fields = want.iter().zip(&have).flat_map(|(want, have)| {
        want.iter().filter(|(name, value)| have.get(*name) != Some(value)).map(|(name, _)| name.clone())
    });
    let references =
        owners(&wanted).into_iter().filter(|owner| !owners(&secret).contains(owner)).map(|o| o.uid);
    fields.chain(references).collect()
}

fn left(end: Timestamp, now: Timestamp) -> i64 {
    end.as_second() - now.as_second()
}

/// How long a URL signed at `start` would live.
fn lifetime(request: &Request, credentials: &Credentials, start: Timestamp) -> i64 {
    let asked = i64::from(request.expires_in);
    credentials.expiration.map_or(asked, |end| left(end, start).min(asked))
}

/// Why a new URL is due, by what was done since the last one was signed.
pub fn due(world: &World, issued: Option<&Issued>, credentials: &Credentials) -> Option<IssueReason> {
    let (now, request) = (world.now, &world.request);
    let Some(issued) = issued.filter(|_| world.server.get().is_some()) else {
        return Some(IssueReason::Missing);
    };
    let is_expired = issued.validity.expiration_time() <= now;
    if !issued.is_stored(world) {
        return Some(IssueReason::Drifted);
    }
    let address = |r: &Request| {
        let names: Vec<_> = r.headers.iter().map(|(name, _)| name.clone()).collect();
        (r.connection.clone(), r.bucket.clone(), r.key.clone(), names, r.query.clone(), r.form.clone())
    };
    // Method and values of headers show in the signature alone. What they were is told by
    // the other keys of the Secret, unless somebody changed those.
    let is_other_use = (issued.request.method, &issued.request.headers) != (request.method, &request.headers);
    let secret = world.server.get();
    let side = |key| secret.as_ref().and_then(|secret| text(secret, key));
    let stored = world.stored();
    let is_use_known = stored.as_ref().is_some_and(|stored| stored.content.usage.is_some())
        && side("method") == Some(issued.request.method.to_string())
        && side("headers") == Some(header_lines(&issued.request.headers));
    // Of a URL that the record does not show as ours, nothing tells why it differs.
    let is_url_ours = stored.is_some_and(|stored| stored.is_url_ours);
    let known = |reason| if is_url_ours { reason } else { IssueReason::Drifted };
    let identity = |c: &Credentials| (c.access_key_id.clone(), c.session_token.clone());
    let is_same_identity = identity(&issued.credentials) == identity(credentials);
    let stored = i64::from(issued.validity.lifetime);
    let fresh = lifetime(request, credentials, issued.validity.signing_time);
    let is_longer_by_spec = fresh > stored && is_same_identity;
    if is_expired {
        Some(IssueReason::Expired)
    } else if address(&issued.request) != address(request)
        || (is_other_use && is_use_known)
        || stored > i64::from(request.expires_in)
        || is_longer_by_spec
    {
        Some(known(IssueReason::SpecChanged))
    } else if !is_same_identity
        || fresh != stored
        || is_other_use
        || issued.credentials.secret_access_key != credentials.secret_access_key
    {
        Some(known(IssueReason::CredentialsChanged))
    } else if left(issued.validity.signing_time, now) > 300 {
        Some(IssueReason::Drifted)
    } else if request.renew.is_some() && request.renew != issued.handled {
        Some(IssueReason::Requested)
    } else if issued.validity.renewal_time(request.overlap, world.seed) <= now {
        Some(IssueReason::RenewalDue)
    } else {
        None
    }
}

/// Whether `decision` is what the contract says.
pub fn assert_right(world: &World, issued: Option<&Issued>, decision: Decision) {
    let (now, request) = (world.now, &world.request);
    if request.suspend {
        return assert_eq!(decision, Decision::Wait { reason: WaitReason::Suspended });
    }
    let Some(credentials) = &world.credentials else {
        return assert_eq!(decision, Decision::Wait { reason: WaitReason::NoCredentials });
    };
    let due = due(world, issued, credentials);
    let fresh = lifetime(request, credentials, now);
    let is_signable = fresh >= 10;
    let gain = issued.map_or(0, |issued| fresh - left(issued.validity.expiration_time(), now));
    let is_worth_it = gain > 0;
    match decision {
        Decision::Issue { reason, validity } => {
            // An edited URL may still say when it expires.
            let is_expired = reason == IssueReason::Expired && due == Some(IssueReason::Drifted);
            assert!(is_expired || Some(reason) == due, "{reason} instead of {due:?}");
            assert_eq!((validity.signing_time, i64::from(validity.lifetime)), (now, fresh));
            assert!(is_signable && (reason != IssueReason::RenewalDue || is_worth_it));
        }
        Decision::Keep { until } => {
            let validity = issued.unwrap().validity;
            assert_eq!((due, until), (None, validity.renewal_time(request.overlap, world.seed)));
            assert!(now < until && until < validity.expiration_time());
        }
        Decision::Repair => {
            let is_waiting = matches!(due, Some(IssueReason::Requested)) && !is_signable
                || matches!(due, Some(IssueReason::RenewalDue)) && !(is_signable && is_worth_it);
            assert!(due.is_none() || is_waiting, "repaired though {due:?}");
        }
        Decision::Wait { reason: WaitReason::AwaitingCredentials } => {
            assert_eq!(due, Some(IssueReason::RenewalDue));
            assert!(!(is_signable && is_worth_it));
        }
        Decision::Wait { reason: WaitReason::CredentialsExpired(expired) } => {
            assert!(due.is_some() && due != Some(IssueReason::RenewalDue));
            assert_eq!(Some(expired.expiration), credentials.expiration);
            assert!(!is_signable);
        }
        Decision::End | Decision::Wait { .. } => panic!("ends or waits for nothing: {decision:?}"),
    }
}

/// What has to be done about a decision.
pub fn action(decision: Decision, is_there: bool) -> Action {
    match decision {
        Decision::Keep { .. } | Decision::Wait { .. } | Decision::End => Action::Nothing,
        Decision::Repair => Action::Repair,
        Decision::Issue { reason, validity } if is_there => Action::Replace { reason, validity },
        Decision::Issue { reason, validity } => Action::Create { reason, validity },
    }
}

/// Whether a decision leaves nothing to do. After a repair a renewal may go on waiting.
pub fn is_quiet(decision: Decision, is_after_repair: bool) -> bool {
    match decision {
        Decision::Keep { .. } => true,
        Decision::Wait { reason: WaitReason::AwaitingCredentials | WaitReason::CredentialsExpired(_) } => {
            is_after_repair
        }
        Decision::Wait { .. } | Decision::Repair | Decision::End | Decision::Issue { .. } => false,
    }
}
