//! The claims of a session token that is a JWT, as that of `MinIO`. Pure; the signature is not checked.

use k8s_openapi::ByteString;
use serde_json::{Map, Value};

/// The claims of a token; `None` if it is no JWT.
pub(super) fn claims(token: &str) -> Option<Map<String, Value>> {
    let parts: Vec<_> = token.split('.').collect();
    let [_, claims, _] = parts[..] else { return None };
    let mut standard = claims.replace('-', "+").replace('_', "/");
    while !standard.len().is_multiple_of(4) {
        standard.push('=');
    }
    // The decoder that also reads Secrets.
    let ByteString(bytes) = serde_json::from_value(standard.into()).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_claims_and_nothing_else() {
        let read = claims("e30.eyJleHAiOjE4OTM1NTM0NDUsInBhcmVudCI6ImEifQ.c2ln").unwrap();
        assert_eq!((read["exp"].as_i64(), read["parent"].as_str()), (Some(1_893_553_445), Some("a")));
        for text in ["", "a.b", "a.b.c", "a.!!.c", "FwoGZXIvYXdzE"] {
            assert!(claims(text).is_none(), "{text}");
        }
    }
}
