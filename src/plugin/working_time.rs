//! From when to when a URL or a form works, and the session that may end it earlier. Pure.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::claims::claims;
use super::console::{Paint, printable, span, when};
use super::tree::Tree;

/// How much earlier than the signing time a store accepts a URL, in seconds.
pub(super) const TOLERANCE: i64 = 15 * 60;

/// From when to when a URL or a form works.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkingTime {
    pub(super) signing_time: Timestamp,
    pub(super) expiration_time: Timestamp,
    pub(super) lifetime_seconds: i64,
    pub(super) session: Option<SessionReading>,
    pub(super) state: UrlState,
}

/// The temporary credentials that signed a URL.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionReading {
    /// When they end, if the token tells.
    pub(super) expiration_time: Option<Timestamp>,
    /// The names of the claims of a token that is a JWT, as that of `MinIO`.
    pub(super) claims: Vec<String>,
}

/// Whether a URL works at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, strum::Display)]
#[serde(rename_all = "camelCase")]
pub(super) enum UrlState {
    #[strum(serialize = "valid")]
    Valid,
    #[strum(serialize = "expired")]
    Expired,
    #[strum(serialize = "not valid yet")]
    NotYetValid,
    #[strum(serialize = "its session has ended")]
    SessionEnded,
}

impl WorkingTime {
    /// Judges the times at `now`. `token` is the session token.
    pub(super) fn new(signed: Timestamp, expires: Timestamp, token: Option<&str>, now: Timestamp) -> Self {
        let session = token.filter(|token| !token.is_empty()).map(SessionReading::of);
        let end = session.as_ref().and_then(|session| session.expiration_time);
        let state = if now >= expires {
            UrlState::Expired
        } else if end.is_some_and(|end| now >= end) {
            UrlState::SessionEnded
        } else if now.as_second() + TOLERANCE < signed.as_second() {
            UrlState::NotYetValid
        } else {
            UrlState::Valid
        };
        Self {
            signing_time: signed,
            expiration_time: expires,
            lifetime_seconds: expires.as_second() - signed.as_second(),
            session,
            state,
        }
    }

    /// A note if the session ends before the time that the URL or the form tells.
    pub(super) fn note(&self, noun: &str) -> Option<String> {
        let end = self.session.as_ref()?.expiration_time.filter(|end| *end < self.expiration_time)?;
        Some(format!("the session ends at {end}, before the time in the {noun}"))
    }

    /// The times and the session, for a URL or a form.
    pub(super) fn trees(&self, noun: &str, now: Timestamp, paint: Paint) -> [Tree; 2] {
        let state = match self.state {
            UrlState::Valid => paint.good("valid"),
            state => paint.bad(&state.to_string()),
        };
        let lifetime = span(self.lifetime_seconds.unsigned_abs());
        let works = Tree::fact("works", state).with(Tree::fact("from", when(self.signing_time, now))).with(
            Tree::fact("until", format!("{}, a lifetime of {lifetime}", when(self.expiration_time, now))),
        );
        let session = match &self.session {
            None => Tree::fact("session", "none: signed with a permanent access key, or without its token"),
            Some(session) => {
                let end = session.expiration_time.map_or_else(
                    || format!("its token does not tell when it ends; the {noun} ends with it"),
                    |end| format!("ends {}", when(end, now)),
                );
                let claims =
                    (!session.claims.is_empty()).then(|| Tree::fact("claims", session.claims.join(", ")));
                Tree::fact("session", end).with_all(claims)
            }
        };
        [works, session]
    }
}

impl SessionReading {
    /// Reads a session token.
    fn of(token: &str) -> Self {
        let claims = claims(token);
        let end = claims.as_ref().and_then(|claims| claims.get("exp")).and_then(Value::as_i64);
        let names = claims.map(|claims| claims.keys().map(|name| printable(name)).collect());
        Self {
            expiration_time: end.and_then(|end| Timestamp::from_second(end).ok()),
            claims: names.unwrap_or_default(),
        }
    }
}
