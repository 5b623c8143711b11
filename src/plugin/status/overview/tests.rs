//! Tests of `overview`.
#![allow(clippy::needless_pass_by_value, reason = "tables are easier to read without references")]

use serde_json::json;

use super::*;

fn object(changes: serde_json::Value) -> PresignedUrl {
    let mut object = json!({
        "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl",
        "metadata": {"name": "report", "namespace": "a", "generation": 2},
        "spec": {"bucket": "b", "key": "k", "signerRef": {"kind": "ClusterSigner", "name": "media"}},
        "status": {
            "observedGeneration": 2,
            "secretName": "target",
            "location": "https://h/b/k",
            "expirationTime": "2030-01-02T04:04:05Z",
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Issued", "message": "m",
                "lastTransitionTime": "2030-01-02T03:04:05Z",
            }, {
                "type": "Permitted", "status": "True", "reason": "Allowed", "message": "rule \"d\" allows it",
                "lastTransitionTime": "2030-01-02T03:04:05Z",
            }],
        },
    });
    for (name, change) in changes.as_object().unwrap() {
        object[name] = change.clone();
    }
    serde_json::from_value(object).unwrap()
}

fn shown(object: &PresignedUrl, secret: SecretSeen, pods: Option<SecretUsers>) -> (bool, String) {
    let now = "2030-01-02T03:34:05Z".parse().unwrap();
    let overview = Overview::of(object, secret, pods);
    (overview.is_ready(), overview.tree(now, Paint { is_on: false }).render())
}

#[test]
fn shows_signer_secret_pods_and_dates() {
    let secret = SecretSeen::Present { owner: Some("report".to_owned()), ended: None, is_ours: true };
    let (is_ready, text) = shown(&object(json!({})), secret, Some(SecretUsers::default()));
    assert!(is_ready);
    for line in [
        "PresignedUrl a/report: Ready, Issued",
        "signer: ClusterSigner \"media\"\n│  └─ rule \"d\" allows it",
        "Secret: target holds the URL",
        "pods: none uses the Secret",
        "expires: 2030-01-02T04:04:05Z (in 30m)",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
}

#[test]
fn shows_what_a_form_permits_and_how_long_it_lives() {
    let form = |changes: serde_json::Value| {
        let mut form = json!({"maxSize": 1000});
        form.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        object(json!({
            "spec": {"method": "POST", "bucket": "inbox", "key": "photos/", "form": form, "signerRef": {"name": "a"}},
            "status": {"signingTime": "2030-01-02T03:04:05Z", "expirationTime": "2030-01-02T04:04:05Z"},
        }))
    };
    let secret = || SecretSeen::Present { owner: None, ended: None, is_ours: true };
    let (_, text) = shown(&form(json!({})), secret(), Some(SecretUsers::default()));
    for line in [
        "object: POST photos/ of inbox",
        "uploads: files from 0 to 1000 bytes, of any type\n",
        "Secret: report holds the form",
        "lives: 3600 seconds (1h)",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    let open = form(json!({"minSize": 1, "keyPrefix": true, "contentType": "image/"}));
    let line = "files from 1 to 1000 bytes, of a type that begins with image/, under a name that the visitor chooses";
    assert!(shown(&open, secret(), None).1.contains(line));
    let exact = form(json!({"contentType": "image/png"}));
    assert!(shown(&exact, secret(), None).1.contains("of the type image/png"));
    let overview = Overview::of(&exact, secret(), None);
    let value = serde_json::to_value(&overview).unwrap();
    assert_eq!((&value["form"]["maxSize"], &value["lifetimeSeconds"]), (&json!(1000), &json!(3600)));
}

#[test]
fn shows_what_is_missing_or_not_permitted() {
    let bare = object(json!({"status": {}}));
    let (is_ready, text) = shown(&bare, SecretSeen::Missing, None);
    assert!(!is_ready);
    for line in ["not seen by the operator yet", "Secret: report does not exist", "you may not list them"] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    let ended = SecretSeen::Present { owner: None, ended: Some("Denied".to_owned()), is_ours: true };
    assert!(shown(&bare, ended, None).1.contains("its URL was removed: Denied"));
    let asked = object(json!({"metadata": {"name": "report", "annotations": {"presign.dev/renew": "1"}}}));
    assert!(shown(&asked, SecretSeen::NotPermitted, None).1.contains("asked for and not issued yet"));
}
