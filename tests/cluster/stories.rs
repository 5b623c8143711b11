//! What the operator is for: a URL appears, works, is renewed, and goes.

use std::collections::BTreeMap;
use std::time::Duration;

use presign_operator::crd::LimitedBy;
use presign_operator::runtime::Clock;
use serde_json::json;
use testbed::sample;

use super::harness::{DEADLINE, Space, condition, curl, ready, text};

#[tokio::test]
async fn a_url_appears_and_downloads() {
    let space = Space::new("download").await;
    space.apply("report", space.spec(json!({}))).await;
    let object = space.wait_ready("report", "True", "Issued").await;
    assert_eq!(space.download("report").await.unwrap(), "content");

    let secret = space.secrets().get("report").await.unwrap();
    let keys: Vec<_> = secret.data.as_ref().unwrap().keys().collect();
    assert_eq!(keys, ["expires-at", "headers", "method", "url"]);
    assert_eq!((text(&secret, "method").as_str(), text(&secret, "headers").as_str()), ("GET", ""));
    let status = object.status.as_ref().unwrap();
    assert_eq!(text(&secret, "expires-at"), status.expiration_time.as_ref().unwrap().0.to_string());
    assert_eq!(secret.type_.as_deref(), Some("Opaque"));
    let label = |name: &str| secret.metadata.labels.as_ref().unwrap()[name].clone();
    assert_eq!(label("presign.dev/managed"), "true");
    assert_eq!(label("app.kubernetes.io/managed-by"), "presign-operator");
    let annotation = |name: &str| secret.metadata.annotations.as_ref().unwrap()[name].clone();
    assert_eq!(annotation("presign.dev/owner"), "report");
    assert_eq!(annotation("presign.dev/format"), "1");
    assert_eq!(annotation("presign.dev/signing-time"), status.signing_time.as_ref().unwrap().0.to_string());
    let owner = &secret.metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!((owner.kind.as_str(), owner.controller), ("PresignedUrl", Some(true)));
    assert_eq!(Some(&owner.uid), object.metadata.uid.as_ref());

    assert_eq!(status.limited_by, Some(LimitedBy::Requested));
    assert_eq!(status.secret_name.as_deref(), Some("report"));
    let location = status.location.as_deref().unwrap();
    assert!(location.ends_with("/dir/a%20file.txt"), "{location}");
    assert_eq!(condition(&object, "RotationSafe").unwrap().status, "True");
    assert!(condition(&object, "Stalled").is_none());
    space.wait_event("report", "Normal Issued").await;
    assert_eq!(space.events("report").await, ["Normal Issued"]);
}

#[tokio::test]
async fn an_upload_goes_through_with_its_headers_file() {
    let space = Space::new("upload").await;
    let spec = space.spec(json!({
        "key": "in/video.mp4", "method": "PUT",
        "headers": {"x-amz-meta-team": "a b", "Content-Type": "video/mp4"},
    }));
    space.apply("upload", spec).await;
    space.wait_ready("upload", "True", "Issued").await;
    let headers = space.data("upload", "headers").await;
    assert_eq!(headers, "Content-Type: video/mp4\nx-amz-meta-team: a b\n");
    let folder = space.operator.folder();
    let (headers_file, body) = (folder.join("headers"), folder.join("body"));
    std::fs::write(&headers_file, headers).unwrap();
    std::fs::write(&body, "frames").unwrap();
    let url = space.data("upload", "url").await;
    let without = curl(&["-T", body.to_str().unwrap(), &url]);
    assert!(without.unwrap_err().contains("403"), "signed headers are needed");
    let with = format!("@{}", headers_file.display());
    curl(&["-T", body.to_str().unwrap(), "-H", &with, &url]).unwrap();
    assert_eq!(space.world.store.get_object(&space.namespace, "in/video.mp4").unwrap(), b"frames");
}

#[tokio::test]
async fn head_and_delete_do_what_they_say_and_nothing_else() {
    let space = Space::new("methods").await;
    space.apply("head", space.spec(json!({"method": "HEAD"}))).await;
    space.apply("delete", space.spec(json!({"method": "DELETE"}))).await;
    space.wait_ready("head", "True", "Issued").await;
    space.wait_ready("delete", "True", "Issued").await;
    let answer = curl(&["-I", &space.data("head", "url").await]).unwrap();
    assert!(answer.contains("Content-Length: 7"), "{answer}");
    let delete = space.data("delete", "url").await;
    assert!(curl(&[&delete]).unwrap_err().contains("403"), "a DELETE URL downloads nothing");
    curl(&["-X", "DELETE", &delete]).unwrap();
    assert!(space.world.store.get_object(&space.namespace, "dir/a file.txt").is_err());
}

#[tokio::test]
async fn renews_before_the_old_url_expires_and_the_old_one_still_works() {
    let space = Space::new("renewal").await;
    let spec = space.spec(json!({"expiresIn": "1m", "renewBefore": "50s"}));
    space.apply("report", spec).await;
    let first = space.wait_ready("report", "True", "Issued").await;
    let old = space.data("report", "url").await;
    let signed = |object: &presign_operator::crd::PresignedUrl| {
        object.status.as_ref().unwrap().signing_time.as_ref().unwrap().0
    };
    let renewed = space.wait("report", "a renewal", |object| signed(object) > signed(&first)).await;
    let waited = signed(&renewed).duration_since(signed(&first)).as_secs();
    // The floor is a sixth of the lifetime; half of it would be too late, also on a slow machine.
    assert!((10..30).contains(&waited), "renewed after {waited} s");
    assert_ne!(space.data("report", "url").await, old);
    assert_eq!(space.download("report").await.unwrap(), "content");
    assert_eq!(curl(&[&old]).unwrap(), "content");
    assert_eq!(ready(&renewed).unwrap().last_transition_time, ready(&first).unwrap().last_transition_time);
    assert_eq!(space.events("report").await, ["Normal Issued"], "a routine renewal is no event");
    let metrics = space.operator.page("/metrics");
    assert!(metrics.contains("presign_issued_total{reason=\"Missing\"} 1\n"), "{metrics}");
    let renewals = sample(&metrics, "presign_issued_total{reason=\"RenewalDue\"}").unwrap();
    let passed = Clock::system().now().duration_since(signed(&first)).as_secs();
    // On a slow machine, the next renewal may have been before the metrics were read.
    assert!((1..=passed / 10).contains(&renewals), "in {passed} s: {metrics}");
}

#[tokio::test]
async fn every_layout_of_credentials_works() {
    let space = Space::new("layouts").await;
    let (id, secret) = (space.world.store.access_key_id(), space.world.store.secret_access_key());
    let layouts = [
        ("plain", "access-key-id", "secret-access-key"),
        ("aws", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("sts", "access_key_id", "secret_access_key"),
        ("cosi", "COSI_S3_ACCESS_KEY_ID", "COSI_S3_ACCESS_SECRET_KEY"),
        ("camel", "accessKey", "secretKey"),
        ("minio", "rootUser", "rootPassword"),
        ("rook", "AccessKey", "SecretKey"),
    ];
    for (layout, id_key, secret_key) in layouts {
        // A trailing newline, as `echo secret | base64` leaves it, just works.
        space.write_secret(layout, &[(id_key, id), (secret_key, &format!("{secret}\n"))]).await;
        let reference = json!({"s3": {"credentials": {"secretRef": {"name": layout}}}, "secret": {"name": format!("url-{layout}")}});
        space.apply(layout, space.spec(reference)).await;
    }
    let profile = format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
    let info = json!({"spec": {"secretS3": {"accessKeyID": id, "accessSecretKey": secret}}}).to_string();
    for (name, key, document) in [("profile", "credentials", &profile), ("cosi-json", "BucketInfo", &info)] {
        space.write_secret(name, &[(key, document)]).await;
        let reference = json!({"s3": {"credentials": {"secretRef": {"name": name}}}, "secret": {"name": format!("url-{name}")}});
        space.apply(name, space.spec(reference)).await;
    }
    space.write_secret("own", &[("user", id), ("password", secret), ("AWS_ACCESS_KEY_ID", "other")]).await;
    let own = json!({"name": "own", "keys": {"accessKeyID": "user", "secretAccessKey": "password"}});
    let spec = space.spec(json!({"s3": {"credentials": {"secretRef": own}}, "secret": {"name": "url-own"}}));
    space.apply("own", spec).await;
    let file = format!(
        "[default]\naws_access_key_id = other\naws_secret_access_key = other\n[team-a]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"
    );
    space.write_secret("profiles", &[("credentials", &file)]).await;
    let team = json!({"name": "profiles", "profile": "team-a"});
    let spec =
        space.spec(json!({"s3": {"credentials": {"secretRef": team}}, "secret": {"name": "url-team"}}));
    space.apply("team", spec).await;
    for name in layouts.map(|(layout, ..)| layout).into_iter().chain(["profile", "cosi-json", "own", "team"])
    {
        space.wait_ready(name, "True", "Issued").await;
        assert_eq!(space.download(&format!("url-{name}")).await.unwrap(), "content", "{name}");
    }
}

#[tokio::test]
async fn an_edited_spec_and_rotated_keys_reach_the_url_at_once() {
    let space = Space::new("changes").await;
    space.world.store.put_object(&space.namespace, "other", b"other content").unwrap();
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;

    space.apply("report", space.spec(json!({"key": "other"}))).await;
    space.wait_ready("report", "True", "Issued").await;
    assert_eq!(space.download("report").await.unwrap(), "other content");

    let before = space.data("report", "url").await;
    space.write_keys("wrong").await;
    space.wait_secret("report", "the wrong key", |secret| text(secret, "url") != before).await;
    assert!(space.download("report").await.unwrap_err().contains("403"));
    let wrong = space.data("report", "url").await;
    space.write_keys(space.world.store.secret_access_key()).await;
    space.wait_secret("report", "the right key", |secret| text(secret, "url") != wrong).await;
    assert_eq!(space.download("report").await.unwrap(), "other content");
    space.operator.wait_counted("presign_issued_total{reason=\"SpecChanged\"} 1").await;
    space.operator.wait_counted("presign_issued_total{reason=\"CredentialsChanged\"} 2").await;
}

#[tokio::test]
async fn what_stands_beside_the_url_is_repaired_without_a_new_one() {
    let space = Space::new("repair").await;
    let spec = space.spec(json!({"secret": {"labels": {"team": "a"}, "annotations": {"note": "b"}}}));
    space.apply("report", spec).await;
    space.wait_ready("report", "True", "Issued").await;
    let url = space.data("report", "url").await;
    let labels =
        |secret: &k8s_openapi::api::core::v1::Secret| secret.metadata.labels.clone().unwrap_or_default();

    for (arguments, wanted) in [
        (vec!["label", "secret", "report", "team=b", "--overwrite"], "the label as asked for"),
        (vec!["label", "secret", "report", "presign.dev/managed-"], "the managed label"),
        (vec!["annotate", "secret", "report", "presign.dev/owner-"], "the owner annotation"),
        (
            vec!["patch", "secret", "report", "--type=merge", "-p", r#"{"data":{"method":"UFVU"}}"#],
            "the method",
        ),
        (
            vec![
                "patch",
                "secret",
                "report",
                "--type=merge",
                "-p",
                r#"{"metadata":{"ownerReferences":null}}"#,
            ],
            "the owner",
        ),
    ] {
        space.kubectl(&arguments);
        let repaired = space
            .wait_secret("report", wanted, |secret| {
                let annotations = secret.metadata.annotations.clone().unwrap_or_default();
                labels(secret).get("team").is_some_and(|team| team == "a")
                    && labels(secret).contains_key("presign.dev/managed")
                    && annotations.contains_key("presign.dev/owner")
                    && text(secret, "method") == "GET"
                    && secret.metadata.owner_references.is_some()
            })
            .await;
        assert_eq!(text(&repaired, "url"), url, "{wanted}: the URL stays");
    }

    // What others add is theirs; a label that the spec no longer names goes.
    space.kubectl(&["label", "secret", "report", "theirs=1"]);
    space.apply("report", space.spec(json!({"secret": {"annotations": {"note": "b"}}}))).await;
    let secret =
        space.wait_secret("report", "no team label", |secret| !labels(secret).contains_key("team")).await;
    assert_eq!(labels(&secret)["theirs"], "1");
    assert_eq!(text(&secret, "url"), url);
}

#[tokio::test]
async fn a_value_that_somebody_put_in_the_place_of_the_url_is_replaced() {
    let space = Space::new("drift").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    // "hello" in base64
    space.kubectl(&["patch", "secret", "report", "--type=merge", "-p", r#"{"data":{"url":"aGVsbG8="}}"#]);
    space.wait_secret("report", "a URL again", |secret| text(secret, "url").starts_with("http")).await;
    assert_eq!(space.download("report").await.unwrap(), "content");
    space.operator.wait_counted("presign_issued_total{reason=\"Drifted\"} 1").await;
}

#[tokio::test]
async fn a_renew_token_renews_once() {
    let space = Space::new("renew").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let first = space.data("report", "url").await;
    // A URL signed within the same second is the same URL.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let annotate = |value: &str| space.kubectl(&["annotate", "psu", "report", value]);
    annotate("presign.dev/renew=today");
    let handled = |token: Option<&'static str>| {
        move |object: &presign_operator::crd::PresignedUrl| {
            object.status.as_ref().and_then(|status| status.last_handled_renew.as_deref()) == token
        }
    };
    space.wait("report", "the token", handled(Some("today"))).await;
    let second = space.data("report", "url").await;
    assert_ne!(second, first);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    annotate("presign.dev/renew-");
    annotate("presign.dev/renew=today");
    annotate("unrelated=1");
    space.apply("report", space.spec(json!({"secret": {"labels": {"a": "b"}}}))).await;
    let secret = space
        .wait_secret("report", "the label", |secret| {
            secret.metadata.labels.as_ref().unwrap().contains_key("a")
        })
        .await;
    assert_eq!(text(&secret, "url"), second, "the same token never renews twice");
    let metrics = space.operator.page("/metrics");
    assert!(metrics.contains("presign_issued_total{reason=\"Requested\"} 1\n"), "{metrics}");
    let annotations: BTreeMap<_, _> = secret.metadata.annotations.unwrap();
    assert_eq!(annotations["presign.dev/renew"], "today");
}

#[tokio::test]
async fn the_secret_goes_with_its_owner_unless_it_is_retained() {
    let space = Space::new("deletion").await;
    space.apply("goes", space.spec(json!({}))).await;
    space.apply("stays", space.spec(json!({"secret": {"deletionPolicy": "Retain"}}))).await;
    space.wait_ready("goes", "True", "Issued").await;
    space.wait_ready("stays", "True", "Issued").await;
    let url = space.data("stays", "url").await;
    for name in ["goes", "stays"] {
        space.presigned_urls().delete(name, &kube::api::DeleteParams::default()).await.unwrap();
    }
    space
        .wait_for(DEADLINE, space.secrets(), "goes", "its collection", |secret| {
            secret.is_none().then_some(())
        })
        .await;
    assert_eq!(space.data("stays", "url").await, url);

    // Created again, the object finds its retained Secret and mints nothing.
    space.apply("stays", space.spec(json!({"secret": {"deletionPolicy": "Retain"}}))).await;
    space.wait_ready("stays", "True", "Issued").await;
    assert_eq!(space.data("stays", "url").await, url);
}

#[tokio::test]
async fn nothing_is_issued_while_suspended() {
    let space = Space::new("suspend").await;
    space.apply("report", space.spec(json!({"suspend": true}))).await;
    space.wait_ready("report", "False", "Suspended").await;
    assert!(space.secrets().get_opt("report").await.unwrap().is_none());
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let url = space.data("report", "url").await;
    space.apply("report", space.spec(json!({"suspend": true, "key": "other"}))).await;
    space.wait_ready("report", "False", "Suspended").await;
    assert_eq!(space.data("report", "url").await, url);
}
