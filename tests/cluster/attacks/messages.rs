//! What an attacker can read: statuses, events and lines of the log about the attacker's own objects. They
//! tell nothing of the platform's Secrets, and nothing of a signer to a namespace that it does not allow.

use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ListParams, PostParams};
use presign_operator::crd::PresignedUrl;
use serde_json::{Value, json};

use super::eventually;
use super::ledger::{Ledger, Outcome};
use super::stage::{AttackNamespace, AttackSetup};
use super::stores::Store;
use crate::harness::{Space, ready};
use crate::tenancy::{KEY, Tenancy};

/// What is said to a namespace that a signer does not allow.
const NOT_FOUND: &str = "does not exist, is not valid, or does not allow this namespace";

pub async fn try_all(stage: &AttackSetup, store: &Store, ledger: &mut Ledger) {
    let row = |row: &str| format!("{}: {row}", store.name);
    let address = store.endpoint.split("://").nth(1).unwrap();
    let (platform, secret) = (stage.tenancy.platform.as_str(), store.secret());
    let keys = [store.access_key_id.as_str(), store.secret_access_key.as_str(), platform, secret.as_str()];
    let of_others = ["rule-of-others", "bucket-of-others", "prefix-of-others", "somebody-else"];
    let all = [&keys[..], &of_others[..], &[address, "rule-for-downloads"]].concat();

    let denied = stage.spec(store, "plain", "elsewhere", json!({}));
    let hidden = [&keys[..], &of_others[..]].concat();
    let outcome = ask(stage, AttackNamespace::Team, denied, "must begin with", &hidden).await;
    ledger.note(&row("what a denial tells of the rules of others"), outcome);

    let key = stage.own_key("report.txt");
    let broken = format!("vault-that-is-broken-{}", store.name);
    stage.tenancy.write_platform_secret(&broken, &json!({"password": "hidden-value"})).await;
    for (role, name, said) in [
        ("keyless", "vault-that-is-absent", "do not exist: its status says why"),
        ("broken", broken.as_str(), "cannot be used: its status says why"),
    ] {
        let changes = json!({"s3": {"credentials": {"secretRef": {"name": name}}}});
        stage.make_signer(store, role, changes).await;
        let hidden = [&keys[..], &of_others[..], &[name, "hidden-value"]].concat();
        let spec = stage.spec(store, role, &key, json!({}));
        let outcome = ask(stage, AttackNamespace::Team, spec, said, &hidden).await;
        ledger.note(&row(&format!("what a signer tells whose Secret is {name}")), outcome);
    }

    let spec = stage.spec(store, "plain", "report.txt", json!({}));
    let outcome = ask(stage, AttackNamespace::Elsewhere, spec, NOT_FOUND, &all).await;
    ledger.note(&row("what a signer tells to whom it does not serve"), outcome);
    ledger.note(&row("a signer of others and one that does not exist"), tell_apart(stage, store).await);
}

/// Asks for a URL that is refused with these words; nothing hidden may be told.
async fn ask(
    stage: &AttackSetup,
    place: AttackNamespace,
    spec: Value,
    said: &str,
    hidden: &[&str],
) -> Outcome {
    let name = create(stage, place, spec).await;
    stage.judged(place, &name).await;
    Box::pin(told(&stage.tenancy.team, stage.namespace(place), &name, said, hidden)).await
}

async fn create(stage: &AttackSetup, place: AttackNamespace, spec: Value) -> String {
    let name = stage.fresh_name("asked");
    let object = json!({
        "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl", "metadata": {"name": name}, "spec": spec,
    });
    let object: PresignedUrl = serde_json::from_value(object).unwrap();
    stage.presigned_urls(place).create(&PostParams::default(), &object).await.unwrap();
    name
}

/// Reads what is told about an object, once these words are said and an event tells of it.
async fn told(space: &Space, namespace: &str, name: &str, said: &str, hidden: &[&str]) -> Outcome {
    let objects = Api::<PresignedUrl>::namespaced(space.client.clone(), namespace);
    let is_said = async || {
        let object = objects.get(name).await.unwrap();
        ready(&object).is_some_and(|ready| ready.status == "False" && ready.message.contains(said))
    };
    let is_in_time = eventually(is_said).await;
    let object = objects.get(name).await.unwrap();
    if !is_in_time {
        return Err(format!("it was not refused for what it was tried for: {:?}", ready(&object)));
    }
    let events = Api::<Event>::namespaced(space.client.clone(), namespace);
    let about = ListParams::default().fields(&format!("involvedObject.name={name}"));
    let is_told = async || !events.list(&about).await.unwrap().items.is_empty();
    assert!(eventually(is_told).await, "no event tells of {name}:\n{}", space.operator.log());
    let events = serde_json::to_string(&events.list(&about).await.unwrap().items).unwrap();
    let status = serde_json::to_string(&object.status).unwrap();
    // What is logged at other levels is for whoever looks for a fault in the operator.
    let is_for_people =
        |line: &&str| [" INFO ", " WARN ", " ERROR "].iter().any(|level| line.contains(level));
    let log = space.operator.log();
    let log: Vec<_> = log.lines().filter(|line| line.contains(name)).filter(is_for_people).collect();
    assert!(!log.is_empty(), "no line tells of {name}");
    for (place, text) in [("its status", status), ("an event", events), ("the log", log.join("\n"))] {
        if let Some(hidden) = hidden.iter().find(|hidden| text.contains(**hidden)) {
            return Err(format!("{hidden:?} is in {place}: {text}"));
        }
    }
    Ok(())
}

/// Whether an attacker can tell a signer that does not allow the namespace from one that does not exist.
async fn tell_apart(stage: &AttackSetup, store: &Store) -> Outcome {
    let mut messages = Vec::new();
    for role in ["plain", "of-nobody"] {
        let spec = stage.spec(store, role, "report.txt", json!({}));
        let name = create(stage, AttackNamespace::Elsewhere, spec).await;
        let object = stage.judged(AttackNamespace::Elsewhere, &name).await;
        let mut status = serde_json::to_value(&object.status).unwrap();
        for condition in status["conditions"].as_array_mut().unwrap() {
            condition["lastTransitionTime"] = json!("then");
        }
        let text = status.to_string().replace(&stage.signer(store, role), "SIGNER");
        messages.push(text.replace(&name, "NAME"));
    }
    if messages[0] == messages[1] { Ok(()) } else { Err(format!("they differ: {messages:?}")) }
}

/// An operator that may not read the platform's Secret: the API server says so in words that name it.
pub async fn try_without_permission(ledger: &mut Ledger) {
    let mut tenancy = Tenancy::new("attacks-rights").await;
    tenancy.apply_signer(json!({})).await;
    tenancy.restrict_operator();
    tenancy.grant_cluster_signers();
    let team = &tenancy.team;
    team.apply("report", tenancy.spec(json!({}))).await;
    let said = "cannot be read: ask its owner";
    let outcome = told(team, tenancy.name(), "report", said, &[KEY, &tenancy.platform]).await;
    ledger.note("what an operator tells that may not read the platform's Secret", outcome);
}
