//! Wrong input: what a person reads in `kubectl describe`, and that it heals.

use serde_json::json;

use super::harness::{Space, condition, ready, text};

/// What `kubectl describe` shows of an object.
fn describe(space: &Space, name: &str) -> String {
    space.kubectl(&["describe", "psu", name])
}

#[tokio::test]
async fn missing_credentials_are_named_and_their_arrival_heals_at_once() {
    let space = Space::new("nokeys").await;
    let spec = space.spec(json!({"s3": {"credentials": {"secretRef": {"name": "absent"}}}}));
    space.apply("report", spec).await;
    let object = space.wait_ready("report", "False", "CredentialsNotFound").await;
    assert!(condition(&object, "Stalled").is_none(), "it waits");
    space.wait_event("report", "Warning CredentialsNotFound").await;
    let shown = describe(&space, "report");
    assert!(shown.contains("\"absent\"") && shown.contains("create it"), "{shown}");
    assert!(shown.contains("Warning  CredentialsNotFound"), "{shown}");
    let (id, secret) = (space.world.store.access_key_id(), space.world.store.secret_access_key());
    space.write_secret("absent", &[("accessKey", id), ("secretKey", secret)]).await;
    space.wait_ready("report", "True", "Issued").await;
    assert_eq!(space.download("report").await.unwrap(), "content");
}

#[tokio::test]
async fn unusable_credentials_are_explained_without_a_value() {
    let space = Space::new("badkeys").await;
    let cases = [
        ("missing", json!({"access-key-id": "QUtJQQ=="}), "no key \"secret-access-key\""),
        (
            "two",
            json!({"access-key-id": "QUtJQQ==", "rootUser": "YQ=="}),
            "two layouts, access-key-id and rootUser",
        ),
        // 0xff 0xfe
        ("binary", json!({"access-key-id": "QUtJQQ==", "secret-access-key": "//4="}), "is not UTF-8"),
        ("none", json!({"password": "aGlkZGVu"}), "none of the known layouts"),
        // "hidden", encoded once more
        (
            "twice",
            json!({"access-key-id": "YUdsa1pHVnVhR2xrWkdWdQ==", "secret-access-key": "YQ=="}),
            "looks like a key that was base64-encoded twice",
        ),
        // 483921
        (
            "number",
            json!({"access-key-id": "QUtJQQ==", "secret-access-key": "YQ==", "expiration": "NDgzOTIx"}),
            "key \"expiration\": is not a time after 2020-01-01",
        ),
        // "hidden value"
        (
            "spaced",
            json!({"access-key-id": "aGlkZGVuIHZhbHVl", "secret-access-key": "YQ=="}),
            "is not an access key id",
        ),
    ];
    for (name, data, _) in &cases {
        let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("{name}-keys")}, "data": data});
        let params = kube::api::PatchParams::apply("person");
        space
            .secrets()
            .patch(&format!("{name}-keys"), &params, &kube::api::Patch::Apply(body))
            .await
            .unwrap();
        let reference = json!({"s3": {"credentials": {"secretRef": {"name": format!("{name}-keys")}}}});
        space.apply(name, space.spec(reference)).await;
    }
    for (name, _, message) in &cases {
        space.wait_ready(name, "False", "CredentialsInvalid").await;
        let shown = describe(&space, name);
        assert!(shown.contains(message) && shown.contains(&format!("{name}-keys")), "{name}: {shown}");
        assert!(!["hidden", "1970-", "483921"].iter().any(|value| shown.contains(value)), "{name}: {shown}");
    }
}

#[tokio::test]
async fn secrets_that_are_there_for_something_else_give_no_credentials() {
    let space = Space::new("foreign").await;
    let (id, secret) = (space.world.store.access_key_id(), space.world.store.secret_access_key());
    space.apply("issued", space.spec(json!({}))).await;
    space.wait_ready("issued", "True", "Issued").await;
    let body = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "type": "kubernetes.io/basic-auth",
        "stringData": {"username": id, "password": secret},
    });
    let params = kube::api::PatchParams::apply("person");
    space.secrets().patch("login", &params, &kube::api::Patch::Apply(&body)).await.unwrap();
    for (name, names, message) in [
        ("login", ["username", "password"], "has a type kubernetes.io/*"),
        ("issued", ["method", "url"], "has the label presign.dev/managed"),
    ] {
        let reference = json!({"name": name, "keys": {"accessKeyID": names[0], "secretAccessKey": names[1]}});
        let object = format!("by-{name}");
        space.apply(&object, space.spec(json!({"s3": {"credentials": {"secretRef": reference}}}))).await;
        space.wait_ready(&object, "False", "CredentialsInvalid").await;
        let shown = describe(&space, &object);
        assert!(shown.contains(message) && shown.contains(&format!("Secret \"{name}\"")), "{shown}");
    }
    // The type of a Secret is fixed: a person writes another one of the same name.
    space.secrets().delete("login", &kube::api::DeleteParams::default()).await.unwrap();
    space.write_secret("login", &[("username", id), ("password", secret)]).await;
    space.wait_ready("by-login", "True", "Issued").await;
    assert_eq!(space.download("by-login").await.unwrap(), "content");
}

#[tokio::test]
async fn lost_credentials_leave_a_valid_url_ready_and_say_so() {
    let space = Space::new("lostkeys").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let url = space.data("report", "url").await;
    space.secrets().delete("keys", &kube::api::DeleteParams::default()).await.unwrap();
    let object = space.wait_ready("report", "True", "RenewalFailing").await;
    let message = &ready(&object).unwrap().message;
    assert!(message.contains("\"keys\"") && message.contains("works until"), "{message}");
    assert_eq!(space.download("report").await.unwrap(), "content");
    space.write_keys(space.world.store.secret_access_key()).await;
    space.wait_ready("report", "True", "Issued").await;
    assert_eq!(space.data("report", "url").await, url, "the same key again is no reason");
    space.wait_event("report", "Normal Recovered").await;
    assert_eq!(space.events("report").await, ["Normal Issued", "Warning RenewalFailing", "Normal Recovered"]);
}

#[tokio::test]
async fn expiring_credentials_limit_the_url_and_are_waited_for() {
    let space = Space::new("session").await;
    let (id, secret) = (space.world.store.access_key_id(), space.world.store.secret_access_key());
    let now = presign_operator::runtime::Clock::system().now().as_second();
    let expiration = (now + 25).to_string();
    let keys = |expiration: &str| {
        [("access-key-id", id), ("secret-access-key", secret)]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .chain([("expiration".to_owned(), expiration.to_owned())])
            .collect::<Vec<_>>()
    };
    let write = async |expiration: &str| {
        let keys = keys(expiration);
        let keys: Vec<(&str, &str)> =
            keys.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        space.write_secret("session", &keys).await;
    };
    write(&expiration).await;
    let spec = space.spec(json!({"s3": {"credentials": {"secretRef": {"name": "session"}}}}));
    space.apply("report", spec).await;
    let object = space.wait_ready("report", "True", "Issued").await;
    let status = object.status.as_ref().unwrap();
    assert_eq!(status.expiration_time.as_ref().unwrap().0.as_second().to_string(), expiration);
    assert_eq!(status.limited_by, Some(presign_operator::crd::LimitedBy::Credentials));
    assert_eq!(condition(&object, "RotationSafe").unwrap().reason, "OverlapTooShort");

    let object = space.wait_ready("report", "True", "AwaitingCredentials").await;
    assert_eq!(condition(&object, "RotationSafe").unwrap().reason, "AwaitingCredentials");
    space.wait_ready("report", "False", "CredentialsExpired").await;
    let metrics = space.operator.page("/metrics");
    assert!(metrics.contains("presign_issued_total{reason=\"Missing\"} 1\n"), "{metrics}");
    assert!(
        metrics.contains("presign_issued_total{reason=\"RenewalDue\"} 0\n"),
        "not re-signed for nothing: {metrics}"
    );

    write(&(now + 7200).to_string()).await;
    let object = space.wait_ready("report", "True", "Issued").await;
    assert_eq!(object.status.unwrap().limited_by, Some(presign_operator::crd::LimitedBy::Requested));
    assert_eq!(space.download("report").await.unwrap(), "content");
}

/// Beside what every story is searched for when it ends: what only this one knows.
#[tokio::test]
async fn nothing_that_is_written_down_holds_a_signature_a_token_or_a_rotated_key() {
    let space = Space::new("leaks").await;
    space
        .write_secret(
            "token",
            &[
                ("access-key-id", space.world.store.access_key_id()),
                ("secret-access-key", space.world.store.secret_access_key()),
                ("session-token", "a-session-token-that-is-hidden"),
            ],
        )
        .await;
    space.apply("report", space.spec(json!({}))).await;
    space
        .apply("session", space.spec(json!({"s3": {"credentials": {"secretRef": {"name": "token"}}}})))
        .await;
    space.wait_ready("report", "True", "Issued").await;
    space.wait_ready("session", "True", "Issued").await;
    let urls = [space.data("report", "url").await, space.data("session", "url").await];
    space.write_keys("another-secret-key").await;
    space.wait_secret("report", "another URL", |secret| text(secret, "url") != urls[0]).await;
    space.secrets().delete("keys", &kube::api::DeleteParams::default()).await.unwrap();
    space.wait_ready("report", "True", "RenewalFailing").await;

    let mut written = space.operator.log();
    assert!(written.contains("TRACE"), "the operator logs at trace level");
    written += &space.operator.page("/metrics");
    for kind in ["psu", "events"] {
        written += &space.kubectl(&["get", kind, "-o", "yaml"]);
    }
    assert!(written.contains("presign_issued_total") && written.contains("RenewalFailing"));
    let signature =
        |url: &str| url.split("X-Amz-Signature=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let hidden = [
        signature(&urls[0]),
        signature(&urls[1]),
        "another-secret-key".to_owned(),
        "a-session-token-that-is-hidden".to_owned(),
    ];
    for text in hidden {
        let at = written.find(&text);
        assert!(
            at.is_none(),
            "{text} is written down: {:?}",
            at.map(|at| &written[at.saturating_sub(200)..at])
        );
    }
}
