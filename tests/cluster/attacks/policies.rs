//! Policies that would let teams reach each other's objects: the API server refuses them, so that nobody
//! can lend more than they mean to.

use kube::Error;
use kube::api::{DeleteParams, PostParams};
use presign_operator::crd::ClusterSigner;
use serde_json::{Value, json};

use super::ledger::{Ledger, Outcome};
use super::stage::AttackSetup;
use crate::harness::merge;

const PREFIX: &str = "each must end with a slash";
const KEY: &str = "each must be a whole key";
const FEW: &str = "should have at least 1 items";

/// What each is called, what is changed in a rule that is fine, and what is said.
fn rules() -> Vec<(&'static str, Value, &'static str)> {
    let prefix = |prefix: &str| json!({"keyPrefixes": [prefix]});
    let key = |key: &str| json!({"keyPrefixes": null, "keys": [key]});
    vec![
        ("two variables in one segment", prefix("tenants/{namespace}-{name}/"), PREFIX),
        ("text before a variable", prefix("tenants/of-{namespace}/"), PREFIX),
        ("text after a variable", prefix("tenants/{namespace}.d/"), PREFIX),
        ("a prefix without its slash", prefix("tenants/{namespace}"), PREFIX),
        ("a variable in upper case", prefix("tenants/{NAMESPACE}/"), PREFIX),
        ("a variable that does not exist", prefix("tenants/{label}/"), PREFIX),
        ("a variable without a name", prefix("tenants/{}/"), PREFIX),
        ("a brace alone", prefix("tenants/{namespace/"), PREFIX),
        ("an empty segment", prefix("tenants//{namespace}/"), PREFIX),
        ("a leading slash", prefix("/{namespace}/"), PREFIX),
        ("a slash alone", prefix("/"), PREFIX),
        ("dots", prefix("tenants/../{namespace}/"), PREFIX),
        ("a dot", prefix("tenants/./{namespace}/"), PREFIX),
        ("two variables in one segment of a key", key("reports/{namespace}-{name}"), KEY),
        ("text after a variable in a key", key("reports/{name}.csv"), KEY),
        ("an empty segment in a key", key("reports//{name}"), KEY),
        ("a key that is a prefix", key("reports/{name}/"), KEY),
        ("dots in a key", key("reports/{namespace}/../others"), KEY),
        ("prefixes and keys", json!({"keys": ["a"]}), "set keyPrefixes or keys"),
        ("neither prefixes nor keys", json!({"keyPrefixes": null}), "set keyPrefixes or keys"),
        ("no prefix in the list", json!({"keyPrefixes": []}), FEW),
        ("no bucket in the list", json!({"buckets": []}), FEW),
        ("a cap of more than a week", json!({"maxExpiresIn": "169h"}), "must be from 1m to 168h"),
        ("all headers", json!({"allowHeaders": ["*"]}), "each must be the name of a header"),
    ]
}

/// The same for the namespaces.
fn namespaces() -> Vec<(&'static str, Value, &'static str)> {
    let requirement = "give at least one requirement";
    vec![
        ("no name in the list", json!({"from": "Names", "names": []}), FEW),
        ("no names", json!({"from": "Names"}), "list at least one namespace"),
        ("names beside all", json!({"from": "All", "names": ["a"]}), "list at least one namespace"),
        ("no selector", json!({"from": "Selector"}), requirement),
        ("an empty selector", json!({"from": "Selector", "selector": {}}), requirement),
        ("a selector of nothing", json!({"from": "Selector", "selector": {"matchLabels": {}}}), requirement),
    ]
}

pub async fn try_all(stage: &AttackSetup, ledger: &mut Ledger) {
    let of_rule = |changes: Value| {
        let mut rule = stage.tenancy.rule(json!({}));
        merge(&mut rule, changes);
        stage.tenancy.signer_spec(json!({"policy": {"rules": [rule]}}))
    };
    for (row, changes, said) in rules() {
        ledger.note(&format!("policy with {row}"), create(stage, of_rule(changes), said).await);
    }
    for (row, allowed, said) in namespaces() {
        let mut spec = stage.tenancy.signer_spec(json!({}));
        spec["allowedNamespaces"] = allowed;
        ledger.note(&format!("namespaces with {row}"), create(stage, spec, said).await);
    }
    let none = stage.tenancy.signer_spec(json!({"policy": {"rules": []}}));
    ledger.note("policy without a rule", create(stage, none, FEW).await);
    let two = json!([stage.tenancy.rule(json!({})), stage.tenancy.rule(json!({"methods": ["PUT"]}))]);
    let two = stage.tenancy.signer_spec(json!({"policy": {"rules": two}}));
    ledger.note("policy with two rules of one name", create(stage, two, "must have different names").await);
}

/// Creates a signer, which the API server has to refuse with these words.
async fn create(stage: &AttackSetup, spec: Value, said: &str) -> Outcome {
    let name = format!("{}-{}", stage.team(), stage.fresh_name("refused"));
    let signer = json!({
        "apiVersion": "presign.dev/v1alpha1", "kind": "ClusterSigner", "metadata": {"name": name}, "spec": spec,
    });
    let signer: ClusterSigner = serde_json::from_value(signer).unwrap();
    match stage.tenancy.signers().create(&PostParams::default(), &signer).await {
        Err(Error::Api(status)) if status.code == 422 && status.message.contains(said) => Ok(()),
        Err(error) => Err(format!("it was refused, but not for what it was tried for: {error}")),
        Ok(_) => {
            stage.tenancy.signers().delete(&name, &DeleteParams::default()).await.unwrap();
            Err("it was accepted".to_owned())
        }
    }
}
