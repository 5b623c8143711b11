//! Makes temporary credentials from the values that an STS returns.

use jiff::Timestamp;

use super::checks::MAX_ID;
use super::{Credentials, MAX_VALUE};
use crate::domain::Sensitive;

impl Credentials {
    /// Temporary credentials from the answer of an STS. `None` when a value is empty, is not printable
    /// ASCII, or is so long that no URL could hold it.
    #[must_use]
    pub fn session(id: &str, secret: &str, token: &str, expiration: Timestamp) -> Option<Self> {
        let is_text = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let fits = id.len() <= MAX_ID && id.len() + secret.len() + token.len() <= MAX_VALUE;
        let sensitive = |text: &str| Sensitive::new(text.to_owned());
        (fits && [id, secret, token].into_iter().all(is_text)).then(|| Self {
            access_key_id: sensitive(id),
            secret_access_key: sensitive(secret),
            session_token: Some(sensitive(token)),
            expiration: Some(expiration),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::at;

    #[test]
    fn takes_printable_text_of_a_bounded_length_only() {
        let is_taken =
            |id: &str, secret: &str, token: &str| Credentials::session(id, secret, token, at(9)).is_some();
        assert!(is_taken("ASIA", "a/b+c=", "x"));
        let (fits, long) = ("t".repeat(MAX_VALUE - 2), "t".repeat(MAX_VALUE - 1));
        assert!(is_taken("i", "s", &fits) && !is_taken("i", "s", &long));
        assert!(!is_taken(&"i".repeat(MAX_ID + 1), "s", "t"));
        for bad in ["", "a b", "a\n", "ä", "\u{7f}"] {
            assert!(
                !is_taken(bad, "s", "t") && !is_taken("i", bad, "t") && !is_taken("i", "s", bad),
                "{bad:?}"
            );
        }
    }
}
