//! Whose write is whose.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use serde_json::json;

use super::*;
use crate::crd::names::MANAGED;
use crate::domain::model::{Server, THEM, US, World, at};

/// A Secret that we wrote.
fn ours() -> Secret {
    let mut world = World::new();
    world.act(world.decide());
    world.server.get().unwrap()
}

fn read(server: &Server) -> OwnedFields {
    OwnedFields::read(&server.get().unwrap().metadata)
}

#[test]
fn reads_the_record_of_a_real_server() {
    let metadata: ObjectMeta = serde_json::from_value(json!({
        "creationTimestamp": "2030-01-01T00:00:00Z",
        "managedFields": [
            {
                "manager": "presign-operator", "operation": "Apply", "apiVersion": "v1",
                "time": "2030-01-01T00:00:00Z", "fieldsType": "FieldsV1",
                "fieldsV1": {
                    "f:data": {"f:expires-at": {}, "f:headers": {}, "f:method": {}, "f:url": {}},
                    "f:metadata": {
                        "f:annotations": {"f:presign.dev/owner": {}},
                        "f:labels": {"f:app.kubernetes.io/managed-by": {}, "f:presign.dev/managed": {}},
                        "f:ownerReferences": {"k:{\"uid\":\"7e1c\"}": {}},
                    },
                    "f:type": {},
                },
            },
            {
                "manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1",
                "time": "2030-01-01T00:00:09Z", "fieldsType": "FieldsV1",
                "fieldsV1": {
                    "f:data": {".": {}, "f:theirs": {}},
                    "f:metadata": {"f:ownerReferences": {".": {}, "k:{\"uid\":\"9999\"}": {}}},
                },
            },
            {"manager": "presign-operator", "operation": "Apply", "subresource": "status"},
        ],
    }))
    .unwrap();
    let owned = OwnedFields::read(&metadata);
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(owned.data, set(&["expires-at", "headers", "method", "url"]));
    assert_eq!(owned.annotations, set(&["presign.dev/owner"]));
    assert_eq!(owned.labels, set(&["app.kubernetes.io/managed-by", "presign.dev/managed"]));
    assert_eq!(owned.owners, set(&["7e1c"]));
    assert!(!owned.is_created_by_another);
}

#[test]
fn a_secret_that_appeared_between_look_and_write_is_told_from_ours() {
    let theirs = |secret: &mut Secret| secret.type_ = Some("Opaque".to_owned());
    // They create it, we apply in the same second or later.
    for second in [0, 1] {
        let mut server = Server::default();
        server.update(THEM, at(0), theirs);
        server.apply(US, &ours(), at(second));
        assert!(read(&server).is_created_by_another, "{second}");
    }
    // Created with our label: a copy of ours, restored.
    let mut server = Server::default();
    server.update(THEM, at(0), |secret| {
        theirs(secret);
        secret.labels_mut().insert(LABEL_MANAGED.to_owned(), MANAGED.to_owned());
    });
    server.apply(US, &ours(), at(0));
    assert!(!read(&server).is_created_by_another);
    // We create it, they add something in the same second.
    let mut server = Server::default();
    server.apply(US, &ours(), at(0));
    server
        .update(THEM, at(0), |secret| drop(secret.annotations_mut().insert("a".to_owned(), "b".to_owned())));
    assert!(!read(&server).is_created_by_another);
    // They apply it with a type of their own, later.
    let typed = Secret { type_: Some("Opaque".to_owned()), ..Secret::default() };
    server.apply(("backup", "Apply"), &typed, at(1));
    assert!(!read(&server).is_created_by_another);
}

#[test]
fn other_managers_are_whoever_did_not_apply_as_us() {
    for (manager, is_other) in [(US, false), (THEM, true), ((US.0, "Update"), true), (("x", "Apply"), true)] {
        let mut server = Server::default();
        server.apply(manager, &ours(), at(0));
        assert_eq!(has_other_managers(&server.get().unwrap().metadata), is_other, "{manager:?}");
        assert_eq!(read(&server).data.contains("url"), !is_other, "{manager:?}");
    }
    assert!(!has_other_managers(&ObjectMeta::default()));
}
