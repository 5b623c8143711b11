//! What is new in an object, and that the cache returns what it was given.

use serde_json::{Value, json};

use super::*;

fn object(version: u64, changes: &[(&str, Value)]) -> LeanPresignedUrl {
    let mut object = json!({
        "metadata": {"name": "a", "namespace": "n", "uid": "u", "generation": 1},
        "spec": {"bucket": "b12", "key": "k", "s3": {"region": "r", "credentials": {"secretRef": {"name": "c"}}}},
        "status": {"observedGeneration": -1},
    });
    object["metadata"]["resourceVersion"] = json!(version.to_string());
    for (pointer, value) in changes {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[field] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

fn all() -> Objects {
    Objects::new(Scopes::new(&[]))
}

#[test]
fn tells_what_is_new() {
    let annotated = json!({"presign.dev/renew": "t"});
    for (change, expected) in [
        (("/metadata/labels", json!({"a": "b"})), ObjectNews::Nothing),
        (("/metadata/annotations", json!({"a": "b"})), ObjectNews::Nothing),
        (("/status/secretName", json!("a")), ObjectNews::Status),
        (("/metadata/generation", json!(2)), ObjectNews::Object),
        (("/metadata/annotations", annotated), ObjectNews::Object),
        (("/metadata/uid", json!("u-2")), ObjectNews::Object),
        (("/metadata/deletionTimestamp", json!("2030-01-02T03:04:05Z")), ObjectNews::Object),
        (("/spec", json!(7)), ObjectNews::Object),
    ] {
        let objects = all();
        assert_eq!(objects.observe(&object(1, &[])).1, ObjectNews::Object);
        assert_eq!(objects.observe(&object(2, std::slice::from_ref(&change))).1, expected, "{change:?}");
    }
}

#[test]
fn the_newer_one_stays() {
    let objects = all();
    let (key, _) = objects.observe(&object(5, &[]));
    assert_eq!(objects.observe(&object(4, &[("/metadata/generation", json!(0))])).1, ObjectNews::Nothing);
    assert_eq!(objects.get(&key).unwrap().metadata.generation, Some(1));
    assert!(!objects.observe_deleted(&key, 4), "it was created again since");
    assert!(objects.observe_deleted(&key, 5) && !objects.contains(&key));
}

#[test]
fn what_reconciles_read_comes_back_as_it_was() {
    let renew = json!({"presign.dev/renew": "t"});
    for changes in [vec![], vec![("/metadata/annotations", renew)], vec![("/spec", json!({"bucket": []}))]] {
        let (objects, before) = (all(), object(3, &changes));
        let (key, _) = objects.observe(&before);
        let after = objects.get(&key).unwrap();
        assert_eq!(format!("{after:?}"), format!("{before:?}"));
    }
}
