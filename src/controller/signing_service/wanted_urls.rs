//! What a request asks for, before the signer is looked at.

use std::collections::BTreeMap;

use super::failure::{SigningFailure, SigningResult};
use crate::crd::{PresignedUrlSpec, SecretTarget};
use crate::domain::resolve::signer_id;
use crate::domain::signer::SignerId;
use crate::domain::volume::SigningRequest;

/// The most URLs of a volume.
const MAX_URLS: usize = 32;
/// What stands for the name of the Secret that a volume does not have.
const NO_SECRET: &str = "volume";

/// The signer that all URLs of a request name.
///
/// # Errors
/// The error names the first URL and field that a volume with a signer cannot have.
pub fn named_signer(request: &SigningRequest, namespace: &str) -> Result<SignerId, SigningFailure> {
    let invalid = |message: String| SigningFailure::new(SigningResult::Invalid, message);
    if request.urls.len() > MAX_URLS {
        return Err(invalid(format!("a volume has at most {MAX_URLS} URLs: use several volumes")));
    }
    let mut signer: Option<SignerId> = None;
    for (name, spec) in &request.urls {
        if !is_url_name(name, &request.urls) {
            let message =
                "the names of URLs have 1 to 32 of a-z, 0-9 and '-'; only the one URL of a volume has none";
            return Err(invalid(message.to_owned()));
        }
        let invalid = |message: String| invalid(message).of_url(name);
        if let Some(field) = field_of_others(spec) {
            return Err(invalid(format!("spec.{field}: has no effect in a volume with a signer: remove it")));
        }
        let Some(reference) = &spec.signer_ref else {
            return Err(invalid("spec.signerRef: is not set: name the signer".to_owned()));
        };
        let id = signer_id(reference, namespace);
        match &signer {
            Some(first) if *first != id => {
                return Err(invalid("spec.signerRef: all URLs of a volume must name one signer".to_owned()));
            }
            _ => signer = Some(id),
        }
    }
    signer.ok_or_else(|| invalid("the volume has no URLs: add one".to_owned()))
}

/// The spec as it is resolved: with the name of a Secret, which every `PresignedUrl` has.
pub fn resolvable(spec: &PresignedUrlSpec) -> PresignedUrlSpec {
    let secret = SecretTarget { name: Some(NO_SECRET.to_owned()), ..SecretTarget::default() };
    PresignedUrlSpec { secret: Some(secret), ..spec.clone() }
}

/// A field that a volume with a signer does not have.
fn field_of_others(spec: &PresignedUrlSpec) -> Option<&'static str> {
    [
        ("s3", spec.s3.is_some()),
        ("secret", spec.secret.is_some()),
        ("podRefresh", spec.pod_refresh.is_some()),
        ("verify", spec.verify.is_some()),
        ("renewPolicy", spec.renew_policy.is_some()),
        ("ttlAfterExpired", spec.ttl_after_expired.is_some()),
        ("suspend", spec.suspend.is_some()),
    ]
    .into_iter()
    .find_map(|(field, is_set)| is_set.then_some(field))
}

/// Whether a URL can have this name, which is also that of its folder on the node.
fn is_url_name(name: &str, all: &BTreeMap<String, PresignedUrlSpec>) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() { all.len() == 1 } else { name.len() <= 32 && name.bytes().all(is_allowed) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::crd::SignerKind;

    fn check(urls: &Value) -> Result<SignerId, String> {
        let request = serde_json::from_value(json!({"urls": urls, "longerThan": null, "seed": 0})).unwrap();
        named_signer(&request, "team-a").map_err(|failure| failure.failure.message)
    }

    fn spec(changes: &Value) -> Value {
        let mut spec =
            json!({"bucket": "media", "key": "a", "signerRef": {"kind": "ClusterSigner", "name": "media"}});
        spec.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        spec
    }

    #[test]
    fn all_urls_name_one_signer() {
        let plain = spec(&json!({}));
        let id = check(&json!({"": plain})).unwrap();
        assert_eq!(
            (id.kind, id.namespace.as_str(), id.name.as_str()),
            (SignerKind::ClusterSigner, "", "media")
        );
        let own = json!({"signerRef": {"name": "media"}});
        let id = check(&json!({"in": spec(&own), "out-2": spec(&own)})).unwrap();
        assert_eq!((id.kind, id.namespace.as_str()), (SignerKind::Signer, "team-a"));
        let said = check(&json!({"in": spec(&own), "out": plain})).unwrap_err();
        assert!(said.contains("URL \"out\"") && said.contains("one signer"), "{said}");
        assert!(check(&json!({})).unwrap_err().contains("no URLs"));
    }

    #[test]
    fn what_a_volume_with_a_signer_cannot_have_is_named() {
        let s3 = json!({"region": "r", "credentials": {"secretRef": {"name": "keys"}}});
        for (field, value) in [
            ("s3", s3),
            ("secret", json!({"name": "other"})),
            ("podRefresh", json!("Annotate")),
            ("verify", json!("Once")),
            ("renewPolicy", json!("Never")),
            ("ttlAfterExpired", json!("1h")),
            ("suspend", json!(false)),
        ] {
            let said = check(&json!({"": spec(&json!({field: value}))})).unwrap_err();
            assert!(said.contains("has no effect in a volume with a signer"), "{field}: {said}");
        }
        let said = check(&json!({"": spec(&json!({"signerRef": null}))})).unwrap_err();
        assert!(said.contains("volumeAttributes.signer"), "{said}");
    }

    #[test]
    fn a_name_cannot_lead_out_of_the_volume() {
        let plain = spec(&json!({}));
        for name in ["..", "a/b", "A", "a.b", &"a".repeat(33)] {
            assert!(check(&json!({name: plain})).unwrap_err().contains("names of URLs"), "{name}");
        }
        assert!(check(&json!({"": plain, "a": plain})).is_err());
        let many = |count: usize| (0..count).map(|n| (format!("u{n}"), plain.clone())).collect::<Value>();
        assert!(check(&many(32)).is_ok());
        assert!(check(&many(33)).unwrap_err().contains("at most 32"));
    }
}
