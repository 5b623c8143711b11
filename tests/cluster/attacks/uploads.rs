//! Headers that nobody signed: whoever has an upload URL can add them, and some stores act on them.

use serde_json::json;

use super::attack::{Attack, Must};
use super::ledger::Ledger;
use super::stage::{AttackNamespace, AttackSetup};
use super::stores::Store;
use crate::harness::curl;

pub async fn try_all(stage: &AttackSetup, store: &Store, ledger: &mut Ledger) {
    let source = format!("x-amz-copy-source: {}/tenants/{}/secret.txt", stage.team(), stage.victim);
    let upload = |role: &str| {
        let key = stage.own_key(&stage.fresh_name("copied"));
        stage.spec(store, role, &key, json!({"method": "PUT"}))
    };
    let attack = |row: &'static str, role: &str, must: Must| Attack {
        row,
        store,
        place: AttackNamespace::Team,
        spec: upload(role),
        added: Some(source.clone()),
        must,
    };
    let acts = acts_on_unsigned_headers(stage, store).await;
    println!("{}: {} on headers that nobody signed", store.name, if acts { "acts" } else { "does not act" });
    // Unless its owner says otherwise, any store may be one that acts on them.
    let denied = attack("an unsigned copy source", "plain", Must::BeRefused("does not permit PUT"));
    denied.try_on(stage, ledger).await;
    // Its owner may say so only of a store that was tried.
    if !acts {
        let row = "an unsigned copy source, where the store is said to refuse it";
        attack(row, "trusted", Must::BeHarmless).try_on(stage, ledger).await;
    }
}

/// Whether a store carries out a copy that nobody signed, of an object of the attacker's own. The signer
/// permits the upload, because its owner says that the key cannot read.
async fn acts_on_unsigned_headers(stage: &AttackSetup, store: &Store) -> bool {
    let (source, target) = (stage.own_key("report.txt"), stage.own_key("probed.txt"));
    let spec = stage.spec(store, "lying", &target, json!({"method": "PUT"}));
    let name = stage.control(AttackNamespace::Team, spec).await;
    let team = &stage.tenancy.team;
    let (url, body) = (team.data(&name, "url").await, team.operator.folder().join("nothing"));
    std::fs::write(&body, "").unwrap();
    let header = format!("x-amz-copy-source: {}/{source}", stage.team());
    let answer = curl(&["--header", &header, "--upload-file", body.to_str().unwrap(), &url]);
    let copied = store.get(stage.team(), &target).is_some_and(|content| content == b"content");
    // One that refuses the header says so; one that ignores it stores nothing as what was sent.
    let is_plain = store.get(stage.team(), &target).is_some_and(|content| content.is_empty());
    assert!(copied || is_plain || answer.is_err(), "{}: {answer:?}", store.name);
    copied
}
