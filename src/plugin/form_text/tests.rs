//! Tests of `form_text`, and forms for the tests of those who read them.

use serde_json::json;

use super::*;
use crate::crd::PresignedUrlSpec;
use crate::domain::policy::Requester;
use crate::domain::{Credentials, Request, Validity};
use crate::s3::UrlSigner;

pub(in super::super) const SIGNED: &str = "2030-01-02T03:04:05Z";
pub(in super::super) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// The access key of the forms.
pub(in super::super) fn credentials(token: Option<&str>) -> Credentials {
    Credentials {
        access_key_id: secret("AKIAIOSFODNN7EXAMPLE"),
        secret_access_key: secret(SECRET),
        session_token: token.map(secret),
        expiration: None,
    }
}

/// A form of the operator for an hour, with these changes of its spec.
pub(in super::super) fn form_with(changes: &Value, credentials: &Credentials) -> String {
    let mut spec = json!({
        "method": "POST", "bucket": "inbox", "key": "photos/camera-7.jpg",
        "form": {"maxSize": 1000, "minSize": 1, "contentType": "image/jpeg", "metadata": {"camera": "7"}},
        "s3": {"region": "us-west-2", "credentials": {"secretRef": {"name": "a"}}, "addressingStyle": "Path"},
    });
    for (name, value) in changes.as_object().unwrap() {
        spec[name] = value.clone();
    }
    let spec: PresignedUrlSpec = serde_json::from_value(spec).unwrap();
    let request = Request::inline(Requester::new("n", "a"), &spec, None).unwrap();
    let validity = Validity { signing_time: SIGNED.parse().unwrap(), lifetime: 3600 };
    let signed = UrlSigner::default().presign(&request, credentials, validity).unwrap();
    signed.form.unwrap().json(signed.url.expose())
}

/// The same with a permanent access key.
pub(in super::super) fn form(changes: &Value) -> String {
    form_with(changes, &credentials(None))
}

#[test]
fn takes_a_form_of_the_operator_apart() {
    let read = FormText::read(&form(&json!({}))).unwrap();
    assert_eq!((read.scheme.as_str(), read.authority.as_str()), ("https", "s3.us-west-2.amazonaws.com"));
    assert_eq!(read.path, "/inbox");
    assert_eq!(read.field("KEY"), Some("photos/camera-7.jpg"));
    assert_eq!(read.signing_time().unwrap().to_string(), SIGNED);
    assert_eq!(read.scope().unwrap().region, "us-west-2");
    assert_eq!((read.token(), read.policy.expiration.to_string().as_str()), (None, "2030-01-02T04:04:05Z"));
    let sizes = read.policy.conditions.iter().find_map(|condition| match condition {
        FormCondition::Size(least, most) => Some((*least, *most)),
        _ => None,
    });
    assert_eq!(sizes, Some((1, 1000)));
}

#[test]
fn reads_conditions_however_they_are_written() {
    let policy = json!({
        "expiration": "2030-01-02T04:04:05.000Z",
        "conditions": [
            {"bucket": "b", "acl": "private"}, ["EQ", "$key", "k"], ["starts-with", "$Content-Type", "a/"],
            ["content-length-range", "1", 2], ["matches", "$key", "k"], ["eq", "key", "k"], 7,
        ],
    });
    let base64 = serde_json::to_value(ByteString(policy.to_string().into_bytes())).unwrap();
    let policy = FormPolicy::decode(base64.as_str().unwrap()).unwrap();
    let found: Vec<_> = policy
        .conditions
        .iter()
        .map(|condition| match condition {
            FormCondition::Is(name, value) => format!("{name} is {}", value.expose()),
            FormCondition::StartsWith(name, value) => format!("{name} starts with {}", value.expose()),
            FormCondition::Size(least, most) => format!("{least} to {most}"),
            FormCondition::Unknown => "unknown".to_owned(),
        })
        .collect();
    let unknown = ["unknown"; 3];
    let known = ["acl is private", "bucket is b", "key is k", "Content-Type starts with a/", "1 to 2"];
    assert_eq!(found, [&known[..], &unknown].concat());
}

#[test]
fn says_why_a_text_is_no_form_without_a_part_of_it() {
    let usual = form(&json!({}));
    for (from, to, expected) in [
        ("{", "[", NotForm::NoForm),
        ("\"fields\"", "\"headers\"", NotForm::NoForm),
        ("https://", "ftp://", NotForm::NoUrl),
        ("\"policy\"", "\"Policies\"", NotForm::MissingField("policy")),
        ("\"policy\":\"", "\"policy\":\"!", NotForm::BadField("policy")),
        ("x-amz-signature", "signature", NotForm::MissingField("x-amz-signature")),
        ("x-amz-date", "date", NotForm::MissingField("x-amz-date")),
        ("/us-west-2/s3/aws4_request", "", NotForm::BadField("x-amz-credential")),
        ("20300102T030405Z", "yesterday", NotForm::BadField("x-amz-date")),
        ("\"key\"", "\"AWSAccessKeyId\"", NotForm::Version2),
    ] {
        let changed = usual.replacen(from, to, 1);
        assert_ne!(changed, usual, "{from}");
        assert_eq!(FormText::read(&changed).err(), Some(expected), "{from}");
    }
    assert!(FormText::is_like(&usual) && !FormText::is_like("https://h/b"));
}
