//! Headers that nobody signed: whoever has an upload URL can add them, and some stores act on them.

use serde_json::json;

use super::attack::{Attack, Must};
use super::exploit::{COPIED, use_url};
use super::ledger::Ledger;
use super::stage::{AttackNamespace, AttackSetup};
use super::stores::Store;

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
    // Where the owner of the signer lies about its key, the store decides what the header does.
    let name = stage.control(AttackNamespace::Team, upload("lying")).await;
    let secret = stage.tenancy.team.secrets().get(&name).await.unwrap();
    let harm = use_url(stage, store, &secret, Some(&source));
    assert_eq!(harm, store.acts_on_unsigned_headers.then_some(COPIED), "{}", store.name);
    // Unless its owner says otherwise, any store may be one that acts on them.
    let denied = attack("an unsigned copy source", "plain", Must::BeRefused("does not permit PUT"));
    denied.try_on(stage, ledger).await;
    // Its owner may say so only of a store that was tried.
    if !store.acts_on_unsigned_headers {
        let row = "an unsigned copy source, where the store is said to refuse it";
        attack(row, "trusted", Must::BeHarmless).try_on(stage, ledger).await;
    }
}
