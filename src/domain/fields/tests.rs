//! Whose write is whose.

use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use super::*;
use crate::domain::model::{SecretServer, THEM, US, World, at};

/// A Secret that we wrote.
fn ours() -> Secret {
    let mut world = World::new();
    world.act(world.decide());
    let mut secret = world.server.get().unwrap();
    (secret.metadata.uid, secret.metadata.resource_version) = (None, None);
    secret
}

fn read(server: &SecretServer) -> OwnedFields {
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
    assert_eq!(owned.applied.data, set(&["expires-at", "headers", "method", "url"]));
    assert_eq!(owned.applied.annotations, set(&["presign.dev/owner"]));
    assert_eq!(owned.applied.labels, set(&["app.kubernetes.io/managed-by", "presign.dev/managed"]));
    assert_eq!(owned.applied.owners, set(&["7e1c"]));
}

#[test]
fn what_we_wrote_is_ours_by_apply_and_by_create_but_not_what_others_declare() {
    let url = Field::Data("url");
    for (manager, is_ours, is_alone) in [
        (US, true, true),
        ((US.0, "Update"), true, false),
        (THEM, false, false),
        (("x", "Apply"), false, false),
    ] {
        let mut server = SecretServer::default();
        server.apply(manager, &ours(), at(0)).unwrap();
        let owned = read(&server);
        assert_eq!((owned.is_ours(url), owned.is_ours_alone(url)), (is_ours, is_alone), "{manager:?}");
        // A side key and an annotation with our prefix go whoever wrote them.
        for field in [Field::Data("method"), Field::Annotation("presign.dev/owner")] {
            assert!(owned.is_removed(field), "{manager:?} {field:?}");
        }
    }
}

#[test]
fn a_label_that_somebody_else_declares_is_theirs_when_we_render_it_no_more() {
    let mut server = SecretServer::default();
    let label = Field::Label("app.kubernetes.io/managed-by");
    server.apply(US, &ours(), at(0)).unwrap();
    assert!(read(&server).is_removed(label));
    server.apply(("x", "Apply"), &ours(), at(1)).unwrap();
    let owned = read(&server);
    assert!(owned.is_ours(label) && !owned.is_ours_alone(label) && !owned.is_removed(label));
    // A URL is none that anybody else could declare.
    assert!(owned.is_removed(Field::Data("url")));
}
