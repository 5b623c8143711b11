//! What holds for every form: its policy is signed, permits what the spec says, and what the Secret says of
//! it reads back.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use presign_operator::crd::{Method, PresignedUrlSpec, UploadForm};
use presign_operator::domain::UrlParts;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::facts::Facts;
use crate::sigv4::sign_policy;
use crate::specs::{Case, case, profile};
use crate::texts::header_value;

fn upload() -> impl Strategy<Value = UploadForm> {
    let sizes = (1..1_000_000_i64, prop::option::of(0..=1_i64));
    let types = prop::sample::select(vec!["image/", "image/png", "text/plain; charset=\"utf-8\""]);
    let metadata = prop::collection::btree_map("[a-z0-9_.-]{1,12}", header_value(), 0..3);
    let answer = prop_oneof![
        Just((None, None)),
        prop::sample::select(vec![200, 201, 204]).prop_map(|status| (None, Some(status))),
        "https://[a-z]{1,9}/[!-~]{0,20}".prop_map(|address| (Some(address), None)),
    ];
    (sizes, prop::option::of(types), metadata, answer).prop_map(|(sizes, content_type, metadata, answer)| {
        let ((max_size, min_size), (success_redirect, success_status)) = (sizes, answer);
        UploadForm {
            max_size,
            min_size,
            key_prefix: None,
            content_type: content_type.map(str::to_owned),
            metadata: Some(metadata.into_iter().filter(|(_, v)| v.len() < 500).collect()),
            success_redirect,
            success_status,
        }
    })
}

/// A spec with a form, and all else that it depends on.
fn posted() -> impl Strategy<Value = Case> {
    let named = case().prop_filter("only a name", |case| !case.spec.bucket.contains(':'));
    (named, upload(), any::<bool>()).prop_map(|(case, mut form, is_prefix)| {
        let mut key = case.spec.key.replace("${filename}", "f");
        form.key_prefix = Some(is_prefix);
        if is_prefix {
            // A dot at the cut would be a segment of its own.
            key = format!("{}k/", key.chars().take(200).collect::<String>());
        }
        let (headers, query, response, version_id) = (None, None, None, None);
        let spec = PresignedUrlSpec {
            key,
            method: Some(Method::Post),
            form: Some(form),
            headers,
            query,
            response,
            version_id,
            ..case.spec
        };
        Case { spec, ..case }
    })
}

/// The file for curl, read as curl reads it.
fn read(config: &str) -> BTreeMap<String, String> {
    let line = |line: &str| {
        let quoted = line.strip_prefix("form-string = \"").unwrap().strip_suffix('"').unwrap();
        let (mut text, mut characters) = (String::new(), quoted.chars());
        while let Some(c) = characters.next() {
            assert_ne!(c, '"', "a quote ends the value");
            text.push(if c == '\\' { characters.next().unwrap() } else { c });
        }
        let (name, value) = text.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    };
    config.lines().map(line).collect()
}

proptest! {
    #![proptest_config(profile())]

    #[test]
    fn every_form_is_signed_and_says_what_its_spec_says(case in posted()) {
        let credentials = case.credentials();
        let facts = match Facts::issue(&case.spec, &credentials, case.signing_time) {
            Err(refusal) if refusal.to_string().contains("the fields of the form would have") => {
                let form = case.spec.form.as_ref().unwrap();
                let texts = json!([form.metadata, form.success_redirect, case.spec.key, case.data]).to_string();
                prop_assert!(texts.len() > 5_000, "{refusal} with only {} bytes", texts.len());
                return Ok(());
            }
            outcome => outcome.map_err(|refusal| TestCaseError::fail(refusal.to_string()))?,
        };
        let file: Value = serde_json::from_str(&facts.form).unwrap();
        prop_assert_eq!(&file["url"], &json!(facts.url));
        let fields: BTreeMap<String, String> = serde_json::from_value(file["fields"].clone()).unwrap();
        prop_assert_eq!(&read(&facts.fields), &fields);
        prop_assert_eq!((facts.method.as_str(), facts.header_file.as_str()), ("POST", ""));

        let (id, scope) = fields["x-amz-credential"].rsplit_once(&format!("/{}", &fields["x-amz-date"][..8])).unwrap();
        let scope = format!("{}{scope}", &fields["x-amz-date"][..8]);
        prop_assert_eq!(id, credentials.access_key_id.expose());
        let signature = sign_policy(credentials.secret_access_key.expose(), &scope, &fields["policy"]);
        prop_assert_eq!(&fields["x-amz-signature"], &signature);

        let form = case.spec.form.as_ref().unwrap();
        let policy: ByteString = serde_json::from_value(json!(fields["policy"])).unwrap();
        let policy: Value = serde_json::from_slice(&policy.0).unwrap();
        prop_assert_eq!(&policy["expiration"], &json!(facts.expires_at));
        let conditions = policy["conditions"].as_array().unwrap();
        let key = &case.spec.key;
        let of_key = if form.key_prefix == Some(true) { json!(["starts-with", "$key", key]) } else { json!({"key": key}) };
        let range = json!(["content-length-range", form.min_size.unwrap_or(0), form.max_size]);
        for wanted in [of_key, range, json!({"bucket": case.spec.bucket})] {
            prop_assert!(conditions.contains(&wanted), "{wanted}: {policy}");
        }
        // Each field but these two has a condition, and nothing else has one.
        let prefixes = form.content_type.as_ref().filter(|text| text.ends_with('/')).iter().count();
        prop_assert_eq!(conditions.len(), fields.len() - 2 + 2 + prefixes);

        let parts = UrlParts::read_form(&facts.url, &facts.form).unwrap();
        prop_assert_eq!(parts.validity.signing_time, case.signing_time);
        prop_assert_eq!(parts.validity.expiration_time().to_string(), facts.expires_at);
        prop_assert_eq!(String::from(url::Url::parse(&facts.url).unwrap()), facts.url);
    }
}
