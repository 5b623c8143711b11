//! The backoff after failures.

/// The longest backoff, in seconds.
pub(super) const MAX_BACKOFF: u32 = 300;

/// The backoff in seconds after `failures` failures in a row (1 for the first). It is at most a quarter
/// of `left`, the seconds that the stored URL has left (`None` when there is no valid URL).
#[must_use]
pub fn backoff(failures: u32, left: Option<u32>) -> u32 {
    let doubled = 1u32.checked_shl(failures.min(31)).unwrap_or(MAX_BACKOFF).min(MAX_BACKOFF);
    let capped = left.map_or(doubled, |left| doubled.min(left / 4));
    capped.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_five_minutes_and_a_quarter_of_what_is_left() {
        for (failures, left, expected) in [
            (0, None, 1),
            (1, None, 2),
            (3, None, 8),
            (9, None, 300),
            (200, None, 300),
            (9, Some(400), 100),
            (9, Some(3), 1),
        ] {
            assert_eq!(backoff(failures, left), expected, "{failures} {left:?}");
        }
    }
}
