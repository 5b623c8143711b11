//! What happens in a history: what people do, and what goes wrong on the way.

use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cluster::{epoch, uid};
use crate::http::{Api, Trouble};
use crate::objects::{
    NAMESPACES, OBJECTS, WITH_SESSION, WITH_TOKENS, Who, account, credentials, everyone, key_id, name,
    namespace, role, spec,
};
use crate::server::{SecretServer, THEM};
use crate::state::State;
use crate::sts::StsTrouble;

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
    /// This happens to every call of the STS for a namespace from now on.
    Sts(u8, StsTrouble),
    /// The `ServiceAccount` permits the roles, or not.
    PermitRoles(bool),
    RecreateAccount,
    /// The object with a session gets one of another role.
    EditRole(u8, u8),
    Wait(u32),
    /// The machine of the operator is suspended for so many seconds.
    Suspended(u32),
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

fn sts_trouble() -> impl Strategy<Value = StsTrouble> {
    prop_oneof![
        3 => Just(StsTrouble::None),
        1 => Just(StsTrouble::Refuses(403, "AccessDenied")),
        1 => Just(StsTrouble::Refuses(400, "Throttling")),
        1 => Just(StsTrouble::Refuses(503, "ServiceUnavailable")),
        1 => Just(StsTrouble::Hangs),
        2 => (1..15_000_u64).prop_map(StsTrouble::Late),
        1 => Just(StsTrouble::Garbage),
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
        3 => (0..NAMESPACES, sts_trouble()).prop_map(|(namespace, trouble)| Deed::Sts(namespace, trouble)),
        1 => any::<bool>().prop_map(Deed::PermitRoles),
        1 => Just(Deed::RecreateAccount),
        1 => (0..NAMESPACES, 0..2_u8).prop_map(|(namespace, role)| Deed::EditRole(namespace, role)),
        6 => prop_oneof![1..50_u32, 1..5000_u32, 1..700_000_u32].prop_map(Deed::Wait),
        1 => prop_oneof![1..100_u32, 1..50_000_u32].prop_map(Deed::Suspended),
    ]
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
    /// The object of which this asks for something new.
    fn asks_of(self) -> Option<Who> {
        match self {
            Self::Create(who)
            | Self::Recreate(who)
            | Self::Edit(who, _)
            | Self::Suspend(who, _)
            | Self::Retain(who, _) => Some(who),
            Self::EditRole(namespace, _) | Self::Rotate(namespace, _) | Self::TakeCredentials(namespace) => {
                Some((namespace, WITH_SESSION))
            }
            Self::RecreateAccount => Some((WITH_TOKENS, WITH_SESSION)),
            _ => None,
        }
    }

    pub async fn carry_out(self, api: &Api) {
        if let Self::Wait(millis) = self {
            return tokio::time::sleep(Duration::from_millis(millis.into())).await;
        }
        if let Self::Suspended(seconds) = self {
            return api.suspend(seconds);
        }
        let mut state = api.lock();
        let state = &mut *state;
        state.inputs.extend(self.asks_of().map(|who| (name(who), Instant::now())));
        let cluster = &mut state.cluster;
        match self {
            Self::Create(who) => cluster.create_url(&name(who), &spec(who)),
            Self::Delete(who) => cluster.delete_url(&name(who)),
            Self::DeleteInForeground(who) => cluster.edit_url(&name(who), |object| {
                object["metadata"]["deletionTimestamp"] = json!("2030-01-01T00:00:00Z");
                object["metadata"]["finalizers"] = json!(["foregroundDeletion"]);
            }),
            Self::Recreate(who) => {
                cluster.delete_url(&name(who));
                cluster.create_url(&name(who), &spec(who));
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
            Self::TakeCredentials(namespace) => {
                cluster.write_secret(&credentials(namespace), SecretServer::delete);
            }
            Self::DeleteSecret(who) => cluster.write_secret(&name(who), SecretServer::delete),
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
            Self::ResetRecord(who) => cluster.write_secret(&name(who), SecretServer::reset_managed_fields),
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
            Self::Sts(number, trouble) => drop(state.sts.troubles.insert(namespace(number), trouble)),
            Self::PermitRoles(on) => cluster.permit_roles(&account(WITH_TOKENS), on),
            Self::RecreateAccount => cluster.create_account(&account(WITH_TOKENS)),
            Self::EditRole(namespace, number) => cluster.edit_url(&name((namespace, WITH_SESSION)), |o| {
                let source = if namespace == WITH_TOKENS { "webIdentity" } else { "assumeRole" };
                o["spec"]["s3"]["credentials"][source]["roleARN"] = json!(role(number));
            }),
            Self::BackUp | Self::Wait(_) | Self::Suspended(_) => {}
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
    // Who was gone may be back.
    state.shown_gone.clear();
    expect_writes(state);
}

/// Notes that anybody may be due.
pub fn expect_writes(state: &mut State) {
    state.inputs.extend(everyone().map(|who| (name(who), Instant::now())));
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
        state.cluster.write_secret(&name(who), SecretServer::delete);
    }
}
