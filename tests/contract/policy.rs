//! The policy that a person is invited to adapt: what it allows and what it refuses where it is
//! bound, on a real API server.

use std::path::Path;

use serde_json::{Value, json};

use super::server::{ContractServer, object, spec};

const NAMESPACE: &str = "bounded";
const MINIO: &str = "http://minio.minio.svc:9000";

fn create(server: &ContractServer, namespace: &str, changes: &Value) -> Result<String, String> {
    let arguments = ["-n", namespace, "create", "--dry-run=server", "-f", "-"];
    server.run(&arguments, Some(&object("judged", &spec(changes))))
}

/// A spec for MinIO with changes on top.
fn at_minio(mut changes: Value) -> Value {
    changes["s3"]["endpoint"] = MINIO.into();
    changes
}

fn allowed() -> Vec<Value> {
    let upload = json!({"Content-Length": "5", "content-type": "text/plain", "If-None-Match": "*"});
    vec![
        at_minio(json!({})),
        at_minio(json!({"method": "HEAD", "s3": {"addressingStyle": "Path"}})),
        at_minio(json!({"method": "PUT", "headers": upload})),
        json!({"s3": {"endpoint": "https://eu.s3.example.com/prefix", "addressingStyle": "Auto"}}),
        json!({"s3": {"endpoint": "https://EU.S3.Example.com"}}),
    ]
}

fn refused() -> Vec<(Value, &'static str)> {
    vec![
        (json!({}), "spec.s3.endpoint: must be minio"),
        (json!({"s3": {"endpoint": "https://s3.example.com.evil.org"}}), "spec.s3.endpoint: must be minio"),
        (json!({"s3": {"endpoint": "https://evils3.example.com"}}), "spec.s3.endpoint: must be minio"),
        (json!({"s3": {"endpoint": "http://eu.s3.example.com"}}), "must begin with https://"),
        (at_minio(json!({"s3": {"addressingStyle": "VirtualHosted"}})), "spec.s3.addressingStyle: must be"),
        (at_minio(json!({"s3": {"addressingStyle": "BucketEndpoint"}})), "spec.s3.addressingStyle: must be"),
        (at_minio(json!({"method": "DELETE"})), "spec.method: must be GET, HEAD or PUT"),
        (at_minio(json!({"headers": {"x-amz-acl": "public-read"}})), "spec.headers: may name"),
        (at_minio(json!({"method": "PUT"})), "an upload must name its Content-Length"),
    ]
}

#[test]
fn the_policy_binds_endpoints_styles_methods_and_headers() {
    let server = ContractServer::get();
    server.kubectl(&["create", "namespace", NAMESPACE]);
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/policies/bounded-urls.yaml");
    server.kubectl(&["apply", "-f", policy.to_str().unwrap()]);
    let before = at_minio(json!({"method": "DELETE"}));
    server.feed(&["-n", NAMESPACE, "create", "-f", "-"], &object("before", &spec(&before)));
    server.kubectl(&["label", "namespace", NAMESPACE, "presign.example/bounded=true"]);
    server.eventually("the policy is in force", || create(server, NAMESPACE, &json!({})).is_err());
    for changes in allowed() {
        create(server, NAMESPACE, &changes).unwrap_or_else(|refusal| panic!("{changes}: {refusal}"));
    }
    for (changes, message) in refused() {
        let refusal = create(server, NAMESPACE, &changes).expect_err(&changes.to_string());
        assert!(refusal.contains(message), "{changes}: {refusal}");
        create(server, "default", &changes)
            .unwrap_or_else(|refusal| panic!("elsewhere: {changes}: {refusal}"));
    }
    // What was there before can be annotated, and not changed.
    server.kubectl(&["-n", NAMESPACE, "annotate", "psu", "before", "a=b"]);
    let change = ["-n", NAMESPACE, "patch", "psu", "before", "--type=merge", "-p", r#"{"spec":{"key":"b"}}"#];
    assert!(server.run(&change, None).unwrap_err().contains("spec.method"));
}
