//! The table of broken forms: the cause that is named for each is the right one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::plugin::form_text::tests::{SECRET, credentials, form, form_with};

const TOKEN: &str = "FwoGZXIvYXdzEMr//////////wEaDPw0example+token/of==";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// One broken form, and what must be said of it.
struct BrokenForm {
    part: RequestPart,
    said: &'static str,
    json: String,
    method: &'static str,
    headers: &'static [(&'static str, &'static str)],
    fields: &'static [(&'static str, &'static str)],
    size: Option<u64>,
    credentials: Credentials,
    clocks: Clocks,
}

fn broken(part: RequestPart, said: &'static str) -> BrokenForm {
    BrokenForm {
        part,
        said,
        json: form(&json!({})),
        method: "POST",
        headers: &[],
        fields: &[],
        size: Some(1000),
        credentials: credentials(None),
        clocks: Clocks { here: at("2030-01-02T03:10:00Z"), store: None },
    }
}

impl BrokenForm {
    fn explain(&self) -> Explanation {
        let own = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        let form = FormText::read(&self.json).unwrap().sent_with(&own(self.fields)).unwrap();
        let method = self.method.to_owned();
        let sent = SentForm { form, method, headers: own(self.headers), size: self.size };
        compare_form(&sent, &self.credentials, self.clocks).unwrap()
    }
}

fn with_secret(secret: &str) -> Credentials {
    Credentials { secret_access_key: Sensitive::new(secret.to_owned()), ..credentials(None) }
}

/// A form without a field.
fn without(name: &str) -> String {
    let mut whole: Value = serde_json::from_str(&form(&json!({}))).unwrap();
    whole["fields"].as_object_mut().unwrap().remove(name).unwrap();
    whole.to_string()
}

/// A form with another text in place of one.
fn replaced(from: &str, to: &str) -> String {
    let usual = form(&json!({}));
    let changed = usual.replacen(from, to, 1);
    assert_ne!(changed, usual);
    changed
}

fn requests() -> Vec<BrokenForm> {
    let sent_to = |url: &str| replaced("https://s3.us-west-2.amazonaws.com/inbox", url);
    vec![
        BrokenForm {
            method: "PUT",
            ..broken(RequestPart::Method, "PUT is sent, and a form works only with POST")
        },
        BrokenForm {
            headers: &[("Content-Type", "application/x-www-form-urlencoded")],
            ..broken(RequestPart::Header, "the header Content-Type is \"application/x-www-form-urlencoded\"")
        },
        BrokenForm {
            headers: &[("Authorization", "Bearer a")],
            ..broken(RequestPart::Header, "authorization is sent")
        },
        BrokenForm {
            json: sent_to("https://s3.us-west-2.amazonaws.com/outbox"),
            ..broken(RequestPart::Host, "sent to the bucket outbox, and it is signed for the bucket inbox")
        },
        BrokenForm {
            json: sent_to("https://outbox.s3.us-west-2.amazonaws.com/"),
            ..broken(RequestPart::Host, "sent to the bucket outbox")
        },
    ]
}

fn fields() -> Vec<BrokenForm> {
    let part = RequestPart::Field;
    let open = json!({"key": "photos/", "form": {"maxSize": 9, "keyPrefix": true, "contentType": "image/"}});
    let open = || form(&open);
    vec![
        BrokenForm {
            size: Some(1001),
            ..broken(part, "the file has 1001 bytes, and the form permits 1 to 1000")
        },
        BrokenForm { size: Some(0), ..broken(part, "the file has 0 bytes") },
        BrokenForm {
            fields: &[("key", "photos/other.jpg")],
            ..broken(part, "key is \"photos/other.jpg\", and the policy permits only \"photos/camera-7.jpg\"")
        },
        BrokenForm {
            fields: &[("content-type", "image/png")],
            ..broken(part, "Content-Type is \"image/png\", and the policy permits only")
        },
        BrokenForm {
            json: without("x-amz-meta-camera"),
            ..broken(part, "the policy asks for the field x-amz-meta-camera, and it is not sent")
        },
        BrokenForm {
            fields: &[("acl", "public-read")],
            ..broken(part, "the field acl is sent, and the policy")
        },
        BrokenForm {
            json: open(),
            size: None,
            fields: &[("key", "private/a.jpg"), ("Content-Type", "image/png")],
            ..broken(part, "wants a value that begins with \"photos/\"")
        },
        BrokenForm {
            json: open(),
            size: None,
            fields: &[("Content-Type", "text/html")],
            ..broken(part, "Content-Type is \"text/html\", and the policy wants a value that begins with")
        },
        BrokenForm { json: open(), size: None, ..broken(part, "Content-Type is not sent") },
        BrokenForm {
            json: replaced("20300102T030405Z", "20300102T030406Z"),
            ..broken(part, "x-amz-date is \"20300102T030406Z\", and the policy permits only")
        },
        BrokenForm {
            json: form_with(&json!({}), &credentials(Some(TOKEN))).replace("example+token", "example token"),
            ..broken(part, "the field x-amz-security-token differs from the policy")
        },
        BrokenForm {
            json: replaced("\"policy\":\"eyJl", "\"policy\":\"eyJl\\n"),
            ..broken(part, "with spaces or line breaks that were not signed")
        },
    ]
}

fn clocks_and_keys() -> Vec<BrokenForm> {
    let (clock, key, scope) = (RequestPart::Clock, RequestPart::AccessKey, RequestPart::Scope);
    let clocks = |here: &str, store: Option<&str>| Clocks { here: at(here), store: store.map(at) };
    let mut other_id = credentials(None);
    other_id.access_key_id = Sensitive::new("AKIAANOTHEREXAMPLE00".to_owned());
    let mut ended = credentials(Some(TOKEN));
    ended.expiration = Some(at("2030-01-02T03:09:00Z"));
    let mut temporary = credentials(None);
    temporary.access_key_id = Sensitive::new("ASIAIOSFODNN7EXAMPLE".to_owned());
    vec![
        BrokenForm {
            clocks: clocks("2030-01-02T04:14:05Z", None),
            ..broken(clock, "the form expired 10m ago by the clock of this computer")
        },
        BrokenForm {
            clocks: clocks("2030-01-02T02:04:05Z", None),
            ..broken(clock, "the form is not valid yet")
        },
        BrokenForm {
            clocks: clocks("2030-01-02T03:17:00Z", Some("2030-01-02T03:10:00Z")),
            ..broken(clock, "7m ahead of that of the store")
        },
        BrokenForm {
            json: form_with(&json!({}), &temporary),
            credentials: temporary.clone(),
            ..broken(RequestPart::Session, "and the form has no session token")
        },
        BrokenForm {
            json: form_with(&json!({}), &credentials(Some(TOKEN))),
            credentials: ended,
            ..broken(RequestPart::Session, "the session that signed the form ended 1m ago")
        },
        BrokenForm { credentials: other_id, ..broken(key, "the form is signed with another access key id") },
        BrokenForm {
            credentials: with_secret("another-secret-key"),
            ..broken(key, "the secret access key differs")
        },
        BrokenForm {
            json: form_with(&json!({}), &with_secret(&format!("{SECRET}\n"))),
            ..broken(key, "with a line break after it")
        },
        BrokenForm {
            json: replaced("/us-west-2/s3/", "/us-east-1/s3/"),
            ..broken(
                scope,
                "the region us-east-1 was written into the form after it was signed for us-west-2",
            )
        },
        BrokenForm { json: replaced("/s3/", "/sts/"), ..broken(scope, "for the service sts, not s3") },
        BrokenForm {
            json: replaced("/20300102/", "/20300103/"),
            ..broken(scope, "the dates in x-amz-credential and x-amz-date differ")
        },
    ]
}

#[test]
fn the_cause_of_every_broken_form_is_found_and_nothing_secret_is_shown() {
    let mut counts = BTreeMap::new();
    let mut faults = Vec::new();
    for one in [requests(), fields(), clocks_and_keys()].into_iter().flatten() {
        *counts.entry(one.part).or_insert(0) += 1;
        let found = one.explain();
        let is_said = |finding: &Difference| finding.part == one.part && finding.found.contains(one.said);
        if !found.findings.iter().any(is_said) {
            faults.push(format!("{} {:?}: {found:#?}", one.part, one.said));
        }
        let text = serde_json::to_string(&found).unwrap();
        let signature = FormText::read(&one.json).unwrap().field(SIGNATURE).unwrap().to_owned();
        for hidden in ["wJalrXUtn", "AKIA", "ASIA", "FwoGZX", "eyJleHBp", &signature] {
            assert!(!text.contains(hidden), "{hidden}: {text}");
        }
    }
    assert!(faults.is_empty(), "{} of {counts:?}:\n{}", faults.len(), faults.join("\n"));
    let missing: Vec<_> = COMPARED.iter().filter(|part| !counts.contains_key(part)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_right_form_is_not_blamed() {
    let open =
        json!({"key": "photos/", "form": {"maxSize": 1000, "keyPrefix": true, "contentType": "image/"}});
    let session = credentials(Some(TOKEN));
    let usual = || broken(RequestPart::Field, "");
    for right in [
        usual(),
        BrokenForm { size: None, fields: &[("file", "ignored"), ("x-ignore-note", "a")], ..usual() },
        BrokenForm { headers: &[("Content-Type", "multipart/form-data; boundary=a")], ..usual() },
        BrokenForm {
            json: form(&open),
            fields: &[("key", "photos/a b.jpg"), ("Content-Type", "image/png")],
            ..usual()
        },
        BrokenForm { json: form_with(&json!({}), &session), credentials: session.clone(), ..usual() },
    ] {
        let found = right.explain();
        assert!(found.is_same_signature && found.findings.is_empty(), "{found:#?}");
        assert_eq!(found.agrees.len(), COMPARED.len());
    }
}
