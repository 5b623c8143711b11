//! The advice in the condition RotationSafe: what to change so that a mounted Secret is updated in
//! time. It is computed from the requested lifetime and overlap.

use super::Request;
use super::request::Overlap;
use super::validity::{SAFE_OVERLAP, Validity};
use crate::crd::{LimitedBy, duration};

/// The shortest lifetime, in seconds, of which an overlap of three minutes is at most five sixths.
const LEAST_LIFETIME: u32 = SAFE_OVERLAP * 6 / 5;

/// What decides how long a session lasts.
const SESSION: &str = "s3.credentials.session.duration, and the maximum of the role";

/// What to change so that an overlap that is too short becomes safe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Advice {
    /// The requested overlap.
    overlap: Overlap,
    /// What limits the lifetime.
    limited_by: LimitedBy,
    /// The requested lifetime, in seconds.
    expires_in: u32,
    /// Whether a session signs the URL.
    has_session: bool,
    /// Whether the actual lifetime has room for an overlap of three minutes.
    has_room: bool,
}

impl Advice {
    /// The advice for a URL of this validity.
    #[must_use]
    pub fn of(request: &Request, validity: Validity, limited_by: LimitedBy) -> Self {
        Self {
            overlap: request.overlap,
            limited_by,
            expires_in: request.expires_in,
            has_session: request.credentials.has_session(),
            has_room: validity.lifetime >= LEAST_LIFETIME,
        }
    }

    /// The advice as the end of a sentence. `credentials` says where the credentials are.
    #[must_use]
    pub fn text(&self, credentials: &str) -> String {
        let earlier = match self.overlap {
            Overlap::Percentage(_) => "replace spec.renewBeforePercentage with spec.renewBefore: 3m",
            Overlap::Seconds(_) | Overlap::Third => "set spec.renewBefore to 3m",
        };
        let least = whole_minutes(LEAST_LIFETIME);
        let longer = |lifetime| self.longer(lifetime, credentials);
        match (self.has_room, lifetime_for(self.overlap).map(whole_minutes)) {
            (true, None) => earlier.to_owned(),
            (true, Some(lifetime)) => format!("{earlier}, or {}", longer(lifetime)),
            (false, None) => format!("{earlier} and {}", longer(least)),
            (false, Some(lifetime)) if lifetime > least => {
                format!("{}, or {earlier} and {}", longer(lifetime), longer(least))
            }
            (false, Some(lifetime)) => longer(lifetime),
        }
    }

    /// What to change so that URLs have this lifetime.
    fn longer(&self, lifetime: u32, credentials: &str) -> String {
        let is_too_short = self.expires_in < lifetime;
        let lifetime = duration::print(lifetime);
        match self.limited_by {
            LimitedBy::Requested => format!("set spec.expiresIn to {lifetime}"),
            LimitedBy::Credentials if self.has_session && is_too_short => {
                format!("let spec.expiresIn and the session {credentials} last {lifetime} ({SESSION})")
            }
            LimitedBy::Credentials if self.has_session => {
                format!("let the session {credentials} last {lifetime} ({SESSION})")
            }
            LimitedBy::Credentials if is_too_short => {
                format!("let spec.expiresIn and the credentials {credentials} last {lifetime}")
            }
            LimitedBy::Credentials => format!("let the credentials {credentials} last {lifetime}"),
            LimitedBy::Signer => {
                format!("ask the owner of the signer to allow a lifetime of {lifetime} (maxExpiresIn)")
            }
        }
    }
}

/// The shortest lifetime with which an overlap is safe; `None` when no lifetime makes it safe.
fn lifetime_for(overlap: Overlap) -> Option<u32> {
    match overlap {
        Overlap::Third => Some(SAFE_OVERLAP * 3),
        Overlap::Percentage(percentage) => Some((SAFE_OVERLAP * 100).div_ceil(percentage.max(1))),
        Overlap::Seconds(seconds) if seconds < SAFE_OVERLAP => None,
        // An overlap that does not fit is cut to five sixths of the lifetime.
        Overlap::Seconds(_) => Some(LEAST_LIFETIME),
    }
}

fn whole_minutes(seconds: u32) -> u32 {
    seconds.next_multiple_of(60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::{at, request};

    fn advice(expires_in: u32, lifetime: u32, overlap: Overlap) -> String {
        let request = Request { expires_in, overlap, ..request() };
        let validity = Validity { signing_time: at(0), lifetime };
        Advice::of(&request, validity, validity.limited_by(&request, None)).text("in Secret \"keys\"")
    }

    #[test]
    fn names_the_field_and_the_value() {
        for (expires_in, lifetime, overlap, expected) in [
            (300, 300, Overlap::Third, "set spec.renewBefore to 3m, or set spec.expiresIn to 9m"),
            (3600, 3600, Overlap::Seconds(20), "set spec.renewBefore to 3m"),
            (
                3600,
                3600,
                Overlap::Percentage(4),
                "replace spec.renewBeforePercentage with spec.renewBefore: 3m, or set spec.expiresIn to 1h15m",
            ),
            (60, 60, Overlap::Seconds(20), "set spec.renewBefore to 3m and set spec.expiresIn to 4m"),
            (
                60,
                60,
                Overlap::Third,
                "set spec.expiresIn to 9m, or set spec.renewBefore to 3m and set spec.expiresIn to 4m",
            ),
            (200, 200, Overlap::Seconds(190), "set spec.expiresIn to 4m"),
            (120, 120, Overlap::Seconds(1000), "set spec.expiresIn to 4m"),
            (
                3600,
                300,
                Overlap::Third,
                "set spec.renewBefore to 3m, or let the credentials in Secret \"keys\" last 9m",
            ),
            (
                200,
                100,
                Overlap::Seconds(20),
                "set spec.renewBefore to 3m and let spec.expiresIn and the credentials in Secret \"keys\" last 4m",
            ),
        ] {
            assert_eq!(advice(expires_in, lifetime, overlap), expected, "{lifetime} {overlap:?}");
        }
    }

    #[test]
    fn says_which_lifetime_a_session_needs() {
        let sessions = crate::domain::model::session_request();
        let text = |expires_in, limited_by| {
            let request = Request { expires_in, overlap: Overlap::Third, ..sessions.clone() };
            let validity = Validity { signing_time: at(0), lifetime: 300 };
            Advice::of(&request, validity, limited_by).text("of ServiceAccount \"uploader\"")
        };
        let session = format!("the session of ServiceAccount \"uploader\" last 9m ({SESSION})");
        let earlier = "set spec.renewBefore to 3m, or";
        for (expires_in, limited_by, expected) in [
            (539, LimitedBy::Credentials, format!("{earlier} let spec.expiresIn and {session}")),
            (540, LimitedBy::Credentials, format!("{earlier} let {session}")),
            (300, LimitedBy::Requested, format!("{earlier} set spec.expiresIn to 9m")),
            (
                3600,
                LimitedBy::Signer,
                format!("{earlier} ask the owner of the signer to allow a lifetime of 9m (maxExpiresIn)"),
            ),
        ] {
            assert_eq!(text(expires_in, limited_by), expected, "{expires_in}");
        }
    }

    /// Every advised value makes the overlap safe, and none is longer than needed.
    #[test]
    fn is_right_and_no_more_than_needed() {
        let is_safe = |lifetime, overlap| Validity { signing_time: at(0), lifetime }.is_overlap_safe(overlap);
        assert!(is_safe(LEAST_LIFETIME, Overlap::Seconds(SAFE_OVERLAP)));
        assert!(!is_safe(LEAST_LIFETIME - 1, Overlap::Seconds(SAFE_OVERLAP)));
        let overlaps =
            (1..=80).map(Overlap::Percentage).chain((1..2000).map(Overlap::Seconds)).chain([Overlap::Third]);
        for overlap in overlaps {
            match lifetime_for(overlap) {
                None => assert!((60..5000).all(|lifetime| !is_safe(lifetime, overlap)), "{overlap:?}"),
                Some(least) => {
                    assert!(is_safe(least, overlap) && !is_safe(least - 1, overlap), "{least} {overlap:?}");
                    assert!((least..least + 5000).all(|lifetime| is_safe(lifetime, overlap)), "{overlap:?}");
                }
            }
        }
    }
}
