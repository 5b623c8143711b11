//! Ways to spoil what a good spec says of Secrets: of the one that is written, and of the one that holds the
//! access key.

use presign_operator::crd::{CredentialsKeys, CredentialsSecretRef, PresignedUrlSpec, SecretTarget};
use proptest::prelude::*;

use crate::faults::{Fault, at, one_of};
use crate::specs::{reference, s3};

pub(crate) fn secrets() -> impl Strategy<Value = Fault> {
    let name = one_of(&["", "Upper", "a_b", "-a", "a-", "a..b", ".a", "a/b", "é"]);
    let key = one_of(&["", ".", "..", "..a", "a b", "a/b", "é", "method", "headers", "expires-at"]);
    let ours = ["presign.dev/managed", "presign.dev/x", "app.kubernetes.io/managed-by"];
    let odd = ["", "/a", "a/", "a b", "-a", "a/b/c", "é"];
    let label = || prop_oneof![one_of(&ours), one_of(&odd)];
    prop_oneof![
        at("secret.name", name, |spec, name| {
            spec.secret = Some(SecretTarget { name: Some(name), ..SecretTarget::default() });
        }),
        at("secret.urlKey", key, |spec, key| {
            spec.secret = Some(SecretTarget { url_key: Some(key), ..SecretTarget::default() });
        }),
        at("secret.labels", label(), |spec, name| {
            let labels = Some([(name, "a".to_owned())].into());
            spec.secret = Some(SecretTarget { labels, ..SecretTarget::default() });
        }),
        at("secret.annotations", label(), |spec, name| {
            let annotations = Some([(name, "a".to_owned())].into());
            spec.secret = Some(SecretTarget { annotations, ..SecretTarget::default() });
        }),
    ]
}

/// The reference to a Secret, which takes the place of every other source.
fn secret(spec: &mut PresignedUrlSpec) -> &mut CredentialsSecretRef {
    let credentials = &mut s3(spec).credentials;
    credentials.web_identity = None;
    credentials.secret_ref.insert(reference())
}

pub(crate) fn references() -> impl Strategy<Value = Fault> {
    let name = one_of(&["", "Upper", "a_b", "-a", "a-", "a..b", ".a", "a/b", "é"]);
    let (field, key) = ("s3.credentials.secretRef.keys", one_of(&["", "a b", "a/b", "é", ".", ".."]));
    let profile = one_of(&["", " a", "a ", "[a]", "a\n", "é"]);
    prop_oneof![
        at("s3.credentials.secretRef.name", name, |spec, name| secret(spec).name = name),
        at("s3.credentials.secretRef.profile", profile, |spec, profile| {
            secret(spec).profile = Some(profile);
        }),
        at(field, "[a-z]{1,5}", |spec, key| {
            let keys = CredentialsKeys { access_key_id: Some(key), ..CredentialsKeys::default() };
            secret(spec).keys = Some(keys);
        }),
        at(field, key, |spec, key| {
            let keys = CredentialsKeys { session_token: Some(key), ..CredentialsKeys::default() };
            secret(spec).keys = Some(keys);
        }),
    ]
}
