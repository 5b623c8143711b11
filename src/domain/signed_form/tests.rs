//! The files of a form, and what a stored one is taken apart into.

use super::*;
use crate::domain::model::{at, credentials, form, owner, request, sign};
use crate::domain::request::{Form, Method};
use crate::domain::stored::Stored;
use crate::domain::{Request, SignedUrl, render};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

fn asked() -> Request {
    let metadata = vec![("x-amz-meta-note".to_owned(), "a \"b\" \\c @d".to_owned())];
    Request { method: Method::Post, form: Some(Form { metadata, ..form() }), ..request() }
}

fn signed(edit: impl FnOnce(&mut Request), id: &str, second: i64, lifetime: u32) -> SignedUrl {
    let mut request = asked();
    edit(&mut request);
    let validity = Validity { signing_time: at(second), lifetime };
    sign(&request, &credentials(id, (id == "session").then(|| at(9_000))), validity)
}

/// The form of a request.
fn of(request: &mut Request) -> &mut Form {
    request.form.as_mut().unwrap()
}

fn parts(signed: &SignedUrl) -> UrlParts {
    let url = signed.url.expose();
    UrlParts::read_form(url, &signed.form.as_ref().unwrap().json(url)).unwrap()
}

#[test]
fn the_fields_are_those_of_the_file() {
    let form = signed(|_| (), "AKIA", 0, 60).form.unwrap();
    assert_eq!(form.fields()["x-amz-meta-note"], "a \"b\" \\c @d");
    let (url, read) = SignedForm::read(&form.json("https://h/b")).unwrap();
    assert_eq!((url.as_str(), read.fields()), ("https://h/b", form.fields()));
}

#[test]
fn curl_interprets_no_value() {
    let config = signed(|_| (), "AKIA", 0, 60).form.unwrap().curl_config();
    let line = r#"form-string = "x-amz-meta-note=a \"b\" \\c @d""#;
    assert!(config.lines().any(|found| found == line), "{config}");
    assert!(config.lines().all(|line| line.starts_with("form-string = \"") && line.ends_with('"')));
    assert!(config.ends_with("\"\n"));
}

#[test]
fn the_fields_are_not_shown() {
    let shown = format!("{:?}", signed(|_| (), "AKIA", 0, 60));
    assert!(shown.contains("x-amz-signature") && !shown.contains("AKIA"), "{shown}");
}

#[test]
fn takes_a_form_apart() {
    let parts = parts(&signed(|_| (), "session", 5, 60));
    assert_eq!(parts.validity, Validity { signing_time: at(5), lifetime: 60 });
    assert_eq!(parts.identity.expose(), "session token of session");
    assert_eq!(parts.signature.expose().len(), 64);
    let leaks =
        |text: &str| ["session", "token of", parts.signature.expose()].iter().any(|s| text.contains(s));
    assert!(!leaks(&parts.address) && !leaks(&parts.text), "{}", parts.text);
}

#[test]
fn other_credentials_and_times_leave_the_address_alone_and_nothing_else_does() {
    let usual = parts(&signed(|_| (), "AKIA", 0, 60));
    for same in [signed(|_| (), "session", 0, 60), signed(|_| (), "OTHER", 70, 600)] {
        let same = parts(&same);
        assert_eq!((&same.address, &same.text), (&usual.address, &usual.text));
    }
    let edits: [fn(&mut Request); 8] = [
        |r| r.key.push('x'),
        |r| r.bucket.push('x'),
        |r| r.connection.region.push('x'),
        |r| of(r).max_size = 11,
        |r| of(r).min_size = 1,
        |r| of(r).metadata.clear(),
        |r| of(r).content_type = Some("image/".to_owned()),
        |r| {
            r.key = "2026/".to_owned();
            of(r).is_key_prefix = true;
        },
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        let other = parts(&signed(edit, "AKIA", 0, 60));
        assert_ne!((&other.address, &other.text), (&usual.address, &usual.text), "{number}");
        assert_ne!(other.address, usual.address, "{number}");
    }
}

#[test]
fn another_layout_of_the_same_form_has_the_same_address_and_another_text() {
    let signed = signed(|_| (), "AKIA", 0, 60);
    let (url, usual) = (signed.url.expose(), parts(&signed));
    let json = signed.form.as_ref().unwrap().json(url);
    let pretty: serde_json::Value = serde_json::from_str(&json).unwrap();
    let other = UrlParts::read_form(url, &serde_json::to_string_pretty(&pretty).unwrap()).unwrap();
    assert_eq!(other.address, usual.address);
    assert_ne!(other.text, usual.text);
}

#[test]
fn what_is_no_form_has_no_parts() {
    let signed = signed(|_| (), "AKIA", 0, 60);
    let (url, form) = (signed.url.expose(), signed.form.as_ref().unwrap());
    let json = form.json(url);
    for (from, to) in [
        ("x-amz-signature", "signature"),
        ("x-amz-credential", "credential"),
        ("x-amz-date", "date"),
        ("\"policy\"", "\"Policy\""),
        ("\"policy\":\"", "\"policy\":\"-"),
        ("T000000Z", "T00Z"),
        ("https", "http"),
        ("{", "["),
    ] {
        let changed = json.replacen(from, to, 1);
        assert_ne!(changed, json, "{from}");
        assert!(UrlParts::read_form(url, &changed).is_none(), "{from}");
    }
    for (lifetime, is_read) in [(1, true), (604_800, true), (604_801, false), (0, false)] {
        let signed = self::signed(|_| (), "AKIA", 0, lifetime);
        let json = signed.form.as_ref().unwrap().json(url);
        assert_eq!(UrlParts::read_form(url, &json).is_some(), is_read, "{lifetime}");
    }
    assert!(UrlParts::read_form("https://elsewhere.example/b", &json).is_none());
    assert!(UrlParts::read_form(url, "").is_none());
}

/// The Secret of a form, whose address is under another key than usual.
fn secret(signed: &SignedUrl) -> Secret {
    let mut request = asked();
    request.target.url_key = "z-address".to_owned();
    render(&request, signed, &owner(), None).into_secret()
}

fn text(secret: &Secret, key: &str) -> String {
    String::from_utf8(secret.data.as_ref().unwrap()[key].0.clone()).unwrap()
}

#[test]
fn the_secret_has_the_address_the_fields_and_no_headers() {
    let signed = signed(|_| (), "AKIA", 0, 60);
    let secret = secret(&signed);
    let keys: Vec<&str> = secret.data.as_ref().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["expires-at", "fields", "form.json", "method", "z-address"]);
    assert_eq!(text(&secret, "z-address"), "https://us-west.s3.qencode.com/reports");
    assert_eq!(text(&secret, "method"), "POST");
    let (url, form) = SignedForm::read(&text(&secret, "form.json")).unwrap();
    assert_eq!((url, Some(&form)), (text(&secret, "z-address"), signed.form.as_ref()));
    assert_eq!(text(&secret, "fields"), form.curl_config());
}

#[test]
fn a_stored_form_is_read_and_an_edit_of_its_fields_is_beside_it() {
    let stored = secret(&signed(|_| (), "AKIA", 0, 60));
    let usual = Stored::read(&stored).content;
    assert_eq!(usual.url.unwrap().validity.lifetime, 60);
    let with = |key: &str, value: Option<&str>| {
        let mut secret = stored.clone();
        let data = secret.data.as_mut().unwrap();
        match value {
            Some(value) => data.insert(key.to_owned(), ByteString(value.as_bytes().to_vec())),
            None => data.remove(key),
        };
        Stored::read(&secret).content
    };
    for value in [None, Some(""), Some("form-string = \"key=x\"\n")] {
        let edited = with("fields", value);
        assert_eq!(edited.url, usual.url, "{value:?}");
        assert_ne!(edited.other_fields, usual.other_fields, "{value:?}");
    }
    for (key, value) in [("form.json", None), ("form.json", Some("{}")), ("z-address", Some("https://x"))] {
        assert_eq!(with(key, value).url, None, "{key}");
    }
}

#[test]
fn the_form_of_a_lost_session_is_repaired_from_its_file() {
    let mut stored = secret(&signed(|_| (), "session", 0, 60));
    let before = stored.clone();
    let spoilt = ByteString(b"form-string = \"key=elsewhere\"\n".to_vec());
    stored.data.as_mut().unwrap().insert("fields".to_owned(), spoilt);
    let mut request = asked();
    request.target.url_key = "z-address".to_owned();
    let stand_in = render(&request, &signed(|_| (), "none", 0, 60), &owner(), None);
    // All but what the session signed is compared.
    let original = render(&request, &signed(|_| (), "session", 0, 60), &owner(), None).content();
    assert_eq!(stand_in.content().other_fields, original.other_fields);
    assert_ne!(stand_in.content().url, original.url);
    let repaired = stand_in.with_url_of(&stored).unwrap().into_secret();
    assert_eq!(repaired.data, before.data);
    stored.data.as_mut().unwrap().remove("form.json");
    let stand_in = render(&request, &signed(|_| (), "none", 0, 60), &owner(), None);
    assert!(stand_in.with_url_of(&stored).is_none());
}
