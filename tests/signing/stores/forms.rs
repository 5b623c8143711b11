//! Forms on real stores: what they let in, and what they refuse.
//!
//! Every form is sent with the file `fields` of its Secret; one that is to be refused, with a line of it
//! changed.

use serde_json::{Value, json};

use super::{Answer, S3S, SEAWEEDFS, Store, VERSITYGW, before, curl, post};
use crate::facts::Facts;

/// The facts with a line of the file `fields` replaced, removed or added.
fn edited(facts: &Facts, name: &str, value: Option<&str>) -> Facts {
    let start = format!("form-string = \"{name}=");
    let kept = facts.fields.lines().filter(|line| !line.starts_with(&start)).map(|line| format!("{line}\n"));
    let added = value.map(|value| format!("{start}{value}\"\n"));
    Facts { fields: kept.chain(added).collect(), ..facts.clone() }
}

fn form(store: &Store, bucket: &str, key: &str, form: &Value) -> Value {
    store.spec(bucket, key, &json!({"method": "POST", "form": form}))
}

/// A form for 1 to 10 bytes of plain text.
fn small(prefix: bool) -> Value {
    json!({
        "minSize": 1, "maxSize": 10, "keyPrefix": prefix, "contentType": "text/plain",
        "metadata": {"camera": "seven \"7\" \\ @x"},
    })
}

/// What a store answers to a field with a value that the form does not permit.
fn denial(store: &Store) -> &'static str {
    if store.name == "s3s" { "400 InvalidPolicyDocument" } else { "403 AccessDenied" }
}

/// What each store answers: versitygw, `SeaweedFS`, s3s.
fn check(what: &str, expected: [&str; 3], ask: impl Fn(&Store) -> Answer) {
    for (store, expected) in [&*VERSITYGW, &*SEAWEEDFS, &*S3S].into_iter().zip(expected) {
        let answer = ask(store);
        assert_eq!(answer.refusal().trim_end(), expected, "{}: {what}: {}", store.name, answer.text());
    }
}

#[test]
fn a_form_uploads_what_it_permits_as_it_says() {
    for store in [&*VERSITYGW, &*SEAWEEDFS, &*S3S] {
        let bucket = store.bucket();
        let key = "in/q3 \"é\" \\ +.txt";
        let facts = store.issue(&form(store, &bucket, key, &small(false)));
        let answer = post(&facts, b"0123456789", "text/plain");
        assert_eq!(answer.status, 204, "{}: {}", store.name, answer.text());
        let head = curl(&store.url("HEAD", &bucket, key), b"");
        assert_eq!(head.status, 200, "{}", store.name);
        assert_eq!(head.header("content-type"), Some("text/plain"), "{}", store.name);
        assert_eq!(head.header("x-amz-meta-camera"), Some("seven \"7\" \\ @x"), "{}", store.name);
        assert_eq!(store.get(&bucket, key).text(), "0123456789", "{}", store.name);
    }
}

#[test]
fn a_store_answers_with_the_status_or_the_address_of_the_form() {
    for store in [&*VERSITYGW, &*SEAWEEDFS, &*S3S] {
        let bucket = store.bucket();
        for status in [200, 201, 204] {
            let facts =
                store.issue(&form(store, &bucket, "a", &json!({"maxSize": 10, "successStatus": status})));
            assert_eq!(post(&facts, b"a", "text/plain").status, status, "{}", store.name);
        }
        let redirect = json!({"maxSize": 10, "successRedirect": "https://app.example/done?a=b"});
        let answer = post(&store.issue(&form(store, &bucket, "a", &redirect)), b"a", "text/plain");
        assert_eq!(answer.status, 303, "{}: {}", store.name, answer.text());
        let place = answer.header("location").unwrap();
        assert!(place.starts_with("https://app.example/done?"), "{}: {place}", store.name);
    }
}

#[test]
fn what_a_form_does_not_permit_is_refused() {
    let facts = |store: &Store| {
        let bucket = store.bucket();
        store.issue(&form(store, &bucket, "in/a.txt", &small(false)))
    };
    check("too large", ["400 EntityTooLarge"; 3], |store| post(&facts(store), b"0123456789a", "text/plain"));
    check("empty", ["400 EntityTooSmall"; 3], |store| post(&facts(store), b"", "text/plain"));
    let denied = ["403 AccessDenied", "403 AccessDenied", "400 InvalidPolicyDocument"];
    check("another key", denied, |store| {
        post(&edited(&facts(store), "key", Some("in/b.txt")), b"a", "text/plain")
    });
    check("another type", denied, |store| {
        post(&edited(&facts(store), "Content-Type", Some("text/html")), b"a", "text/plain")
    });
    check("no type", denied, |store| post(&edited(&facts(store), "Content-Type", None), b"a", "text/plain"));
    check("other metadata", denied, |store| {
        post(&edited(&facts(store), "x-amz-meta-camera", Some("8")), b"a", "text/plain")
    });
    check("another field", ["403 AccessDenied", "204", "403 AccessDenied"], |store| {
        post(&edited(&facts(store), "acl", Some("public-read")), b"a", "text/plain")
    });
    check("another policy", ["403 SignatureDoesNotMatch"; 3], |store| {
        let larger = json!({"maxSize": 1000, "contentType": "text/plain"});
        let bucket = store.bucket();
        let other = store.issue(&form(store, &bucket, "in/a.txt", &larger));
        let form: Value = serde_json::from_str(&other.form).unwrap();
        post(&edited(&facts(store), "policy", form["fields"]["policy"].as_str()), b"a", "text/plain")
    });
    check("expired", ["403 AccessDenied"; 3], |store| {
        let bucket = store.bucket();
        let mut spec = form(store, &bucket, "in/a.txt", &small(false));
        spec["expiresIn"] = json!("1m");
        post(&store.issue_at(&spec, before(70)), b"a", "text/plain")
    });
}

#[test]
fn a_prefix_permits_every_name_below_it() {
    for store in [&*VERSITYGW, &*SEAWEEDFS, &*S3S] {
        let bucket = store.bucket();
        let facts = store.issue(&form(store, &bucket, "team-a/", &small(true)));
        for name in ["team-a/x.txt", "team-a/deep/y é.txt"] {
            let answer = post(&edited(&facts, "key", Some(name)), b"a", "text/plain");
            assert_eq!(answer.status, 204, "{}: {name}: {}", store.name, answer.text());
            assert_eq!(store.get(&bucket, name).text(), "a", "{}: {name}", store.name);
        }
        let outside = post(&edited(&facts, "key", Some("team-b/x.txt")), b"a", "text/plain");
        assert_eq!(outside.refusal(), denial(store), "{}", store.name);
        // Without another name, a store takes that of the file, or the variable itself.
        assert_eq!(post(&facts, b"a", "text/plain").status, 204, "{}", store.name);
        let literal = "team-a/${filename}";
        let name = if store.name == "SeaweedFS" { "team-a/chosen.txt" } else { literal };
        assert_eq!(store.get(&bucket, name).status, 200, "{}: {name}", store.name);
    }
}

/// `docs/providers.md` says which store lets a form leave its prefix.
#[test]
fn some_stores_let_a_name_leave_the_prefix() {
    for (store, leaves) in [(&*VERSITYGW, true), (&*SEAWEEDFS, false), (&*S3S, true)] {
        let bucket = store.bucket();
        let facts = store.issue(&form(store, &bucket, "team-a/", &small(true)));
        let answer = post(&edited(&facts, "key", Some("team-a/../team-b/x.txt")), b"a", "text/plain");
        let expected = if leaves { "204" } else { "400 InvalidRequest" };
        assert_eq!(answer.refusal().trim_end(), expected, "{}: {}", store.name, answer.text());
        let is_outside = store.get(&bucket, "team-b/x.txt").status == 200;
        assert_eq!(is_outside, leaves, "{}", store.name);
    }
}

#[test]
fn a_type_prefix_permits_every_type_of_it() {
    for store in [&*VERSITYGW, &*SEAWEEDFS, &*S3S] {
        let bucket = store.bucket();
        let facts = store.issue(&form(store, &bucket, "a", &json!({"maxSize": 10, "contentType": "image/"})));
        let answer = post(&edited(&facts, "Content-Type", Some("image/png")), b"a", "image/png");
        assert_eq!(answer.status, 204, "{}: {}", store.name, answer.text());
        let answer = post(&edited(&facts, "Content-Type", Some("text/html")), b"a", "text/html");
        assert_eq!(answer.refusal(), denial(store), "{}", store.name);
    }
}
