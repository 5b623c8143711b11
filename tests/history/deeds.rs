//! What happens in a history: what people do, and what goes wrong on the way.

use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cluster::{Name, epoch, uid};
use crate::http::{Api, State, Trouble};
use crate::server::{Server, THEM};

/// Namespaces, and objects in each.
pub const NAMESPACES: u8 = 2;
pub const OBJECTS: u8 = 3;

/// An object by its namespace and its number.
pub type Who = (u8, u8);

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    Create(Who),
    Delete(Who),
    DeleteInForeground(Who),
    Recreate(Who),
    Edit(Who, u8),
    Suspend(Who, bool),
    Retain(Who, bool),
    Rotate(u8, u8),
    TakeCredentials(u8),
    DeleteSecret(Who),
    SpoilUrl(Who),
    TakeLabels(Who),
    ResetRecord(Who),
    /// Somebody else creates a Secret of that name, if there is none.
    CreateForeign(Who),
    RemoveForeign(Who),
    CollectGarbage,
    CutWatches,
    Lag(u16),
    Trouble(Trouble),
    /// The operator's calls about its Lease hang for so many milliseconds.
    LoseLease(u64),
    BackUp,
    /// The API server goes back to the backup.
    Restore,
    Wait(u32),
}

fn who() -> impl Strategy<Value = Who> {
    (0..NAMESPACES, 0..OBJECTS)
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        (1..4000_u64).prop_map(Trouble::LateRequest),
        (1..4000_u64).prop_map(Trouble::LateAnswer),
        (1..4000_u64).prop_map(Trouble::Undone),
        Just(Trouble::LostAnswer),
        Just(Trouble::LostRequest),
        Just(Trouble::Busy),
        (1..20_u64).prop_map(Trouble::Overloaded),
        Just(Trouble::Broken),
        Just(Trouble::Panic),
    ]
}

/// One deed and a pause.
pub fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => who().prop_map(Deed::Create),
        2 => who().prop_map(Deed::Delete),
        1 => who().prop_map(Deed::DeleteInForeground),
        2 => who().prop_map(Deed::Recreate),
        2 => (who(), 0..3_u8).prop_map(|(who, key)| Deed::Edit(who, key)),
        1 => (who(), any::<bool>()).prop_map(|(who, on)| Deed::Suspend(who, on)),
        1 => (who(), any::<bool>()).prop_map(|(who, on)| Deed::Retain(who, on)),
        2 => (0..NAMESPACES, 0..3_u8).prop_map(|(namespace, key)| Deed::Rotate(namespace, key)),
        1 => (0..NAMESPACES).prop_map(Deed::TakeCredentials),
        3 => who().prop_map(Deed::DeleteSecret),
        1 => who().prop_map(Deed::SpoilUrl),
        1 => who().prop_map(Deed::TakeLabels),
        1 => who().prop_map(Deed::ResetRecord),
        2 => who().prop_map(Deed::CreateForeign),
        1 => who().prop_map(Deed::RemoveForeign),
        2 => Just(Deed::CollectGarbage),
        1 => Just(Deed::CutWatches),
        2 => (0..3000_u16).prop_map(Deed::Lag),
        6 => trouble().prop_map(Deed::Trouble),
        1 => (1..60_000_u64).prop_map(Deed::LoseLease),
        1 => Just(Deed::BackUp),
        2 => Just(Deed::Restore),
        6 => prop_oneof![1..50_u32, 1..5000_u32, 1..700_000_u32].prop_map(Deed::Wait),
    ]
}

/// The name of an object, and of its Secret.
pub fn name((namespace, object): Who) -> Name {
    (format!("team-{namespace}"), format!("report-{object}"))
}

pub fn credentials(namespace: u8) -> Name {
    (format!("team-{namespace}"), "keys".to_owned())
}

/// The access key of this number.
pub fn key_id(number: u8) -> String {
    format!("KEYNUMBER{number}")
}

/// What the object of this number asks for: a renewal must not make good what is forgotten.
fn spec(object: u8) -> Value {
    let expires_in = if object == 0 { "10m" } else { "24h" };
    json!({
        "bucket": "reports", "key": "key-0", "expiresIn": expires_in,
        "s3": {
            "endpoint": "https://s3.example.org", "region": "us-west",
            "credentials": {"secretRef": {"name": "keys"}},
        },
    })
}

/// Writes the credentials of a namespace.
pub fn rotate(state: &mut State, namespace: u8, number: u8) {
    state.cluster.write_secret(&credentials(namespace), |server| {
        server.update(THEM, epoch(), |secret| {
            secret.type_ = Some("Opaque".to_owned());
            let text = |text: String| ByteString(text.into_bytes());
            secret.data = Some(
                [
                    ("access-key-id".to_owned(), text(key_id(number))),
                    ("secret-access-key".to_owned(), text(format!("secret of {number}"))),
                ]
                .into(),
            );
        });
    });
}

impl Deed {
    pub async fn carry_out(self, api: &Api) {
        if let Self::Wait(millis) = self {
            return tokio::time::sleep(Duration::from_millis(millis.into())).await;
        }
        let mut state = api.lock();
        let state = &mut *state;
        if let Self::Create(who)
        | Self::Recreate(who)
        | Self::Edit(who, _)
        | Self::Suspend(who, _)
        | Self::Retain(who, _) = self
        {
            state.inputs.push((name(who), tokio::time::Instant::now()));
        }
        let cluster = &mut state.cluster;
        match self {
            Self::Create(who) => cluster.create_url(&name(who), &spec(who.1)),
            Self::Delete(who) => cluster.delete_url(&name(who)),
            Self::DeleteInForeground(who) => cluster.edit_url(&name(who), |object| {
                object["metadata"]["deletionTimestamp"] = json!("2030-01-01T00:00:00Z");
                object["metadata"]["finalizers"] = json!(["foregroundDeletion"]);
            }),
            Self::Recreate(who) => {
                cluster.delete_url(&name(who));
                cluster.create_url(&name(who), &spec(who.1));
            }
            Self::Edit(who, key) => {
                cluster.edit_url(&name(who), |o| o["spec"]["key"] = json!(format!("key-{key}")));
            }
            Self::Suspend(who, on) => cluster.edit_url(&name(who), |o| o["spec"]["suspend"] = json!(on)),
            Self::Retain(who, on) => {
                let policy = if on { "Retain" } else { "Delete" };
                cluster.edit_url(&name(who), |o| o["spec"]["secret"]["deletionPolicy"] = json!(policy));
            }
            Self::Rotate(namespace, number) => rotate(state, namespace, number),
            Self::TakeCredentials(namespace) => cluster.write_secret(&credentials(namespace), Server::delete),
            Self::DeleteSecret(who) => cluster.write_secret(&name(who), Server::delete),
            Self::SpoilUrl(who) => {
                touch(state, who, |s| drop(s.data.as_mut().and_then(|data| data.remove("url"))));
            }
            Self::TakeLabels(who) => {
                touch(state, who, |s| s.labels_mut().clear());
                // Without label and owner reference nothing says that it is ours.
                let there = state.cluster.secret(&name(who));
                let lost = there.filter(|s| s["metadata"]["labels"]["presign.dev/managed"].is_null());
                let lost =
                    lost.filter(|s| s["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty));
                state.cluster.stored.foreign.extend(lost.as_ref().and_then(uid).map(str::to_owned));
            }
            Self::ResetRecord(who) => cluster.write_secret(&name(who), Server::reset_managed_fields),
            Self::CreateForeign(who) => {
                if cluster.secret(&name(who)).is_none() {
                    cluster.write_secret(&name(who), |server| {
                        server.update(THEM, epoch(), |secret| {
                            secret.type_ = Some("Opaque".to_owned());
                            secret.data = Some([("theirs".to_owned(), ByteString(b"x".to_vec()))].into());
                        });
                    });
                    let uid =
                        cluster.secret(&name(who)).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
                    cluster.stored.foreign.insert(uid);
                }
            }
            Self::RemoveForeign(who) => remove_foreign(state, who),
            Self::CollectGarbage => cluster.collect_garbage(),
            Self::CutWatches => cluster.watchers.clear(),
            Self::Lag(millis) => cluster.lag = Duration::from_millis(millis.into()),
            Self::Trouble(trouble) => state.troubles.push_back(trouble),
            Self::LoseLease(millis) => state.election.cut_off(Duration::from_millis(millis)),
            // Versions jump at a backup: one before the operator has noticed a restore would hide it.
            Self::BackUp if state.election.has_noticed => cluster.back_up(),
            Self::Restore => restore(state),
            Self::BackUp | Self::Wait(_) => {}
        }
    }
}

/// Goes back to the backup, where the operator could tell: by a Lease of a later time.
fn restore(state: &mut State) {
    if !state.cluster.restore(state.election.shown) {
        return;
    }
    state.reached.insert("a restore");
    state.election.has_noticed = false;
    // Who was gone may be back, and anybody may be due.
    state.shown_gone.clear();
    let everyone = (0..NAMESPACES).flat_map(|namespace| (0..OBJECTS).map(move |object| (namespace, object)));
    state.inputs.extend(everyone.map(|who| (name(who), tokio::time::Instant::now())));
}

/// Edits a Secret that is not a foreign one.
fn touch(state: &mut State, who: Who, edit: impl FnOnce(&mut Secret)) {
    let there = state.cluster.secret(&name(who));
    if there.is_some_and(|secret| !is_foreign(state, &secret)) {
        state.cluster.write_secret(&name(who), |server| server.update(THEM, epoch(), edit));
    }
}

fn is_foreign(state: &State, secret: &Value) -> bool {
    state.cluster.stored.foreign.contains(secret["metadata"]["uid"].as_str().unwrap())
}

pub fn remove_foreign(state: &mut State, who: Who) {
    let there = state.cluster.secret(&name(who));
    if there.is_some_and(|secret| is_foreign(state, &secret)) {
        state.cluster.write_secret(&name(who), Server::delete);
    }
}
