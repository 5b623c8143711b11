//! What is done with an input, whoever makes it up: libFuzzer in `fuzz_targets`, or the mutations
//! of `tests/fuzz`, which needs no other compiler. Never a panic, never a secret in a message.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use presign_operator::cli;
use presign_operator::crd::PresignedUrl;
use presign_operator::domain::limits::HostPattern;
use presign_operator::domain::policy::Requester;
use presign_operator::domain::stored::Stored;
use presign_operator::domain::{Credentials, Limits, Owner, Request, SignedForm, UrlParts, Validity, render};
use presign_operator::s3::UrlSigner;

/// Does something with an input, and panics where that is a fault.
pub(crate) type Body = fn(&[u8]);

/// Every target: its name, which is also that of its folder of seeds.
pub(crate) const TARGETS: [(&str, Body); 5] =
    [("manifest", manifest), ("object", object), ("secret", secret), ("sign", sign), ("stored", stored)];

const KEYS: [&str; 4] = ["access-key-id", "secret-access-key", "session-token", "expiration"];

/// A manifest, then a zero byte, then the values of the Secret's keys with zero bytes between them:
/// read, checked, signed and rendered, or refused.
pub(crate) fn sign(input: &[u8]) {
    let mut parts = input.split(|byte| *byte == 0);
    let Ok(manifest) = str::from_utf8(parts.next().unwrap_or_default()) else { return };
    let options = serde_saphyr::options! { no_schema: true };
    let Ok(objects) = serde_saphyr::from_multiple_with_options::<PresignedUrl>(manifest, options) else {
        return;
    };
    let Some(object) = objects.into_iter().next() else { return };
    let name = object.metadata.name.unwrap_or_default();
    let request = match Request::inline(Requester::new("team-a", &name), &object.spec, None) {
        Ok(request) => request,
        Err(refusal) => return assert!(refusal.to_string().starts_with("spec.")),
    };

    let mut values: Vec<Vec<u8>> = parts.map(<[u8]>::to_vec).collect();
    if values.len() < 2 {
        values = vec![b"AKIA".to_vec(), b"wJalrXUtnFEMI/K7MDENG".to_vec()];
    }
    let data = KEYS.iter().zip(&values).map(|(key, value)| ((*key).to_owned(), ByteString(value.clone())));
    let Some(reference) = request.credentials.secret() else { return };
    let credentials = match Credentials::parse(reference, &data.collect()) {
        Ok(credentials) => credentials,
        Err(refusal) => return says_nothing_of(&values, &refusal.to_string()),
    };
    let signing_time = Timestamp::from_second(1_893_553_445).unwrap();
    let Ok(validity) = Validity::new(signing_time, request.expires_in, credentials.expiration) else {
        return;
    };
    match UrlSigner::default().presign(&request, &credentials, validity) {
        Err(refusal) => says_nothing_of(&values, &refusal.to_string()),
        Ok(signed) => {
            let url = signed.url.expose();
            let parts = match &signed.form {
                None => UrlParts::read(url),
                Some(form) => UrlParts::read_form(url, &form.json(url)),
            };
            assert_eq!(parts.unwrap().validity, validity);
            assert!(url::Url::parse(url).is_ok());
            let owner = Owner { namespace: "a".to_owned(), name, uid: "u".to_owned() };
            let issued = render(&request, &signed, &owner, None);
            let content = issued.content();
            assert_eq!(content.url.unwrap().validity, validity);
            let _ = Stored::read(&issued.into_secret());
        }
    }
}

/// Short values stand in every sentence by chance.
fn says_nothing_of(values: &[Vec<u8>], text: &str) {
    for value in values {
        let value = String::from_utf8_lossy(value);
        assert!(value.trim().len() < 24 || !text.contains(value.trim()), "a value is repeated");
    }
}

/// The data of a Secret, as `key`, zero byte, `value`, zero byte, and so on: an access key or a
/// refusal that repeats no value.
pub(crate) fn secret(input: &[u8]) {
    let parts: Vec<&[u8]> = input.split(|byte| *byte == 0).collect();
    let entry = |pair: &[&[u8]]| {
        let value = pair.get(1).copied().unwrap_or_default();
        (String::from_utf8_lossy(pair[0]).into_owned(), ByteString(value.to_vec()))
    };
    // The API server lets no other keys in; messages repeat those.
    let is_key =
        |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let data: BTreeMap<String, ByteString> =
        parts.chunks(2).map(entry).filter(|(key, _)| is_key(key)).collect();
    let values: Vec<Vec<u8>> = data.values().map(|value| value.0.clone()).collect();
    let mut names = data.keys().cloned();
    let (first, second) = (names.next(), names.next());
    let keys = first
        .zip(second)
        .map(|(id, secret)| serde_json::json!({"accessKeyID": id, "secretAccessKey": secret}));
    for reference in [
        serde_json::json!({"name": "keys"}),
        serde_json::json!({"name": "keys", "keys": keys}),
        serde_json::json!({"name": "keys", "profile": "team-a"}),
    ] {
        let reference = serde_json::from_value(reference).unwrap();
        match Credentials::parse(&reference, &data) {
            Err(refusal) => says_nothing_of(&values, &refusal.to_string()),
            Ok(credentials) => {
                let (id, secret) =
                    (credentials.access_key_id.expose(), credentials.secret_access_key.expose());
                assert!(!id.trim().is_empty() && !secret.trim().is_empty(), "a key is blank");
                assert!(
                    !id.contains(char::is_control) && !secret.contains(char::is_control),
                    "control characters"
                );
                assert!(!format!("{credentials:?}").contains(secret.as_str()) || secret.len() < 24, "shown");
            }
        }
    }
}

/// The text of a stored URL or form: what is read out of it could have been signed.
pub(crate) fn stored(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let form = || SignedForm::read(&text).and_then(|(url, _)| UrlParts::read_form(&url, &text));
    for read in [&(|| UrlParts::read(&text)) as &dyn Fn() -> Option<UrlParts>, &form] {
        let Some(parts) = read() else { continue };
        assert!((1..=604_800).contains(&parts.validity.lifetime), "{}", parts.validity.lifetime);
        assert!(parts.validity.signing_time >= Timestamp::UNIX_EPOCH);
        assert!(parts.validity.expiration_time() > parts.validity.signing_time);
        let again = read().unwrap();
        assert_eq!((again.address, again.text), (parts.address, parts.text));
    }
    let data = [("url".to_owned(), ByteString(input.to_vec()))].into();
    let stored = Stored::read(&Secret { data: Some(data), ..Secret::default() });
    if let Some(url) = stored.content.url {
        assert_eq!(Some(url.validity), UrlParts::read(&text).map(|parts| parts.validity));
    }
}

/// A file for `sign`, in YAML or JSON: all of its objects are signed, each with what it asks for, or the
/// refusal says why and never repeats the access key.
pub(crate) fn manifest(input: &[u8]) {
    const SECRET: &str = "the/secret/access/key/of/the/fuzzer+1234";

    let is_told = |refusal: &anyhow::Error| {
        let told = format!("{refusal:#}");
        assert!(!told.is_empty() && !told.contains(SECRET), "{told}");
        assert!(str::from_utf8(input).is_ok() || told == "is not UTF-8 text", "{told}");
    };
    let manifest = match cli::manifest::read_bytes(input) {
        Ok(manifest) => manifest,
        Err(refusal) => return is_told(&refusal),
    };
    let reference = serde_json::from_value(serde_json::json!({"name": "keys"})).unwrap();
    let value = |text: &str| ByteString(text.as_bytes().to_vec());
    let data = [(KEYS[0].to_owned(), value("AKIAFUZZ")), (KEYS[1].to_owned(), value(SECRET))].into();
    let credentials = Credentials::parse(&reference, &data).unwrap();
    let now = Timestamp::from_second(1_893_553_445).unwrap();
    let limits = Limits::new(Vec::new(), vec![HostPattern::All]);
    let sign = |manifest: &_| cli::sign_manifest(manifest, &limits, &credentials, now);
    let signed = match sign(&manifest) {
        Ok(signed) => signed,
        Err(refusal) => return is_told(&refusal),
    };
    assert!(str::from_utf8(input).is_ok());
    assert_eq!(signed.len(), manifest.objects.len());
    let mut backwards = manifest;
    backwards.objects.reverse();
    let again = sign(&backwards).unwrap();
    for ((resolved, signed), (_, again)) in signed.iter().zip(again.iter().rev()) {
        let url = signed.url.expose();
        let parts = match &signed.form {
            None => UrlParts::read(url),
            Some(form) => UrlParts::read_form(url, &form.json(url)),
        };
        let lifetime = resolved.request.lifetime();
        assert!((60..=604_800).contains(&lifetime), "{lifetime}");
        assert_eq!(parts.unwrap().validity, Validity { signing_time: now, lifetime });
        assert!(url::Url::parse(url).is_ok() && !url.contains(SECRET));
        assert_eq!(url, again.url.expose(), "what is beside an object changes nothing");
    }
}

/// Objects as the API server sends them: a PresignedUrl and a Secret.
pub(crate) fn object(input: &[u8]) {
    if let Ok(object) = serde_json::from_slice::<PresignedUrl>(input) {
        match Request::inline(
            Requester::new("team-a", object.metadata.name.as_deref().unwrap_or_default()),
            &object.spec,
            Some("token"),
        ) {
            Ok(request) => {
                assert!((60..=604_800).contains(&request.expires_in));
                let _ = request.hints();
                // As the API server stores it and sends it again.
                let text = serde_json::to_string(&object.spec).unwrap();
                let spec = serde_json::from_str(&text).unwrap();
                let requester = Requester::new("team-a", object.metadata.name.as_deref().unwrap_or_default());
                assert_eq!(Request::inline(requester, &spec, Some("token")).unwrap(), request);
            }
            Err(refusal) => assert!(refusal.to_string().starts_with("spec.")),
        }
    }
    if let Ok(secret) = serde_json::from_slice::<Secret>(input) {
        let text = serde_json::to_string(&secret).unwrap();
        assert_eq!(Stored::read(&secret), Stored::read(&serde_json::from_str(&text).unwrap()));
    }
}
