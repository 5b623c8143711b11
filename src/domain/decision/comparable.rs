//! The stored URL is compared with the one that would be signed at its signing time: for how long.

use crate::domain::{Credentials, Request, Validity};

/// The validity at which to render the stored Secret again for comparison. `requested` is the lifetime
/// that was requested for the stored URL, in seconds.
#[must_use]
pub fn comparable_validity(
    stored: Validity,
    requested: Option<u32>,
    request: &Request,
    credentials: Option<&Credentials>,
) -> Validity {
    let limit = match credentials.map(|credentials| credentials.expiration) {
        // Without the credentials their expiration is unknown, so a shorter lifetime is no difference.
        None => stored.lifetime,
        Some(None) => u32::MAX,
        // If too little was left to sign at all, the lifetimes differ, as in any other case.
        Some(Some(expiration)) => {
            let left = expiration.as_second() - stored.signing_time.as_second();
            u32::try_from(left.max(1)).unwrap_or(u32::MAX)
        }
    };
    let is_same =
        request.credentials.signer.is_some() && requested.is_none_or(|seconds| seconds == request.expires_in);
    // Another cap of the signer is no difference: it waits for the renewal.
    let lifetime = if is_same && stored.lifetime <= request.expires_in.min(limit) {
        stored.lifetime
    } else {
        request.lifetime().min(limit)
    };
    Validity { signing_time: stored.signing_time, lifetime }
}
