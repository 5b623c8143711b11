//! A large object in parts, each by a URL of its own.
//!
//! Beginning and ending the upload is the application's business: here the signer of the
//! tests does it.

use serde_json::json;

use super::curl::run;
use super::{S3S, VERSITYGW, curl};
use crate::facts::Facts;
use crate::sigv4::encode;

/// The least that a part but the last may have.
const PART: usize = 5 << 20;

#[test]
fn two_part_urls_make_one_object() {
    let key = "videos/q3 + é.mp4";
    for store in [&*VERSITYGW, &*S3S] {
        let bucket = store.bucket();
        let path = format!("{bucket}/{}", encode(key, true));
        let post = |parameter, body: &str| {
            let url = store.other_url("POST", &path, &[parameter]);
            let answer =
                run(&["--request", "POST", "--header", "Content-Type:", "--data-binary", body, &url]);
            assert_eq!(answer.status, 200, "{}: {}", store.name, answer.text());
            answer.text()
        };
        let text = post(("uploads", ""), "");
        let upload = text.split("<UploadId>").nth(1).and_then(|rest| rest.split('<').next()).unwrap();

        let mut list = Vec::new();
        for (number, body) in [("1", vec![b'a'; PART]), ("2", b"the end".to_vec())] {
            let fields = json!({"method": "PUT", "query": {"partNumber": number, "uploadId": upload}});
            let facts = store.issue(&store.spec(&bucket, key, &fields));
            let another_part = facts.url.replace(&format!("partNumber={number}"), "partNumber=3");
            // Little: a store may refuse, and close, before a large body is sent.
            let tampered = curl(&Facts { url: another_part, ..facts.clone() }, b"other");
            assert_eq!(tampered.refusal(), "403 SignatureDoesNotMatch", "{}", store.name);
            let tag = curl(&facts, &body).header("etag").unwrap().to_owned();
            list.push(format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>"));
        }
        let list = format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", list.concat());
        post(("uploadId", upload), &list);

        let object = store.get(&bucket, key).body;
        assert_eq!(object.len(), PART + "the end".len(), "{}", store.name);
        assert!(object.starts_with(b"aaa") && object.ends_with(b"athe end"), "{}", store.name);
        // s3s-fs lets the request in and answers with the whole object.
        let (status, length) = if store.name == "s3s" { (200, PART + 7) } else { (206, 7) };
        for (method, received) in [("GET", length), ("HEAD", 0)] {
            let fields = json!({"method": method, "query": {"partNumber": "2"}});
            let facts = store.issue(&store.spec(&bucket, key, &fields));
            let answer = curl(&facts, b"");
            let sent = answer.header("content-length").and_then(|length| length.parse().ok());
            let found = (answer.status, sent, answer.body.len());
            assert_eq!(found, (status, Some(length), received), "{}: {method}", store.name);
            let other_part = Facts { url: facts.url.replace("partNumber=2", "partNumber=1"), ..facts };
            assert_eq!(curl(&other_part, b"").status, 403, "{}: {method}", store.name);
        }
    }
}
