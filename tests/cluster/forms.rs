//! Forms (method POST): they appear, upload what they permit, are repaired, renewed and emptied.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::harness::{DEADLINE, Operator, Space, text};
use super::tenancy::{Tenancy, is_emptied, is_filled};

/// A form for at most ten bytes.
fn form(changes: &Value) -> Value {
    let mut spec = json!({
        "key": "in/note.txt", "method": "POST",
        "form": {"maxSize": 10, "contentType": "text/plain", "metadata": {"team": "a \"b\""}},
    });
    super::harness::merge(&mut spec, changes.clone());
    spec
}

/// Sends a file with the form in a Secret, as the documentation says, and returns the status of the answer.
async fn upload(space: &Space, secret: &str, body: &str) -> String {
    let folder = space.operator.folder();
    let (fields, file) = (folder.join("fields"), folder.join("note.txt"));
    std::fs::write(&fields, space.data(secret, "fields").await).unwrap();
    std::fs::write(&file, body).unwrap();
    let url = space.data(secret, "url").await;
    let mut curl = testbed::curl_command();
    curl.args(["-o", "/dev/null", "-w", "%{http_code}"]);
    curl.args(["-K", fields.to_str().unwrap(), "-F", &format!("file=@{}", file.display()), &url]);
    // A store that refuses may close the connection before it has read the form.
    String::from_utf8(curl.output().unwrap().stdout).unwrap()
}

async fn secret(space: &Space, name: &str) -> Secret {
    space.secrets().get(name).await.unwrap()
}

fn signed(secret: &Secret) -> (String, String) {
    (
        text(secret, "form.json"),
        secret.metadata.annotations.as_ref().unwrap()["presign.dev/signing-time"].clone(),
    )
}

#[tokio::test]
async fn a_form_appears_and_uploads_what_it_permits() {
    let space = Space::new("form").await;
    space.apply("inbox", space.spec(form(&json!({})))).await;
    let object = space.wait_ready("inbox", "True", "Issued").await;
    let found = secret(&space, "inbox").await;
    let keys: Vec<_> = found.data.as_ref().unwrap().keys().collect();
    assert_eq!(keys, ["expires-at", "fields", "form.json", "method", "url"]);
    assert_eq!(text(&found, "method"), "POST");
    let status = object.status.as_ref().unwrap();
    assert_eq!(text(&found, "expires-at"), status.expiration_time.as_ref().unwrap().0.to_string());
    assert_eq!(status.location.as_deref(), Some(text(&found, "url").as_str()));

    assert_eq!(upload(&space, "inbox", "0123456789a").await, "400");
    assert!(space.world.store.get_object(&space.namespace, "in/note.txt").is_err());
    assert_eq!(upload(&space, "inbox", "0123456789").await, "204");
    assert_eq!(space.world.store.get_object(&space.namespace, "in/note.txt").unwrap(), b"0123456789");

    // Another form, and back to a URL: one Secret, with the keys of what it holds.
    space.apply("inbox", space.spec(form(&json!({"form": {"maxSize": 11}})))).await;
    let larger = |secret: &Secret| text(secret, "form.json") != text(&found, "form.json");
    space.wait_secret("inbox", "another form", larger).await;
    assert_eq!(upload(&space, "inbox", "0123456789a").await, "204");
    space.apply("inbox", space.spec(json!({}))).await;
    let is_url = |secret: &Secret| secret.data.as_ref().unwrap().contains_key("headers");
    let of_url = space.wait_secret("inbox", "a URL", is_url).await;
    let keys: Vec<_> = of_url.data.as_ref().unwrap().keys().collect();
    assert_eq!(keys, ["expires-at", "headers", "method", "url"]);
    assert_eq!(space.download("inbox").await.unwrap(), "content");
}

#[tokio::test]
async fn a_form_is_repaired_and_a_restart_signs_nothing() {
    let mut space = Space::new("form-drift").await;
    space.apply("inbox", space.spec(form(&json!({"key": "in/", "form": {"keyPrefix": true}})))).await;
    space.wait_ready("inbox", "True", "Issued").await;
    let before = secret(&space, "inbox").await;

    // What repeats the form is written again, with the same signature.
    for patch in [
        json!({"stringData": {"fields": "form-string = \"key=elsewhere\"\n"}}),
        json!({"data": {"fields": null}}),
        json!({"stringData": {"method": "PUT", "headers": "X: y\n"}}),
    ] {
        space.secrets().patch("inbox", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
        let is_repaired = |secret: &Secret| secret.data == before.data;
        space.wait_secret("inbox", "a repair", is_repaired).await;
    }
    assert_eq!(signed(&secret(&space, "inbox").await), signed(&before));

    let version = secret(&space, "inbox").await.metadata.resource_version;
    space.operator.stop();
    space.operator = Operator::start(space.world, &space.namespace, &[]);
    // Its Secret shows that the operator is past its start.
    space.apply("late", space.spec(json!({}))).await;
    space.wait_ready("late", "True", "Issued").await;
    space.presigned_urls().delete("late", &DeleteParams::default()).await.unwrap();
    space
        .wait_for(DEADLINE, space.secrets(), "late", "its end", |secret| secret.is_none().then_some(()))
        .await;
    let after = secret(&space, "inbox").await;
    assert_eq!((after.metadata.resource_version.clone(), signed(&after)), (version, signed(&before)));

    // An edited form is signed again.
    let patch = json!({"stringData": {"form.json": "{}"}});
    space.secrets().patch("inbox", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    let is_form = |secret: &Secret| text(secret, "form.json") != "{}";
    space.wait_secret("inbox", "a form", is_form).await;
    // A rotated key signs again too.
    let of_first = secret(&space, "inbox").await;
    space.write_keys("another-secret-key").await;
    let is_other = |secret: &Secret| text(secret, "form.json") != text(&of_first, "form.json");
    space.wait_secret("inbox", "another signature", is_other).await;
    assert_eq!(upload(&space, "inbox", "a").await, "403");
}

#[tokio::test]
async fn a_signer_judges_forms_and_a_denial_empties_them() {
    let tenancy = Tenancy::new("form-signer").await;
    let team = &tenancy.team;
    let with = |rule: Value, policy: Value| -> Value {
        let mut rule = rule;
        rule["methods"] = json!(["POST"]);
        let mut changes = tenancy.policy(rule, policy);
        changes["s3"] = json!({"unsignedHeaders": "Refused"});
        changes
    };
    let prefix = format!("tenants/{}/in/", tenancy.name());
    let spec = tenancy.spec(form(&json!({"key": prefix, "form": {"keyPrefix": true}})));
    tenancy.apply_signer(with(json!({}), json!({}))).await;
    team.apply("inbox", spec.clone()).await;
    let object = team.wait_ready("inbox", "False", "NotPermitted").await;
    let message = &super::harness::ready(&object).unwrap().message;
    assert!(message.contains("spec.form.keyPrefix"), "{message}");

    tenancy.apply_signer(with(json!({"allowPostPrefix": true, "maxFormSize": 9}), json!({}))).await;
    let is_about_size = |object: &presign_operator::crd::PresignedUrl| {
        super::harness::ready(object).is_some_and(|ready| ready.message.contains("at most 9 bytes"))
    };
    team.wait("inbox", "a denial about the size", is_about_size).await;

    let allowed = json!({"allowPostPrefix": true, "maxFormSize": 10});
    tenancy.apply_signer(with(allowed.clone(), json!({}))).await;
    team.wait_ready("inbox", "True", "Issued").await;
    team.wait_secret("inbox", "a form", is_filled).await;
    assert_eq!(upload(team, "inbox", "0123456789").await, "204");

    tenancy.apply_signer(with(json!({"allowPostPrefix": false}), json!({"whenDenied": "Withdraw"}))).await;
    let emptied = team.wait_secret("inbox", "no form", |secret| is_emptied(secret, "Denied")).await;
    for key in ["url", "fields", "form.json"] {
        assert_eq!(text(&emptied, key), "", "{key}");
    }
    tenancy.apply_signer(with(allowed, json!({}))).await;
    team.wait_ready("inbox", "True", "Issued").await;
    team.wait_secret("inbox", "a form again", is_filled).await;
    assert_eq!(upload(team, "inbox", "0123456789").await, "204");
}
