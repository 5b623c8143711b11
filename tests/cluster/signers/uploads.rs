//! Uploads under a policy: where the store may act on headers that nobody signed, the holder of an upload
//! URL could copy other objects.

use serde_json::{Value, json};

use super::{message, version};
use crate::harness::curl;
use crate::tenancy::{Tenancy, is_filled};

#[tokio::test]
async fn an_upload_url_needs_a_store_that_refuses_unsigned_headers_or_a_key_that_cannot_read() {
    let tenancy = Tenancy::new("uploading").await;
    let team = &tenancy.team;
    let with = |s3: Value, write_only_key: Value| -> Value {
        let mut changes = tenancy.policy(json!({"methods": ["GET", "PUT"]}), json!({}));
        (changes["s3"], changes["writeOnlyKey"]) = (s3, write_only_key);
        changes
    };
    tenancy.apply_signer(with(json!({}), json!(null))).await;
    tenancy.issue("download", json!({})).await;
    let key = format!("tenants/{}/new.txt", tenancy.name());
    team.apply("upload", tenancy.spec(json!({"method": "PUT", "key": key}))).await;
    let object = team.wait_ready("upload", "False", "NotPermitted").await;
    assert!(message(&object).contains("does not permit PUT"), "{}", message(&object));
    assert!(team.secrets().get_opt("upload").await.unwrap().is_none(), "nothing is written");

    tenancy.apply_signer(with(json!({"unsignedHeaders": "Refused"}), json!(null))).await;
    team.wait_ready("upload", "True", "Issued").await;
    let secret = team.wait_secret("upload", "a URL", is_filled).await;
    let body = team.operator.folder().join("body");
    std::fs::write(&body, "uploaded").unwrap();
    curl(&["-T", body.to_str().unwrap(), &team.data("upload", "url").await]).unwrap();
    assert_eq!(team.world.store.get_object(tenancy.name(), &key).unwrap(), b"uploaded");

    // The other way to permit it gives the same URL. The denial in between shows that the operator has
    // seen both.
    for (s3, write_only_key, status, reason) in [
        (json!({"unsignedHeaders": "Honoured"}), json!(false), "False", "NotPermitted"),
        (json!({"unsignedHeaders": "Honoured"}), json!(true), "True", "Issued"),
    ] {
        tenancy.apply_signer(with(s3, write_only_key)).await;
        team.wait_ready("upload", status, reason).await;
    }
    assert_eq!(version(&team.secrets().get("upload").await.unwrap()), version(&secret));
}
