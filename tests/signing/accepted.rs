//! What holds for every spec that is accepted: the URL is right, and what the Secret
//! says of it is true.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use presign_operator::domain::policy::Requester;
use presign_operator::domain::request::Addressing;
use presign_operator::domain::stored::Stored;
use presign_operator::domain::{Request, UrlParts, render};
use presign_operator::s3::PresignError;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::facts::{Facts, owner, sign};
use crate::sigv4::{Arrived, Key, decode, verify};
use crate::specs::{Case, case, profile};

/// What an independent server says to a caller who does as the Secret tells.
fn judge(case: &Case, facts: &Facts) -> Result<(), String> {
    let credentials = case.credentials();
    let key = Key {
        id: credentials.access_key_id.expose(),
        secret: credentials.secret_access_key.expose(),
        region: &case.spec.s3.as_ref().unwrap().region,
    };
    verify(&Arrived { method: &facts.method, url: &facts.url, headers: &facts.headers() }, &key)
}

/// The Secret as it comes back from the API server, which has noted who owns what.
fn returned(mut secret: Secret) -> Secret {
    let names = |keys: Option<Vec<&String>>| {
        let fields = keys.into_iter().flatten().map(|key| (format!("f:{key}"), json!({})));
        Value::Object(fields.collect::<Map<_, _>>())
    };
    let owners = secret.metadata.owner_references.iter().flatten();
    let owners = owners.map(|owner| (format!("k:{}", json!({"uid": owner.uid})), json!({})));
    let owners = Value::Object(owners.collect::<Map<_, _>>());
    let fields = json!({
        "f:data": names(secret.data.as_ref().map(|data| data.keys().collect())),
        "f:metadata": {
            "f:ownerReferences": owners,
            "f:labels": names(secret.metadata.labels.as_ref().map(|labels| labels.keys().collect())),
            "f:annotations": names(secret.metadata.annotations.as_ref().map(|all| all.keys().collect())),
        },
    });
    let entry = ManagedFieldsEntry {
        manager: Some("presign-operator".to_owned()),
        operation: Some("Apply".to_owned()),
        fields_v1: Some(FieldsV1(fields)),
        ..ManagedFieldsEntry::default()
    };
    secret.metadata.managed_fields = Some(vec![entry]);
    secret
}

/// The key as a server reads it off the address.
fn key_in(request: &Request, url: &str) -> String {
    let address = url.split('?').next().unwrap();
    let path = address.splitn(4, '/').nth(3).unwrap();
    let prefix = request.connection.endpoint.as_ref().map_or("", |endpoint| &endpoint.path);
    let path = path.strip_prefix(prefix.trim_start_matches('/')).unwrap();
    let path = if prefix.is_empty() { path } else { path.strip_prefix('/').unwrap() };
    let key = match request.connection.addressing {
        Addressing::Path => {
            let (bucket, key) = path.split_once('/').unwrap();
            assert_eq!(decode(bucket).unwrap(), request.bucket);
            key
        }
        Addressing::VirtualHosted | Addressing::BucketEndpoint => path,
    };
    decode(key).unwrap()
}

fn signed<T>(outcome: Result<T, PresignError>) -> Result<T, TestCaseError> {
    outcome.map_err(|refusal| TestCaseError::fail(refusal.to_string()))
}

proptest! {
    #![proptest_config(profile())]

    #[test]
    fn every_url_is_let_in_by_an_independent_verifier(case in case()) {
        let facts = signed(Facts::issue(&case.spec, &case.credentials(), case.signing_time))?;
        prop_assert_eq!(judge(&case, &facts), Ok(()));
    }

    #[test]
    fn a_caller_who_does_anything_else_is_not_let_in(case in case(), at in any::<prop::sample::Index>()) {
        let facts = signed(Facts::issue(&case.spec, &case.credentials(), case.signing_time))?;
        let other_method = if facts.method == "PUT" { "DELETE" } else { "PUT" };
        let changed = Facts { method: other_method.to_owned(), ..facts.clone() };
        prop_assert!(judge(&case, &changed).is_err());
        let lines: Vec<&str> = facts.header_file.split_inclusive('\n').collect();
        if !lines.is_empty() {
            let left_out = at.index(lines.len());
            let kept = lines.iter().enumerate().filter(|(index, _)| *index != left_out);
            let header_file = kept.map(|(_, line)| *line).collect();
            let changed = Facts { header_file, ..facts.clone() };
            prop_assert!(judge(&case, &changed).is_err());
        }
        // Any one byte of the URL: of the address, a parameter or the signature.
        let position = at.index(facts.url.len());
        let mut bytes = facts.url.clone().into_bytes();
        bytes[position] = if bytes[position] == b'z' { b'y' } else { b'z' };
        // The scheme is not signed.
        if position > facts.url.find("://").unwrap() {
            let url = String::from_utf8(bytes).unwrap();
            let changed = Facts { url, ..facts };
            prop_assert!(judge(&case, &changed).is_err());
        }
    }

    #[test]
    fn the_address_says_the_key_and_nothing_rewrites_it(case in case()) {
        let request = Request::inline(Requester::new("team-a", "report"), &case.spec, None).unwrap();
        let url = signed(sign(&request, &case.credentials(), case.signing_time))?.url.expose().clone();
        prop_assert_eq!(&key_in(&request, &url), &case.spec.key);
        // Browsers and most libraries parse an address by the rules of the `url` crate and
        // send what they have parsed: what they change would break the signature.
        prop_assert_eq!(String::from(url::Url::parse(&url).unwrap()), url);
    }

    #[test]
    fn what_the_secret_says_reads_back(case in case()) {
        let request = Request::inline(Requester::new("team-a", "report"), &case.spec, None).unwrap();
        let signed = signed(sign(&request, &case.credentials(), case.signing_time))?;
        let issued = render(&request, &signed, &owner(), Some("token"));
        let content = issued.content();
        let secret = issued.into_secret();
        let facts = Facts::read(&secret);

        let stored = Stored::read(&returned(secret));
        prop_assert_eq!(stored.content, content);
        prop_assert_eq!(stored.content.url.unwrap().validity, signed.validity);
        prop_assert!(stored.is_managed && stored.is_url_ours && !stored.is_other_format && !stored.is_fixed);
        prop_assert_eq!(stored.handled_renew.as_deref(), Some("token"));

        let parts = UrlParts::read(&facts.url).unwrap();
        prop_assert_eq!(parts.validity, signed.validity);
        prop_assert!(parts.identity.expose().starts_with(case.credentials().access_key_id.expose().as_str()));
        prop_assert_eq!(facts.headers(), request.headers);
        prop_assert_eq!(facts.method, request.method.to_string());
        let expires_at: jiff::Timestamp = facts.expires_at.parse().unwrap();
        prop_assert_eq!(expires_at, signed.validity.expiration_time());
        prop_assert_eq!(expires_at.as_second() - case.signing_time.as_second(), i64::from(request.expires_in));
    }
}
