//! Anything as a manifest and anything as the bytes of a Secret: read, checked, signed and
//! rendered, or refused; never a panic, never a secret in a message.
//!
//! The input is a manifest, then a zero byte, then the values of the Secret's keys with
//! zero bytes between them. Needs a nightly compiler and cargo-fuzz, from this folder:
//! `cargo +nightly fuzz run sign corpus/sign seeds`.

#![no_main]

use jiff::Timestamp;
use k8s_openapi::ByteString;
use libfuzzer_sys::fuzz_target;
use presign_operator::crd::PresignedUrl;
use presign_operator::domain::stored::Stored;
use presign_operator::domain::{Credentials, Owner, Request, UrlParts, Validity, render};
use presign_operator::s3::Signer;

const KEYS: [&str; 4] = ["access-key-id", "secret-access-key", "session-token", "expiration"];

fuzz_target!(|input: &[u8]| {
    let mut parts = input.split(|byte| *byte == 0);
    let Ok(manifest) = str::from_utf8(parts.next().unwrap_or_default()) else { return };
    let options = serde_saphyr::options! { no_schema: true };
    let Ok(objects) = serde_saphyr::from_multiple_with_options::<PresignedUrl>(manifest, options) else {
        return;
    };
    let Some(object) = objects.into_iter().next() else { return };
    let name = object.metadata.name.unwrap_or_default();
    let request = match Request::parse(&name, &object.spec, None) {
        Ok(request) => request,
        Err(refusal) => return assert!(refusal.to_string().starts_with("spec.")),
    };

    let mut values: Vec<Vec<u8>> = parts.map(<[u8]>::to_vec).collect();
    if values.len() < 2 {
        values = vec![b"AKIA".to_vec(), b"wJalrXUtnFEMI/K7MDENG".to_vec()];
    }
    let data = KEYS.iter().zip(&values).map(|(key, value)| ((*key).to_owned(), ByteString(value.clone())));
    let credentials = match Credentials::parse(&request.credentials, &data.collect()) {
        Ok(credentials) => credentials,
        Err(refusal) => return says_nothing_of(&values, &refusal.to_string()),
    };
    let signing_time = Timestamp::from_second(1_893_553_445).unwrap();
    let Ok(validity) = Validity::new(signing_time, request.expires_in, credentials.expiration) else {
        return;
    };
    match Signer::default().presign(&request, &credentials, validity) {
        Err(refusal) => says_nothing_of(&values, &refusal.to_string()),
        Ok(signed) => {
            assert_eq!(UrlParts::read(signed.url.expose()).unwrap().validity, validity);
            assert!(url::Url::parse(signed.url.expose()).is_ok());
            let owner = Owner { namespace: "a".to_owned(), name, uid: "u".to_owned() };
            let issued = render(&request, &signed, &owner, None);
            let content = issued.content();
            assert_eq!(content.url.unwrap().validity, validity);
            let _ = Stored::read(&issued.into_secret());
        }
    }
});

/// Short values stand in every sentence by chance.
fn says_nothing_of(values: &[Vec<u8>], text: &str) {
    for value in values {
        let value = String::from_utf8_lossy(value);
        assert!(value.trim().len() < 24 || !text.contains(value.trim()), "a value is repeated");
    }
}
