//! Uploads with every kind of header: what a store makes of it, and that nobody can
//! upload with another one.
//!
//! Where a store ignores or refuses a header, the tables say so.

use serde_json::json;

use super::{Answer, S3S, Store, VERSITYGW, curl};
use crate::facts::Facts;

/// What a store does with a header of an upload.
#[derive(Clone, Copy)]
enum Effect {
    /// It is part of the object, as HEAD shows.
    Kept,
    /// The upload succeeds and nothing shows that the header was there.
    Unseen,
    /// The upload is refused, with this status and code, though the signature is right.
    Refused(&'static str),
}

use Effect::{Kept, Refused, Unseen};

/// Header, value, and what versitygw and s3s do.
const HEADERS: [(&str, &str, Effect, Effect); 17] = [
    ("Content-Type", "application/pdf", Kept, Kept),
    ("content-disposition", "attachment; filename=\"a+b c.txt\"", Kept, Kept),
    ("Cache-Control", "max-age=5, public", Kept, Kept),
    ("Content-Encoding", "gzip", Kept, Kept),
    ("Content-Language", "de", Kept, Kept),
    ("Expires", "Wed, 02 Jan 2030 03:04:05 GMT", Kept, Kept),
    ("x-amz-meta-plain", "value", Kept, Kept),
    ("X-AMZ-Meta-Mixed", "two  spaces,   three; =&+%41", Kept, Kept),
    ("x-amz-website-redirect-location", "/other", Kept, Kept),
    ("Content-MD5", "XUFAKrxLKna5cZ2REBfFkg==", Unseen, Unseen),
    ("x-amz-acl", "private", Unseen, Unseen),
    ("x-amz-storage-class", "STANDARD", Unseen, Unseen),
    ("x-amz-storage-class", "GLACIER", Unseen, Refused("400 InvalidStorageClass")),
    ("x-amz-server-side-encryption", "AES256", Unseen, Unseen),
    ("x-amz-object-lock-legal-hold", "ON", Refused("400 InvalidRequest"), Unseen),
    ("x-amz-expected-bucket-owner", "123456789012", Refused("403 AccessDenied"), Unseen),
    ("If-Match", "\"nope\"", Refused("404 NoSuchKey"), Refused("412 PreconditionFailed")),
];

/// The SHA-256 of `hello`.
const SHA256: &str = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
const STOLEN: &str = "403 SignatureDoesNotMatch";

fn upload(store: &Store, bucket: &str, key: &str, header: (&str, &str)) -> Facts {
    store.issue(&store.spec(bucket, key, &json!({"method": "PUT", "headers": {header.0: header.1}})))
}

fn with_headers(facts: &Facts, header_file: &str) -> Facts {
    Facts { header_file: header_file.to_owned(), ..facts.clone() }
}

#[test]
fn a_header_arrives_as_it_was_signed_and_no_other_is_taken() {
    for (store, is_first) in [(&*VERSITYGW, true), (&*S3S, false)] {
        let bucket = store.bucket();
        for (number, (name, value, first, second)) in HEADERS.into_iter().enumerate() {
            let (key, place) = (format!("object-{number}"), format!("{}: {name}: {value}", store.name));
            let facts = upload(store, &bucket, &key, (name, value));
            for spoilt in ["", &format!("{name}: other\n")] {
                let answer = curl(&with_headers(&facts, spoilt), b"hello");
                assert_eq!(answer.refusal(), STOLEN, "{place}: {spoilt:?}");
            }
            let answer = curl(&facts, b"hello");
            let head = curl(&store.url("HEAD", &bucket, &key), b"");
            let shown = head.header(&name.to_ascii_lowercase());
            match if is_first { first } else { second } {
                Kept => assert_eq!((answer.status, shown), (200, Some(value)), "{place}"),
                // An answer may name the class that all objects are in.
                Unseen => {
                    assert_eq!((answer.status, head.status), (200, 200), "{place}: {answer:?}");
                    assert!(shown.is_none_or(|shown| shown == "STANDARD"), "{place}: {shown:?}");
                }
                Refused(refusal) => assert_eq!(answer.refusal(), refusal, "{place}"),
            }
        }
    }
}

#[test]
fn write_once_is_once() {
    for store in [&*VERSITYGW, &*S3S] {
        let bucket = store.bucket();
        let facts = upload(store, &bucket, "once", ("If-None-Match", "*"));
        assert_eq!(curl(&facts, b"first").status, 200, "{}", store.name);
        assert_eq!(curl(&facts, b"second").refusal(), "412 PreconditionFailed", "{}", store.name);
        assert_eq!(curl(&with_headers(&facts, ""), b"third").refusal(), STOLEN, "{}", store.name);
        assert_eq!(store.get(&bucket, "once").text(), "first", "{}", store.name);
    }
}

#[test]
fn a_signed_content_length_is_the_only_one() {
    for store in [&*VERSITYGW, &*S3S] {
        let bucket = store.bucket();
        let facts = upload(store, &bucket, "five", ("Content-Length", "5"));
        // Whoever has five bytes need not even send the header: every client does.
        for (header_file, body) in [(facts.header_file.as_str(), "hello"), ("", "olleh")] {
            let answer = curl(&with_headers(&facts, header_file), body.as_bytes());
            assert_eq!(answer.status, 200, "{}: {header_file:?}", store.name);
            assert_eq!(store.get(&bucket, "five").text(), body, "{}", store.name);
        }
        for body in ["", "four", "sixsix"] {
            let answer = curl(&with_headers(&facts, ""), body.as_bytes());
            assert_eq!(answer.refusal(), STOLEN, "{}: {body:?}", store.name);
        }
        assert_eq!(store.get(&bucket, "five").text(), "olleh", "{}", store.name);
    }
}

#[test]
fn a_signed_checksum_takes_only_its_bytes() {
    for store in [&*VERSITYGW, &*S3S] {
        let bucket = store.bucket();
        let facts = upload(store, &bucket, "sum", ("x-amz-checksum-sha256", SHA256));
        assert_eq!(curl(&facts, b"hello").status, 200, "{}", store.name);
        assert_eq!(curl(&facts, b"world").refusal(), "400 BadDigest", "{}", store.name);
        // s3s-fs compares only after it has replaced the object: a fault of its own.
        let kept = if store.name == "s3s" { "world" } else { "hello" };
        assert_eq!(store.get(&bucket, "sum").text(), kept, "{}", store.name);
    }
}

#[test]
fn tags_are_set_where_the_store_knows_tags() {
    let tags = |store: &Store| -> Answer {
        let bucket = store.bucket();
        assert_eq!(
            curl(&upload(store, &bucket, "tagged", ("x-amz-tagging", "a=b&c=d%20e")), b"hello").status,
            200
        );
        super::curl::run(&[&store.other_url("GET", &format!("{bucket}/tagged"), &[("tagging", "")])])
    };
    let known = tags(&VERSITYGW).text();
    for (key, value) in [("a", "b"), ("c", "d e")] {
        assert!(known.contains(&format!("<Key>{key}</Key><Value>{value}</Value>")), "{known}");
    }
    assert_eq!(tags(&S3S).refusal(), "501 NotImplemented");
}
