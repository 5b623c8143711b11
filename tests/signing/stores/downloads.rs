//! Objects come back whole: under any key, in parts, with other headers, in both styles.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{S3S, Store, VERSITYGW, curl, curl_with};

/// Every key of the vectors, and one of 1024 bytes that a file system can hold.
fn keys() -> BTreeSet<String> {
    let key = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        row["spec"]["key"].as_str().unwrap().to_owned()
    };
    let of_vectors = include_str!("../../vectors/sigv4.jsonl").lines().map(key);
    let long = format!("{}é/end", format!("{}/", "k".repeat(202)).repeat(5));
    of_vectors
        .filter(|key| key.split('/').all(|part| part.len() < 256))
        .chain([long, " ".to_owned()])
        .collect()
}

/// What a store cannot keep, although it lets the request in: s3s-fs takes a key for the
/// path of a file, and makes a name of one file out of a whole key.
fn cannot_keep(store: &Store, key: &str) -> bool {
    store.name == "s3s" && (key.starts_with('/') || key.len() > 150)
}

#[test]
fn every_key_comes_back_as_it_was_uploaded() {
    let keys = keys();
    assert!(keys.len() > 130 && keys.iter().any(|key| key.len() > 1000));
    for store in [&*VERSITYGW, &*S3S] {
        let bucket = store.bucket();
        for (number, key) in keys.iter().enumerate() {
            let is_folder = key.ends_with('/');
            let body = if is_folder { String::new() } else { format!("object {number}") };
            if cannot_keep(store, key) {
                let answer = curl(&store.url("PUT", &bucket, key), body.as_bytes());
                assert_eq!(answer.refusal(), "500 InternalError", "{}: {key:?}", store.name);
                continue;
            }
            store.put(&bucket, key, body.as_bytes());
            let answer = store.get(&bucket, key);
            // s3s-fs makes a folder of such a key and then finds no file.
            let is_lost = is_folder && store.name == "s3s";
            let expected = if is_lost { (500, "") } else { (200, body.as_str()) };
            let text = if is_lost { String::new() } else { answer.text() };
            assert_eq!((answer.status, text.as_str()), expected, "{}: {key:?}", store.name);
        }
    }
}

#[test]
fn buckets_may_stand_in_the_host() {
    for store in [&*VERSITYGW, &*S3S] {
        let bucket = store.bucket();
        let connection = |endpoint: &str, style| {
            json!({"s3": {"endpoint": endpoint, "region": store.region, "addressingStyle": style,
                "credentials": {"secretRef": {"name": "keys"}}}})
        };
        let own = store.named_endpoint.replace("//", &format!("//{bucket}."));
        for key in ["plain.txt", "q3 sum+mary %41.pdf", "日本/😀//é", "a?b=c&d#e"] {
            store.put(&bucket, key, key.as_bytes());
            for (style, endpoint, host) in [
                ("VirtualHosted", &store.named_endpoint, &own),
                ("BucketEndpoint", &own, &own),
                ("Path", &store.named_endpoint, &store.named_endpoint),
            ] {
                let facts = store.issue(&store.spec(&bucket, key, &connection(endpoint, style)));
                assert!(facts.url.starts_with(&format!("{host}/")), "{}", facts.url);
                let answer = curl(&facts, b"");
                assert_eq!((answer.status, answer.text().as_str()), (200, key), "{}: {style}", store.name);
            }
        }
    }
}

/// s3s-fs lets such a HEAD in and answers without the parameters.
fn is_deaf(store: &Store, method: &str) -> bool {
    store.name == "s3s" && method == "HEAD"
}

#[test]
fn the_answer_carries_what_response_asks_for() {
    let response = json!({
        "contentType": "text/x-report; charset=utf-8",
        "contentDisposition": "attachment; filename=\"a+b c.txt\"",
        "cacheControl": "no-store",
        "contentLanguage": "de",
        "contentEncoding": "identity",
        "expires": "Wed, 02 Jan 2030 03:04:05 GMT",
    });
    for store in [&*VERSITYGW, &*S3S] {
        let bucket = store.bucket();
        store.put(&bucket, "report", b"hello");
        for (method, length) in [("GET", 5), ("HEAD", 0)] {
            let fields = json!({"method": method, "response": response});
            let answer = curl(&store.issue(&store.spec(&bucket, "report", &fields)), b"");
            assert_eq!((answer.status, answer.body.len()), (200, length), "{}: {method}", store.name);
            if is_deaf(store, method) {
                assert_ne!(answer.header("content-type"), response["contentType"].as_str(), "{}", store.name);
                continue;
            }
            for (header, field) in [
                ("content-type", "contentType"),
                ("content-disposition", "contentDisposition"),
                ("cache-control", "cacheControl"),
                ("content-language", "contentLanguage"),
                ("content-encoding", "contentEncoding"),
                ("expires", "expires"),
            ] {
                assert_eq!(
                    answer.header(header),
                    response[field].as_str(),
                    "{}: {method} {header}",
                    store.name
                );
            }
        }
    }
}

#[test]
fn a_range_may_be_asked_for_by_the_caller_or_by_the_spec() {
    for store in [&*VERSITYGW, &*S3S] {
        let bucket = store.bucket();
        store.put(&bucket, "digits", b"0123456789");
        let by_caller = curl_with(&store.url("GET", &bucket, "digits"), b"", &["--range", "2-4"]);
        let fields = json!({"headers": {"Range": "bytes=2-4"}});
        let by_spec = curl(&store.issue(&store.spec(&bucket, "digits", &fields)), b"");
        for answer in [by_caller, by_spec] {
            assert_eq!((answer.status, answer.text().as_str()), (206, "234"), "{}", store.name);
            assert_eq!(answer.header("content-range"), Some("bytes 2-4/10"), "{}", store.name);
        }
    }
}

#[test]
fn head_tells_of_an_object_without_its_bytes() {
    for store in [&*VERSITYGW, &*S3S] {
        let bucket = store.bucket();
        store.put(&bucket, "report", b"hello");
        let answer = curl(&store.url("HEAD", &bucket, "report"), b"");
        assert_eq!((answer.status, answer.header("content-length")), (200, Some("5")), "{}", store.name);
        assert!(answer.body.is_empty());
        assert_eq!(curl(&store.url("HEAD", &bucket, "other"), b"").status, 404, "{}", store.name);
    }
}

#[test]
fn tags_for_the_access_log_do_no_harm() {
    for store in [&*VERSITYGW, &*S3S] {
        let bucket = store.bucket();
        store.put(&bucket, "report", b"hello");
        let fields = json!({"query": {"x-ticket": "A+B c/é=&", "x-empty": ""}});
        let answer = curl(&store.issue(&store.spec(&bucket, "report", &fields)), b"");
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"), "{}", store.name);
    }
}
