//! The model API server that other tests use, held against a real one: the same random writes to
//! both leave the same Secret, with the same record of who owns what, and the same answers.

#[path = "../decisions/server.rs"]
#[allow(dead_code, reason = "the model serves other tests too")]
mod server;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, DeleteParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngSeed, TestRunner};
use serde_json::{Value, json};

use crate::harness::{World, make_namespace};
use server::{Manager, SecretServer};

const NAME: &str = "report";
const HISTORIES: usize = 30;

/// What is written; numbers stand for values, 0 for none.
#[derive(Clone, Copy, Debug)]
struct Content {
    labels: [u8; 2],
    note: u8,
    data: [u8; 2],
    owners: [bool; 2],
}

#[derive(Clone, Copy, Debug)]
enum Write {
    Create(Content),
    Apply(usize, Content),
    /// A strategic-merge patch that sets what is there and removes what is not.
    Patch(usize, Content),
    /// A read, an edit and a replace.
    Replace(Content),
    Reset,
    Delete,
}

/// What a write carries as its precondition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Onto {
    Anything,
    WhatIsThere,
    AnotherVersion,
    AnotherObject,
}

fn content() -> impl Strategy<Value = Content> {
    let few = || 0..3_u8;
    ([few(), few()], few(), [1..3_u8, few()], any::<[bool; 2]>())
        .prop_map(|(labels, note, data, owners)| Content { labels, note, data, owners })
}

fn write() -> impl Strategy<Value = (Write, Onto)> {
    let write = prop_oneof![
        2 => content().prop_map(Write::Create),
        4 => (0..2_usize, content()).prop_map(|(manager, content)| Write::Apply(manager, content)),
        3 => (0..2_usize, content()).prop_map(|(manager, content)| Write::Patch(manager, content)),
        2 => content().prop_map(Write::Replace),
        1 => Just(Write::Reset),
        1 => Just(Write::Delete),
    ];
    let onto = prop_oneof![
        3 => Just(Onto::Anything),
        3 => Just(Onto::WhatIsThere),
        1 => Just(Onto::AnotherVersion),
        1 => Just(Onto::AnotherObject),
    ];
    (write, onto)
}

const APPLIERS: [Manager; 2] = [("presign-operator", "Apply"), ("backup", "Apply")];
const UPDATERS: [Manager; 2] = [("presign-operator", "Update"), ("kubectl-edit", "Update")];

/// The same Secret as both servers write it.
struct Both {
    real: Api<Secret>,
    model: SecretServer,
    owners: Vec<OwnerReference>,
}

impl Both {
    fn secret(&self, content: Content) -> Secret {
        let pairs = |names: [&str; 2], numbers: [u8; 2]| -> BTreeMap<String, String> {
            let all = names.into_iter().zip(numbers).filter(|(_, number)| *number > 0);
            all.map(|(name, number)| (name.to_owned(), format!("v{number}"))).collect()
        };
        let data = pairs(["url", "method"], content.data).into_iter();
        let owners = self.owners.iter().zip(content.owners).filter(|(_, is_there)| *is_there);
        let owners: Vec<_> = owners.map(|(owner, _)| owner.clone()).collect();
        Secret {
            metadata: ObjectMeta {
                name: Some(NAME.to_owned()),
                labels: Some(pairs(["a", "b"], content.labels)),
                annotations: Some(pairs(["note", ""], [content.note, 0])),
                owner_references: Some(owners).filter(|owners| !owners.is_empty()),
                ..ObjectMeta::default()
            },
            data: Some(data.map(|(key, text)| (key, ByteString(text.into_bytes()))).collect()),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        }
    }

    /// The patch that makes a Secret of `content`, whatever it held before.
    fn patch(&self, content: Content) -> Value {
        let mut patch = serde_json::to_value(self.secret(content)).unwrap();
        for (path, names) in
            [("labels", vec!["a", "b"]), ("annotations", vec!["note"]), ("data", vec!["url", "method"])]
        {
            let map = if path == "data" { &mut patch["data"] } else { &mut patch["metadata"][path] };
            for name in names {
                if map.get(name).is_none() {
                    map[name] = Value::Null;
                }
            }
        }
        let gone = self.owners.iter().zip(content.owners).filter(|(_, is_there)| !is_there);
        let deletions: Vec<_> = gone.map(|(o, _)| json!({"$patch": "delete", "uid": o.uid})).collect();
        let kept = patch["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
        patch["metadata"]["ownerReferences"] = kept.into_iter().chain(deletions).collect();
        patch
    }

    async fn write(&mut self, write: Write, onto: Onto) {
        let there = self.real.get_opt(NAME).await.unwrap();
        let (real_onto, model_onto) =
            (precondition(onto, there.as_ref()), precondition(onto, self.model.get().as_ref()));
        let version_before = version(there.as_ref());
        let before = self.model.version;
        let (real, model) = match write {
            Write::Create(content) => {
                let secret = self.secret(content);
                let params =
                    PostParams { field_manager: Some(UPDATERS[0].0.to_owned()), ..PostParams::default() };
                let real = self.real.create(&params, &secret).await.map(drop);
                (real, self.model.create(UPDATERS[0], &secret, Timestamp::UNIX_EPOCH).map(drop))
            }
            Write::Apply(manager, content) => {
                let (mut real, mut model) = (self.secret(content), self.secret(content));
                (real.metadata.uid, real.metadata.resource_version) = real_onto;
                (model.metadata.uid, model.metadata.resource_version) = model_onto;
                let params = PatchParams::apply(APPLIERS[manager].0).force();
                let real = self.real.patch(NAME, &params, &Patch::Apply(&real)).await.map(drop);
                (real, self.model.apply(APPLIERS[manager], &model, Timestamp::UNIX_EPOCH).map(drop))
            }
            Write::Patch(manager, content) => {
                let (mut real, mut model) = (self.patch(content), self.patch(content));
                for (patch, (uid, version)) in [(&mut real, real_onto), (&mut model, model_onto)] {
                    if let Some(uid) = uid {
                        patch["metadata"]["uid"] = json!(uid);
                    }
                    if let Some(version) = version {
                        patch["metadata"]["resourceVersion"] = json!(version);
                    }
                }
                let manager = UPDATERS[manager];
                let params =
                    PatchParams { field_manager: Some(manager.0.to_owned()), ..PatchParams::default() };
                let real = self.real.patch(NAME, &params, &Patch::Strategic(&real)).await.map(drop);
                (real, self.model.patch(manager, &model, Timestamp::UNIX_EPOCH).map(drop))
            }
            Write::Replace(content) => {
                let Some(there) = there else { return };
                let (wanted, manager) = (self.secret(content), UPDATERS[1]);
                let edit = |secret: &mut Secret| {
                    secret.metadata.labels.clone_from(&wanted.metadata.labels);
                    secret.metadata.annotations.clone_from(&wanted.metadata.annotations);
                    secret.metadata.owner_references.clone_from(&wanted.metadata.owner_references);
                    secret.data.clone_from(&wanted.data);
                };
                let mut real = there;
                edit(&mut real);
                let params =
                    PostParams { field_manager: Some(manager.0.to_owned()), ..PostParams::default() };
                let real = self.real.replace(NAME, &params, &real).await.map(drop);
                self.model.update(manager, Timestamp::UNIX_EPOCH, edit);
                (real, Ok(()))
            }
            Write::Reset => {
                let patch = json!({"metadata": {"managedFields": [{}]}});
                let real =
                    self.real.patch(NAME, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop);
                let model = self.model.get().map(|_| self.model.reset_managed_fields()).ok_or(404);
                (real, model)
            }
            Write::Delete => {
                let (uid, resource_version) = real_onto;
                let preconditions = Some(Preconditions { uid, resource_version });
                let params = DeleteParams { preconditions, ..DeleteParams::default() };
                let real = self.real.delete(NAME, &params).await.map(drop);
                let (uid, version) = model_onto;
                (real, self.model.delete_only(uid.as_deref(), version.as_deref()))
            }
        };
        let real = real.map_err(|error| match error {
            kube::Error::Api(status) => status.code,
            error => panic!("no answer: {error}"),
        });
        assert_eq!(model, real, "the answer");
        let now = self.real.get_opt(NAME).await.unwrap();
        assert_eq!(shown(self.model.get().as_ref()), shown(now.as_ref()));
        let is_changed = version(now.as_ref()) != version_before;
        assert_eq!(self.model.version != before, is_changed, "whether it changed");
    }
}

fn version(secret: Option<&Secret>) -> Option<String> {
    secret?.metadata.resource_version.clone()
}

/// UID and version that a write is to carry.
fn precondition(onto: Onto, there: Option<&Secret>) -> (Option<String>, Option<String>) {
    let (uid, version) = there.map_or((None, None), |secret| {
        (secret.metadata.uid.clone(), secret.metadata.resource_version.clone())
    });
    match onto {
        Onto::Anything => (None, None),
        Onto::WhatIsThere => (uid, version),
        Onto::AnotherVersion => (uid, version.map(|_| "999999999999".to_owned())),
        Onto::AnotherObject => (Some("another".to_owned()), None),
    }
}

/// Everything that must be the same on both.
fn shown(secret: Option<&Secret>) -> Option<Value> {
    let secret = secret?;
    let metadata = &secret.metadata;
    let mut managers = BTreeMap::new();
    for entry in metadata.managed_fields.iter().flatten() {
        let mut leaves = BTreeSet::new();
        collect(&entry.fields_v1.as_ref().unwrap().0, "", &mut leaves);
        if !leaves.is_empty() {
            let name = format!("{:?} {:?}", entry.manager, entry.operation);
            managers.insert(name, leaves);
        }
    }
    let mut owners = metadata.owner_references.clone().unwrap_or_default();
    owners.sort_by(|a, b| a.uid.cmp(&b.uid));
    Some(json!({
        "labels": metadata.labels.clone().unwrap_or_default(),
        "annotations": metadata.annotations.clone().unwrap_or_default(),
        "owners": owners,
        "data": secret.data.clone().unwrap_or_default(),
        "type": secret.type_,
        "managers": managers,
    }))
}

fn collect(fields: &Value, path: &str, leaves: &mut BTreeSet<String>) {
    for (name, below) in fields.as_object().into_iter().flatten().filter(|(name, _)| *name != ".") {
        // A map without an entry of this manager is no field of its own.
        let is_map = ["f:data", "f:metadata", "f:labels", "f:annotations", "f:ownerReferences"];
        if below.as_object().is_some_and(serde_json::Map::is_empty) && !is_map.contains(&name.as_str()) {
            leaves.insert(format!("{path}/{name}"));
        }
        collect(below, &format!("{path}/{name}"), leaves);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_writes_secrets_as_the_real_server_does() {
    let client = World::get().await.client().await;
    let namespace = make_namespace(&client, "model-").await;
    let mut owners = Vec::new();
    // Owners that exist, or the garbage collector takes part.
    for name in ["owner-a", "owner-b"] {
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let owner = ConfigMap { metadata, ..ConfigMap::default() };
        let api = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
        let owner = api.create(&PostParams::default(), &owner).await.unwrap();
        owners.push(OwnerReference {
            api_version: "v1".to_owned(),
            kind: "ConfigMap".to_owned(),
            name: name.to_owned(),
            uid: owner.metadata.uid.unwrap(),
            ..OwnerReference::default()
        });
    }
    let seed = testbed::number("MODEL_SEED", 13);
    println!("MODEL_SEED={seed}");
    let rng_seed = RngSeed::Fixed(seed);
    let config = ProptestConfig { rng_seed, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    for number in 0..HISTORIES {
        let history = prop::collection::vec(write(), 4..16).new_tree(&mut runner).unwrap().current();
        let real = Api::<Secret>::namespaced(client.clone(), &namespace);
        let mut both = Both { real, model: SecretServer::default(), owners: owners.clone() };
        for (step, (write, onto)) in history.iter().enumerate() {
            println!("history {number}, step {step}: {write:?} onto {onto:?}");
            both.write(*write, *onto).await;
        }
        both.write(Write::Delete, Onto::Anything).await;
    }
}
