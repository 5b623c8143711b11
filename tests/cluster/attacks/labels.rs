//! Namespaces that are chosen by their labels. The operator looks after all namespaces, so it has a world
//! of its own.

use kube::Error;
use serde_json::{Value, json};

use super::eventually;
use super::ledger::{Ledger, Outcome};
use crate::harness::{World, ready};
use crate::tenancy::{Tenancy, is_emptied};

pub async fn try_all(ledger: &mut Ledger) {
    let mut tenancy = Tenancy::in_world(World::solitary().await, "attacks-labels", &[]).await;
    tenancy.restart_for(&[], &[("PRESIGN_NAMESPACE_SELECTORS", "true")]);
    label(&tenancy, "tenant=yes");
    tenancy.apply_signer(allowing(&tenancy, &json!({"matchLabels": {"tenant": "yes"}}))).await;
    // It works while the namespace has the label.
    tenancy.issue("report", json!({})).await;
    assert_eq!(tenancy.team.download("report").await.unwrap(), "content");
    ledger.note("a namespace that loses its label", loses(&tenancy).await);
    ledger.note(
        "a namespace with another value of the label",
        is_unserved(&tenancy, "other-value", "tenant=no").await,
    );
    ledger.note("a label of the object in place of the namespace", of_the_object(&tenancy).await);
    ledger.note("a selector that names no value", of_no_value(&tenancy).await);
}

/// The changes that make a signer for namespaces with some labels.
fn allowing(tenancy: &Tenancy, selector: &Value) -> Value {
    let mut changes = tenancy.policy(json!({}), json!({"whenDenied": "Withdraw"}));
    changes["allowedNamespaces"] = json!({"from": "Selector", "names": null, "selector": selector});
    changes
}

/// Labels the team's namespace.
fn label(tenancy: &Tenancy, label: &str) {
    tenancy.team.kubectl(&["label", "--overwrite", "namespace", tenancy.name(), label]);
}

async fn loses(tenancy: &Tenancy) -> Outcome {
    let team = &tenancy.team;
    label(tenancy, "tenant-");
    let is_withdrawn = async || is_emptied(&team.secrets().get("report").await.unwrap(), "Denied");
    if !eventually(is_withdrawn).await {
        return Err(format!("the URL stays in its Secret:\n{}", team.operator.log()));
    }
    let is_told = async || {
        let object = team.presigned_urls().get("report").await.unwrap();
        ready(&object).is_some_and(|ready| ready.message.contains("does not allow this namespace"))
    };
    if eventually(is_told).await { Ok(()) } else { Err("its status says something else".to_owned()) }
}

/// Whether an object is refused while the namespace has this label.
async fn is_unserved(tenancy: &Tenancy, name: &str, with: &str) -> Outcome {
    label(tenancy, with);
    tenancy.team.apply(name, tenancy.spec(json!({}))).await;
    refused(tenancy, name).await
}

async fn of_the_object(tenancy: &Tenancy) -> Outcome {
    let team = &tenancy.team;
    team.apply("labelled", tenancy.spec(json!({"suspend": true}))).await;
    team.kubectl(&["label", "presignedurl", "labelled", "tenant=yes"]);
    team.apply("labelled", tenancy.spec(json!({}))).await;
    refused(tenancy, "labelled").await
}

/// A selector that leaves out no namespace, though it looks as if it did: that of a typo.
async fn of_no_value(tenancy: &Tenancy) -> Outcome {
    let expression = json!({"key": "tenant", "operator": "NotIn", "values": []});
    let changes = allowing(tenancy, &json!({"matchExpressions": [expression]}));
    let name = format!("{}-typo", tenancy.name());
    match tenancy.try_apply_signer(&name, tenancy.signer_spec(changes)).await {
        Err(Error::Api(status)) if status.code == 422 => Ok(()),
        Err(error) => panic!("it was not tried: {error}"),
        Ok(_) => {
            let is_known = async || {
                let status = tenancy.signers().get(&name).await.unwrap().status;
                status.is_some_and(|status| !status.conditions.is_empty())
            };
            assert!(eventually(is_known).await, "the operator reports the signer");
            tenancy.team.apply("by-typo", tenancy.spec(json!({"signerRef": {"name": name}}))).await;
            refused(tenancy, "by-typo").await
        }
    }
}

/// Whether the operator refuses an object, for its namespace, and goes on doing so.
async fn refused(tenancy: &Tenancy, name: &str) -> Outcome {
    let team = &tenancy.team;
    let is_judged = async || {
        let object = team.presigned_urls().get(name).await.unwrap();
        ready(&object).is_some_and(|ready| ready.observed_generation == object.metadata.generation)
    };
    assert!(eventually(is_judged).await, "{name} is judged");
    // An object that needs no signer is judged after all that the operator has seen before it.
    team.write_keys(team.world.store.secret_access_key()).await;
    let later = format!("{name}-later");
    team.apply(&later, team.spec(json!({}))).await;
    team.wait_ready(&later, "True", "Issued").await;
    let object = team.presigned_urls().get(name).await.unwrap();
    let is_refused = ready(&object).is_some_and(|ready| ready.reason == "SignerNotFound");
    match team.secrets().get_opt(name).await.unwrap() {
        None if is_refused => Ok(()),
        None => Err(format!("it is refused for something else: {:?}", ready(&object))),
        Some(_) => Err("a URL was issued".to_owned()),
    }
}
