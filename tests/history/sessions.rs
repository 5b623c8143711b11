//! What must be true of sessions, whatever happens.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::time::Instant;

use crate::accounts::UNNOTICED;
use crate::checks::data;
use crate::cluster::Name;
use crate::state::State;

/// How often the STS may be asked for one session in a minute in which only the STS fails: at once, and after
/// 2, 4, 8, 16 and 32 seconds.
const CALLS: usize = 6;
/// The least time between a failure and the next call.
const BACKOFF: Duration = Duration::from_secs(1);
/// For how long a URL was just signed: less than the quiet, in which the access key stays.
const JUST: SignedDuration = SignedDuration::from_secs(60);
/// How long the operator waits for an answer.
const DEADLINE: Duration = Duration::from_secs(10);

impl State {
    /// A token goes to the STS only with the consent of its `ServiceAccount`, and only when the API server
    /// was seen to accept no such token.
    pub fn judge_token(&mut self, token: &str) {
        self.wrongs.extend(self.cluster.judge_token(token));
        if !self.reviews.permit_exchange() {
            self.wrongs.push("a token is sent to the STS without a review".to_owned());
        }
    }

    /// The URL that the operator has written into a Secret lives no longer than its session, and is of a
    /// session of its own namespace.
    pub fn judge_url(&mut self, name: &Name) {
        let Some(secret) = self.cluster.secret(name) else { return };
        let Some(url) = data(&secret, "url") else { return };
        let Some(session) = self.sts.signer_of(&url) else { return };
        let ends = [end_of(&url), data(&secret, "expires-at").and_then(|end| end.parse().ok())];
        if ends.iter().any(|end| end.is_none_or(|end| end > session.expiration)) {
            self.wrongs.push(format!("the URL of {name:?} ends at {ends:?}, after {session:?}"));
        } else if session.wish.namespace != name.0 {
            self.wrongs.push(format!("the URL of {name:?} is of another namespace: {session:?}"));
        }
    }

    /// Whether a URL is of a session for the role of a spec. One that an access key begins, which has long been
    /// `key_id`, stays when that key is rotated, but a URL that was just signed is of a session of the new key.
    /// `None` if the spec asks for no session.
    pub fn is_of_right_session(&self, url: &str, spec: &Value, key_id: &str, now: Timestamp) -> Option<bool> {
        let credentials = &spec["s3"]["credentials"];
        let assumed = credentials["assumeRole"]["roleARN"].as_str();
        let role = assumed.or_else(|| credentials["webIdentity"]["roleARN"].as_str())?;
        let wish = self.sts.signer_of(url).map(|session| &session.wish);
        let is_new = begin_of(url).is_none_or(|begun| now.duration_since(begun) < JUST);
        Some(wish.is_some_and(|wish| {
            let is_of_kind = wish.base.is_some() == assumed.is_some();
            let is_of_key = !is_new || wish.base.as_deref().is_none_or(|base| base == key_id);
            wish.role == role && is_of_kind && is_of_key
        }))
    }
}

/// When a URL was signed.
fn begin_of(url: &str) -> Option<Timestamp> {
    let date = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", parameter(url, "X-Amz-Date")?).ok()?;
    Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

/// When a URL ends by what is signed in it.
fn end_of(url: &str) -> Option<Timestamp> {
    Some(begin_of(url)? + SignedDuration::from_secs(parameter(url, "X-Amz-Expires")?.parse().ok()?))
}

fn parameter<'a>(url: &'a str, name: &str) -> Option<&'a str> {
    url.split_once(&format!("{name}="))?.1.split('&').next()
}

/// The STS is not asked again for what it has issued, and less and less often for what it has refused,
/// unless people asked for something meanwhile.
pub fn assert_few_calls(state: &State) {
    for (number, first) in state.sts.calls.iter().enumerate() {
        let later: Vec<_> =
            state.sts.calls[number + 1..].iter().filter(|call| call.wish == first.wish).collect();
        // How often something was asked for that the operator may have noticed after this call.
        let asked = |until: Instant| {
            let is_then = |at: Instant| first.sent <= at + UNNOTICED && at <= until;
            let inputs = state.inputs.iter().filter(|(name, _)| name.0 == first.wish.namespace);
            inputs.filter(|(_, at)| is_then(*at)).count()
        };
        if let Some(next) = later.first() {
            let earliest = match first.answered {
                // While three quarters of a session remain, it serves every URL.
                Some((_, true)) => first.sent + Duration::from_secs(u64::from(first.wish.duration) / 4),
                Some((failed, false)) => failed + BACKOFF,
                None => first.sent + DEADLINE + BACKOFF,
            };
            let is_early = next.sent < earliest && asked(next.sent) == 0;
            assert!(!is_early, "asked again at {:?} after {first:?}: {next:?}", next.sent - first.sent);
        }
        let end = first.sent + Duration::from_secs(60);
        let count = 1 + later.iter().filter(|call| call.sent < end).count();
        assert!(count <= CALLS * (1 + asked(end)), "{count} calls in a minute from {first:?} on");
    }
}
