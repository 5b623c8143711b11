//! Attacks of a tenant who may create `PresignedUrl`s in some namespaces, on the key of a platform team.
//!
//! Each row is really tried: the API server refuses the object, or the operator gives its verdict. If a
//! URL is issued, the tenant uses it, and must reach nothing of others in the store.

mod attack;
mod changes;
mod connections;
mod exploit;
mod headers;
mod keys;
mod labels;
mod ledger;
mod messages;
mod policies;
mod stage;
mod stores;
mod uploads;

use super::harness::DEADLINE;
use ledger::Ledger;
use stage::AttackSetup;

#[tokio::test]
async fn no_attack_of_a_tenant_reaches_anything_of_others() {
    let mut ledger = Ledger::default();
    let stage = Box::pin(AttackSetup::set()).await;
    for store in &stage.stores {
        Box::pin(exploit::finds_harm(&stage, store)).await;
        Box::pin(keys::try_all(&stage, store, &mut ledger)).await;
        Box::pin(headers::try_all(&stage, store, &mut ledger)).await;
        Box::pin(uploads::try_all(&stage, store, &mut ledger)).await;
        Box::pin(connections::try_all(&stage, store, &mut ledger)).await;
        Box::pin(messages::try_all(&stage, store, &mut ledger)).await;
    }
    Box::pin(policies::try_all(&stage, &mut ledger)).await;
    drop(stage);
    Box::pin(changes::try_all(&mut ledger)).await;
    Box::pin(messages::try_without_permission(&mut ledger)).await;
    Box::pin(labels::try_all(&mut ledger)).await;
    ledger.verdict();
}

/// Whether something comes to be so within the time that anything is waited for.
async fn eventually(is_so: impl AsyncFn() -> bool) -> bool {
    testbed::eventually(DEADLINE, is_so).await
}
