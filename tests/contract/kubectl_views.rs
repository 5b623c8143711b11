//! What a person sees with kubectl: explanations, columns, the short name.

use serde_json::{Value, json};

use super::kinds::Kind;
use super::server::{ContractServer, object, spec};
use super::signer_rows::allowing;

/// Text without the line breaks that kubectl puts in.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn explain_shows_our_descriptions() {
    let server = ContractServer::get();
    for (what, sentence) in [
        ("psu", "PresignedUrl issues an S3 presigned URL into a Secret of the same namespace and renews it"),
        ("psu.spec", "Which URL to issue, how long it lives and where it is written."),
        ("psu.spec.bucket", "Directory buckets ('--x-s3') are not supported."),
        ("psu.spec.expiresIn", "Default: `1h`."),
        ("psu.spec.s3.endpoint", "the host is part of the signature"),
        ("psu.spec.s3.credentials.secretRef", "holds the access key"),
        ("psu.spec.signerRef", "The signer that provides the store and the credentials."),
        ("psu.spec.signerRef.kind", "ClusterSigner: of the cluster, for the namespaces that it allows."),
        ("psu.spec.renewPolicy", "It is signed once"),
        ("psu.status", "Never holds the URL, its query or a key."),
        ("signers", "for the PresignedUrls of its own namespace"),
        ("signers.spec.s3.unsignedHeaders", "Write Refused only after you tried it on your store."),
        ("clustersigners", "application teams name it in spec.signerRef"),
        ("clustersigners.spec.allowedNamespaces.selector", "chart value `signers.namespaceSelectors`"),
        ("clustersigners.spec.policy.rules", "What no rule allows is denied."),
        ("clustersigners.spec.policy.rules.keyPrefixes", "Each prefix ends with a slash."),
        ("clustersigners.spec.policy.whenDenied", "the operator empties the data key `url` at once"),
        ("clustersigners.status", "Written at most once in 30 seconds."),
    ] {
        let mut explained = String::new();
        server.eventually(&format!("kubectl explain {what}"), || {
            explained = flat(&server.run(&["explain", what], None).unwrap_or_default());
            explained.contains(sentence)
        });
        assert!(!explained.contains("Auto-generated"), "{explained}");
    }
    for (what, field, is_required) in [
        ("psu.spec", "bucket\t<string>", true),
        ("psu.spec", "key\t<string>", true),
        ("psu.spec", "s3\t<Object>", false),
        ("psu.spec", "signerRef\t<Object>", false),
        ("signers.spec", "s3\t<Object>", true),
        ("signers.spec", "policy\t<Object>", false),
        ("clustersigners.spec", "policy\t<Object>", true),
        ("clustersigners.spec", "allowedNamespaces\t<Object>", false),
    ] {
        let fields = server.kubectl(&["explain", what]);
        assert!(fields.contains(field), "{field}: {fields}");
        assert_eq!(fields.contains(&format!("{field} -required-")), is_required, "{field}: {fields}");
    }
    let fields = server.kubectl(&["explain", "psu.spec"]);
    assert!(fields.contains("enum: GET, HEAD, PUT, DELETE"), "{fields}");
    let method = server.kubectl(&["explain", "psu.spec.method"]);
    for part in ["PUT: upload the object", "Default: GET"] {
        assert!(flat(&method).contains(part), "{method}");
    }
}

/// What kubectl prints, as words in lines.
fn table(server: &ContractServer, arguments: &[&str]) -> Vec<Vec<String>> {
    let printed = server.kubectl(arguments);
    printed.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

/// Writes the status of an object in the namespace `columns`.
fn report(server: &ContractServer, kind: &str, name: &str, status: &Value) {
    let patch = json!({"status": status}).to_string();
    let patch = ["--subresource=status", "--type=merge", "-p", &patch];
    server.kubectl(&[&["-n", "columns", "patch", kind, name], &patch[..]].concat());
}

#[test]
fn get_prints_the_columns() {
    let server = ContractServer::get();
    server.kubectl(&["create", "namespace", "columns"]);
    urls_have_columns(server);
    signers_have_columns(server);
}

fn condition(kind: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": "2030-01-02T03:04:05Z"})
}

fn urls_have_columns(server: &ContractServer) {
    let upload = spec(&json!({"method": "PUT", "key": "in.mp4", "s3": null, "signerRef": {"name": "media"}}));
    server.feed(&["-n", "columns", "create", "-f", "-"], &object("upload", &upload));
    let status = json!({
        "observedGeneration": 1, "secretName": "upload-url",
        "expirationTime": "2030-01-02T04:04:05Z", "renewalTime": "2030-01-02T03:44:05Z",
        "conditions": [condition("Stalled", "No", "no"), condition("Ready", "Issued", "works")],
    });
    report(server, "psu", "upload", &status);
    let [head, row] = &table(server, &["-n", "columns", "get", "psu"])[..] else { panic!("one object") };
    assert_eq!(head, &["NAME", "READY", "REASON", "EXPIRES", "RENEWS", "AGE"]);
    assert_eq!(row[..5], ["upload", "True", "Issued", "2030-01-02T04:04:05Z", "2030-01-02T03:44:05Z"]);
    let wide = table(server, &["-n", "columns", "get", "presignedurls", "-o", "wide"]);
    let [head, row] = &wide[..] else { panic!("one object") };
    assert_eq!(head[6..], ["METHOD", "BUCKET", "KEY", "SIGNER", "SECRET", "MESSAGE"]);
    assert_eq!(row[6..], ["PUT", "reports", "in.mp4", "media", "upload-url", "works"]);
    server.kubectl(&["-n", "columns", "delete", "psu", "upload"]);
    server.feed(&["-n", "columns", "create", "-f", "-"], &object("download", &spec(&json!({}))));
    let wide = table(server, &["-n", "columns", "get", "psu", "-o", "wide"]);
    let [head, row] = &wide[..] else { panic!("one object") };
    assert_eq!(
        (head[6].as_str(), row[2].as_str()),
        ("METHOD", "GET"),
        "what is not written is shown: {row:?}"
    );
}

fn signers_have_columns(server: &ContractServer) {
    for (kind, plural) in [(Kind::Signer, "signers"), (Kind::ClusterSigner, "clustersigners")] {
        let signer = kind.object("columns", &kind.spec(&json!({})));
        server.feed(&["-n", "columns", "create", "-f", "-"], &signer);
        let conditions = [condition("Stalled", "No", "no"), condition("Ready", "Valid", "works")];
        let status = json!({"observedGeneration": 1, "conditions": conditions, "allowed": 41, "denied": 3});
        report(server, plural, "columns", &status);
        let get = ["-n", "columns", "get", plural, "columns", "-o", "wide"];
        let [head, row] = &table(server, &get[..5])[..] else { panic!("one object") };
        assert_eq!(head, &["NAME", "READY", "REASON", "ALLOWED", "DENIED", "AGE"]);
        assert_eq!(row[..5], ["columns", "True", "Valid", "41", "3"]);
        let [head, row] = &table(server, &get)[..] else { panic!("one object") };
        assert_eq!((&*head[6], &*row[6]), ("MESSAGE", "works"));
    }
}

/// What kubectl prints about an object that is refused, without the type that API servers before 1.34 name.
fn refused(server: &ContractServer, manifest: &Value) -> String {
    let refusal = server.run(&["apply", "-f", "-"], Some(manifest)).unwrap_err();
    refusal.replace("Invalid value: \"object\": ", "Invalid value: ")
}

#[test]
fn a_refusal_tells_a_person_what_to_write() {
    let server = ContractServer::get();
    for (changes, sentence) in [
        (json!({"bucket": "My Bucket"}), "spec.bucket: Invalid value: without s3.endpoint this must be"),
        (json!({"s3": {"region": " "}}), "spec.s3.region: Invalid value: must not be blank"),
        (json!({"s3": {"endpoint": "https://id:pw@h.example"}}), "put the access key into the Secret"),
        (
            json!({"headers": {"a": "b", "User-Agent": "c"}}),
            "spec.headers: Invalid value: remove user-agent: ",
        ),
        (json!({"expiresIn": "8d"}), "the maximum is 168h (7 days)"),
        (json!({"s3": null}), "set s3 or signerRef: "),
        (json!({"ttlAfterExpired": "24h"}), "works only with renewPolicy: Never"),
        (json!({"key": "a/../b"}), "spec.key: Invalid value: must not contain '.' or '..' between slashes"),
    ] {
        let manifest = object("refused", &spec(&changes));
        let refusal = refused(server, &manifest);
        assert!(refusal.contains(sentence), "{refusal}");
        assert!(!refusal.contains("id:pw"), "a password is not repeated: {refusal}");
    }
    for (rule, sentence) in [
        (
            json!({"keyPrefixes": ["tenants/{namespace}"]}),
            "keyPrefixes: Invalid value: each must end with a slash",
        ),
        (json!({"maxExpiresIn": "8d"}), "maxExpiresIn: Invalid value: must be from 1m to 168h"),
    ] {
        let policy = json!({"policy": {"rules": [allowing(&rule)]}});
        let manifest = Kind::ClusterSigner.object("refused", &Kind::ClusterSigner.spec(&policy));
        let refusal = refused(server, &manifest);
        assert!(refusal.contains(&format!("spec.policy.rules[0].{sentence}")), "{refusal}");
    }
}
