//! Durations as users write them: `90m`, `1h30m`, `3600s`.
//!
//! Whole seconds only, a subset of what Go's `time.ParseDuration` and CEL's
//! `duration()` accept, so that the API server and the operator agree.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest text of a duration; keeps the cost of the validation rules bounded.
pub const MAX_TEXT: u32 = 32;

/// A duration as it stands in a manifest, not yet checked.
///
/// The text is kept so that what a user wrote is what every tool shows.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(transparent)]
pub struct DurationText(#[schemars(length(min = 2, max = MAX_TEXT))] pub String);

impl DurationText {
    /// The duration in seconds; `None` when the text is too long or does not match
    /// `^([0-9]{1,6}[hms])+$`. A sum that does not fit is as large as can be: it is well
    /// formed, and out of every range.
    #[must_use]
    pub fn seconds(&self) -> Option<u32> {
        let mut rest = self.0.as_str();
        if rest.is_empty() || rest.len() > MAX_TEXT as usize {
            return None;
        }
        let mut total: u32 = 0;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 || digits > 6 {
                return None;
            }
            let count: u32 = rest[..digits].parse().ok()?;
            let unit = match rest.as_bytes().get(digits)? {
                b'h' => 3600,
                b'm' => 60,
                b's' => 1,
                _ => return None,
            };
            total = total.saturating_add(count.saturating_mul(unit));
            rest = &rest[digits + 1..];
        }
        Some(total)
    }
}

impl From<&str> for DurationText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// Prints seconds the way a person writes them: `1h30m`, `45s`, `0s`.
#[must_use]
pub fn print(seconds: u32) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let text: String = [(hours, 'h'), (minutes, 'm'), (seconds, 's')]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_pattern_allows() {
        for (text, expected) in [
            ("1h", Some(3600)),
            ("90m", Some(5400)),
            ("1h30m", Some(5400)),
            ("30m1h", Some(5400)),
            ("999999s", Some(999_999)),
            ("0s", Some(0)),
            ("", None),
            ("h", None),
            ("1", None),
            ("1.5h", None),
            ("-1h", None),
            ("1d", None),
            ("1000000s", None),
            ("1h ", None),
            ("999999h999999h999999h", Some(u32::MAX)),
            ("1h0s0s0s0s0s0s0s0s0s0s0s0s0s0s0s0s", None),
        ] {
            assert_eq!(DurationText::from(text).seconds(), expected, "{text:?}");
        }
    }

    #[test]
    fn prints_what_it_reads() {
        for seconds in [0, 1, 59, 60, 61, 3600, 3661, 604_800] {
            assert_eq!(DurationText(print(seconds)).seconds(), Some(seconds));
        }
    }
}
