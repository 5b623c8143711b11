//! When a URL starts to work, expires and is renewed. All times are whole seconds.

use jiff::{SignedDuration, Timestamp};

use super::Request;
use super::request::Overlap;
use crate::crd::LimitedBy;

/// Nothing is signed with credentials that have less than this left, in seconds.
const MIN_CREDENTIALS_LIFETIME: i64 = 10;
/// The overlap that a mounted Secret needs to reach all pods, in seconds. By default, the kubelet may lag by
/// 90 seconds.
pub(super) const SAFE_OVERLAP: u32 = 180;

/// The time during which a URL works.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Validity {
    /// When the URL was signed, which is also when it starts to work.
    pub signing_time: Timestamp,
    /// How long the URL works, in seconds.
    pub lifetime: u32,
}

/// The credentials expire too soon to sign with them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the credentials expire at {expiration}")]
pub struct CredentialsExpired {
    /// When the credentials expire.
    pub expiration: Timestamp,
}

impl Validity {
    /// The longest validity that starts at `signing_time` and exceeds neither the requested lifetime
    /// (`expires_in`, in seconds) nor the expiration of the credentials.
    ///
    /// # Errors
    /// When the credentials have less than 10 seconds left.
    pub fn new(
        signing_time: Timestamp,
        expires_in: u32,
        credentials_expiration: Option<Timestamp>,
    ) -> Result<Self, CredentialsExpired> {
        let Some(expiration) = credentials_expiration else {
            return Ok(Self { signing_time, lifetime: expires_in });
        };
        let left = expiration.as_second() - signing_time.as_second();
        if left < MIN_CREDENTIALS_LIFETIME {
            return Err(CredentialsExpired { expiration });
        }
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        Ok(Self { signing_time, lifetime: expires_in.min(left) })
    }

    /// The first moment at which the URL no longer works.
    #[must_use]
    pub fn expiration_time(&self) -> Timestamp {
        plus(self.signing_time, self.lifetime)
    }

    /// What limits the lifetime of a URL for a request, signed with credentials that expire then.
    #[must_use]
    pub fn limited_by(&self, request: &Request, credentials: Option<Timestamp>) -> LimitedBy {
        let is_cap = request.cap == Some(self.lifetime);
        // The cap may have changed since the URL was signed, and the credentials may have been renewed.
        let is_of_signer = request.credentials.signer.is_some()
            && !request.credentials.has_session()
            && credentials != Some(self.expiration_time());
        if self.lifetime >= request.expires_in {
            LimitedBy::Requested
        } else if is_cap || is_of_signer {
            LimitedBy::Signer
        } else {
            LimitedBy::Credentials
        }
    }

    /// The seconds between renewal and expiry, before jitter, and whether the requested overlap did not
    /// fit and was cut to five sixths of the lifetime.
    #[must_use]
    pub fn overlap(&self, overlap: Overlap) -> (u32, bool) {
        let asked = match overlap {
            Overlap::Seconds(seconds) => seconds,
            Overlap::Percentage(percentage) => share(self.lifetime, percentage, 100).max(1),
            Overlap::Third => (self.lifetime / 3).max(1),
        };
        let most = share(self.lifetime, 5, 6).max(1);
        (asked.min(most), asked > most)
    }

    /// Whether the overlap is long enough for a mounted Secret to reach all pods.
    #[must_use]
    pub fn is_overlap_safe(&self, overlap: Overlap) -> bool {
        self.overlap(overlap).0 >= SAFE_OVERLAP
    }

    /// When the next URL is due, always after the signing time and before the expiry. `seed`, a hash of
    /// the UID of the object, moves it earlier by up to a tenth of the lifetime. Many renewals are thus
    /// spread out, and a restart does not change them.
    #[must_use]
    pub fn renewal_time(&self, overlap: Overlap, seed: u32) -> Timestamp {
        let wait = self.lifetime.saturating_sub(self.overlap(overlap).0);
        let spread = (self.lifetime / 10).min(wait / 2);
        let jitter = (u64::from(seed) * u64::from(spread)) >> 32;
        let jitter = u32::try_from(jitter).unwrap_or(spread);
        plus(self.signing_time, (wait - jitter).max((self.lifetime / 6).max(1)))
    }
}

/// `whole * part / of` without overflow.
fn share(whole: u32, part: u32, of: u32) -> u32 {
    u32::try_from(u64::from(whole) * u64::from(part) / u64::from(of)).unwrap_or(whole)
}

/// The time `seconds` later, or the last possible time if that overflows.
pub(super) fn plus(time: Timestamp, seconds: u32) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn ends_with_the_credentials() {
        let limited = Validity::new(at(1000), 3600, Some(at(1010))).unwrap();
        assert_eq!(limited.lifetime, 10);
        assert!(Validity::new(at(1000), 3600, Some(at(1009))).is_err());
        let free = Validity::new(at(1000), 3600, Some(at(9999))).unwrap();
        assert_eq!(free.lifetime, 3600);
    }

    #[test]
    fn renews_when_two_thirds_elapsed() {
        let hour = Validity::new(at(0), 3600, None).unwrap();
        assert_eq!(hour.renewal_time(Overlap::Third, 0), at(2400));
        assert_eq!(hour.renewal_time(Overlap::Third, u32::MAX), at(2400 - 359));
        assert_eq!(hour.renewal_time(Overlap::Percentage(80), u32::MAX), at(600));
    }

    #[test]
    fn a_short_wait_is_spread_by_half_of_itself() {
        let validity = Validity::new(at(0), 1000, None).unwrap();
        // 180 s of waiting and 90 s of spread, of which a sixteenth is taken; never before 166 s.
        assert_eq!(validity.renewal_time(Overlap::Seconds(820), 1 << 28), at(180 - 5));
        assert_eq!(validity.renewal_time(Overlap::Seconds(820), u32::MAX), at(166));
    }

    #[test]
    fn an_overlap_that_does_not_fit_is_cut_to_five_sixths() {
        let hour = Validity::new(at(0), 3600, None).unwrap();
        assert_eq!(hour.overlap(Overlap::Seconds(3000)), (3000, false));
        assert_eq!(hour.overlap(Overlap::Seconds(3001)), (3000, true));
        assert_eq!(hour.renewal_time(Overlap::Seconds(3000), u32::MAX), at(600));
        assert_eq!(hour.renewal_time(Overlap::Seconds(9999), u32::MAX), at(600));
        // The credentials limit the lifetime, so that the requested overlap no longer fits.
        let short = Validity::new(at(0), 3600, Some(at(601))).unwrap();
        assert_eq!(short.overlap(Overlap::Seconds(1200)), (500, true));
        let least = Validity::new(at(0), 3600, Some(at(10))).unwrap();
        assert_eq!(least.overlap(Overlap::Seconds(60)), (8, true));
        assert_eq!(least.renewal_time(Overlap::Seconds(60), 0), at(2));
    }
}
