//! What a person sees with kubectl: explanations, columns, the short name.

use serde_json::json;

use super::server::{Server, object, spec};

/// Text without the line breaks that kubectl puts in.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn explain_shows_our_descriptions() {
    let server = Server::get();
    for (what, sentence) in [
        ("psu", "PresignedUrl issues an S3 presigned URL into a Secret of the same namespace and renews it"),
        ("psu.spec", "Which URL to issue, how long it lives and where it is written."),
        ("psu.spec.bucket", "Directory buckets ('--x-s3') are not supported."),
        ("psu.spec.expiresIn", "Default: `1h`."),
        ("psu.spec.s3.endpoint", "the host is part of the signature"),
        ("psu.spec.s3.credentials.secretRef", "holds the access key"),
        ("psu.status", "Never holds the URL, its query or a key."),
    ] {
        let mut explained = String::new();
        server.eventually(&format!("kubectl explain {what}"), || {
            explained = flat(&server.run(&["explain", what], None).unwrap_or_default());
            explained.contains(sentence)
        });
        assert!(!explained.contains("Auto-generated"), "{explained}");
    }
    let fields = server.kubectl(&["explain", "psu.spec"]);
    for required in ["bucket\t<string> -required-", "key\t<string> -required-", "s3\t<Object> -required-"] {
        assert!(fields.contains(required), "{fields}");
    }
    assert!(fields.contains("enum: GET, HEAD, PUT, DELETE"), "{fields}");
    let method = server.kubectl(&["explain", "psu.spec.method"]);
    for part in ["PUT: upload the object", "Default: GET"] {
        assert!(flat(&method).contains(part), "{method}");
    }
}

#[test]
fn get_prints_the_columns() {
    let server = Server::get();
    server.kubectl(&["create", "namespace", "columns"]);
    let in_columns = ["-n", "columns"];
    let upload = spec(&json!({"method": "PUT", "key": "in.mp4"}));
    server.feed(&[&in_columns[..], &["create", "-f", "-"]].concat(), &object("upload", &upload));
    let status = json!({"status": {
        "observedGeneration": 1, "secretName": "upload-url",
        "expirationTime": "2030-01-02T04:04:05Z", "renewalTime": "2030-01-02T03:44:05Z",
        "conditions": [
            {"type": "Stalled", "status": "True", "reason": "No", "message": "no", "lastTransitionTime": "2030-01-02T03:04:05Z"},
            {"type": "Ready", "status": "True", "reason": "Issued", "message": "works", "lastTransitionTime": "2030-01-02T03:04:05Z"},
        ],
    }});
    let patch = ["patch", "psu", "upload", "--subresource=status", "--type=merge", "-p", &status.to_string()];
    server.kubectl(&[&in_columns[..], &patch].concat());

    let table = |arguments: &[&str]| {
        let printed = server.kubectl(&[&in_columns[..], arguments].concat());
        printed
            .lines()
            .map(|line| line.split_whitespace().map(str::to_owned).collect())
            .collect::<Vec<Vec<_>>>()
    };
    let [head, row] = &table(&["get", "psu"])[..] else { panic!("one object") };
    assert_eq!(head, &["NAME", "READY", "REASON", "EXPIRES", "RENEWS", "AGE"]);
    assert_eq!(row[..5], ["upload", "True", "Issued", "2030-01-02T04:04:05Z", "2030-01-02T03:44:05Z"]);
    let [head, row] = &table(&["get", "presignedurls", "-o", "wide"])[..] else { panic!("one object") };
    assert_eq!(head[6..], ["METHOD", "BUCKET", "KEY", "SECRET", "MESSAGE"]);
    assert_eq!(row[6..], ["PUT", "reports", "in.mp4", "upload-url", "works"]);
    server.kubectl(&[&in_columns[..], &["delete", "psu", "upload"]].concat());
    server.feed(&[&in_columns[..], &["create", "-f", "-"]].concat(), &object("download", &spec(&json!({}))));
    let [head, row] = &table(&["get", "psu", "-o", "wide"])[..] else { panic!("one object") };
    assert_eq!(
        (head[6].as_str(), row[2].as_str()),
        ("METHOD", "GET"),
        "what is not written is shown: {row:?}"
    );
}

#[test]
fn a_refusal_tells_a_person_what_to_write() {
    let server = Server::get();
    for (changes, sentence) in [
        (json!({"bucket": "My Bucket"}), "spec.bucket: Invalid value: without s3.endpoint this must be"),
        (json!({"s3": {"region": " "}}), "spec.s3.region: Invalid value: must not be blank"),
        (json!({"s3": {"endpoint": "https://id:pw@h.example"}}), "put the access key into the Secret"),
        (
            json!({"headers": {"a": "b", "User-Agent": "c"}}),
            "spec.headers: Invalid value: remove user-agent: ",
        ),
        (json!({"expiresIn": "8d"}), "the maximum is 168h (7 days)"),
        (json!({"key": "a/../b"}), "spec.key: Invalid value: must not contain '.' or '..' between slashes"),
    ] {
        let manifest = object("refused", &spec(&changes));
        let refusal = server.run(&["apply", "-f", "-"], Some(&manifest)).unwrap_err();
        assert!(refusal.contains(sentence), "{refusal}");
        assert!(!refusal.contains("id:pw"), "a password is not repeated: {refusal}");
    }
}
