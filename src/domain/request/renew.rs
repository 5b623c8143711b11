//! The token of the renew annotation, which asks for one renewal.

/// The most characters that a renewal token may have, because the status has to hold it.
pub const MAX_RENEW: usize = 128;

/// A token; `None` when it is empty, which asks for nothing. A longer one, which another client may have
/// written into a Secret, is cut.
pub(in crate::domain) fn renew_token(token: &str) -> Option<String> {
    (!token.is_empty()).then(|| token.chars().take(MAX_RENEW).collect())
}

pub(super) fn is_too_long(token: &str) -> bool {
    token.chars().nth(MAX_RENEW).is_some()
}
