//! What the answers to `check` mean. Pure.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::storage::v1::CSINode;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::ResourceExt as _;

use super::{CheckedItem, ItemState};
use crate::crd::names::VERSION;
use crate::crd::{READY, SignerStatus, condition};
use crate::plugin::console::{printable, span};

/// How far the clocks may differ, in seconds.
const SKEW: u64 = 30;

/// Compares the clock of this computer with that of the API server.
pub(super) fn clock(here: Timestamp, there: Option<Timestamp>) -> CheckedItem {
    let Some(there) = there else {
        return CheckedItem::new("API server", ItemState::Good, "answers; its clock is not known");
    };
    let skew = (here.as_second() - there.as_second()).unsigned_abs();
    if skew <= SKEW {
        return CheckedItem::new(
            "API server",
            ItemState::Good,
            format!("answers; the clocks differ by {}", span(skew)),
        );
    }
    let way = if here > there { "ahead of" } else { "behind" };
    let message = format!(
        "the clock of this computer is {} {way} that of the API server: correct it with NTP",
        span(skew)
    );
    CheckedItem::new("API server", ItemState::Bad, message)
}

/// Compares an installed definition with that of this binary.
pub(super) fn definition(
    ours: &CustomResourceDefinition,
    found: Option<&CustomResourceDefinition>,
) -> CheckedItem {
    let what = format!("definition {}", ours.name_any());
    let bad = |message: String| CheckedItem::new(what.clone(), ItemState::Bad, message);
    let Some(found) = found else {
        return bad("is not installed: kubectl apply -f deploy/crds.yaml, or install the chart".to_owned());
    };
    let conditions = found.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let is_established = conditions.into_iter().any(|one| one.type_ == "Established" && one.status == "True");
    if !is_established {
        return bad("is not established yet: kubectl describe crd shows why".to_owned());
    }
    let fields_of = |crd: &CustomResourceDefinition| {
        let version = crd.spec.versions.iter().find(|version| version.name == VERSION && version.served)?;
        let mut fields = BTreeSet::new();
        collect("", version.schema.as_ref()?.open_api_v3_schema.as_ref()?, &mut fields);
        Some(fields)
    };
    let Some(found_fields) = fields_of(found) else {
        return bad(format!("does not serve {VERSION}: install that of this version"));
    };
    let our_fields = fields_of(ours).unwrap_or_default();
    let missing: Vec<_> = our_fields.difference(&found_fields).take(3).cloned().collect();
    if !missing.is_empty() {
        return bad(format!("is older than this plugin: it has no {}", missing.join(", ")));
    }
    match found_fields.difference(&our_fields).next() {
        Some(more) => {
            CheckedItem::new(what, ItemState::Good, format!("is newer than this plugin: it has {more}"))
        }
        None => CheckedItem::new(what, ItemState::Good, format!("serves {VERSION}, as this plugin knows it")),
    }
}

/// The paths of all fields of a schema.
fn collect(path: &str, schema: &JSONSchemaProps, fields: &mut BTreeSet<String>) {
    for (name, inner) in schema.properties.iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        collect(&path, inner, fields);
        fields.insert(path);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(inner)) = &schema.items {
        collect(path, inner, fields);
    }
}

/// Whether an operator leads.
pub(super) fn leader(namespace: &str, name: &str, lease: Option<&Lease>, now: Timestamp) -> CheckedItem {
    let how = "start the operator, or name its namespace with --operator-namespace";
    let bad = |message: String| CheckedItem::new("leader", ItemState::Bad, format!("{message}: {how}"));
    let Some(lease) = lease else {
        return bad(format!("there is no Lease {name} in namespace {namespace}"));
    };
    let spec = lease.spec.clone().unwrap_or_default();
    let Some(holder) = spec.holder_identity.filter(|holder| !holder.is_empty()) else {
        return bad(format!(
            "nobody holds the Lease {name} in namespace {namespace}, so no operator runs there"
        ));
    };
    let holder = printable(&holder);
    let renewed = spec.renew_time.map(|time| time.0);
    let ends =
        renewed.map(|renewed| renewed.as_second() + i64::from(spec.lease_duration_seconds.unwrap_or(15)));
    match (renewed, ends) {
        (Some(renewed), Some(ends)) if ends < now.as_second() => {
            let ago = span((now.as_second() - renewed.as_second()).unsigned_abs());
            bad(format!(
                "{holder} renewed the Lease of namespace {namespace} last {ago} ago, so no operator runs there"
            ))
        }
        (Some(_), _) => CheckedItem::new("leader", ItemState::Good, format!("{holder} leads")),
        (None, _) => bad(format!("{holder} never renewed the Lease of namespace {namespace}")),
    }
}

/// Whether each admission policy has its binding.
pub(super) fn policies(
    policies: &[ValidatingAdmissionPolicy],
    bindings: &[ValidatingAdmissionPolicyBinding],
) -> Vec<CheckedItem> {
    if policies.is_empty() {
        let message = "none of the chart; the chart value policies.requireUse asks RBAC who may use a signer";
        return vec![CheckedItem::new("admission policies", ItemState::Absent, message)];
    }
    let bound: BTreeSet<_> =
        bindings.iter().filter_map(|binding| binding.spec.as_ref()?.policy_name.clone()).collect();
    let item = |policy: &ValidatingAdmissionPolicy| {
        let name = policy.name_any();
        let warnings = policy.status.iter().flat_map(|status| &status.type_checking);
        let warning = warnings.flat_map(|checks| checks.expression_warnings.iter().flatten()).next();
        let (state, message) = match (bound.contains(&name), warning) {
            (false, _) => (ItemState::Bad, "has no binding, so it does nothing".to_owned()),
            (true, Some(warning)) => (ItemState::Bad, printable(&warning.warning)),
            (true, None) => (ItemState::Good, "is bound".to_owned()),
        };
        CheckedItem::new(format!("admission policy {name}"), state, message)
    };
    policies.iter().map(item).collect()
}

/// Whether the CSI driver is on all nodes.
pub(super) fn driver(name: &str, is_installed: bool, nodes: &[CSINode]) -> CheckedItem {
    let has = |node: &&CSINode| node.spec.drivers.iter().any(|driver| driver.name == name);
    let (with, without): (Vec<_>, Vec<_>) = nodes.iter().partition(has);
    let (state, message) = match (is_installed, with.len(), without.len()) {
        (false, 0, _) => (ItemState::Absent, "is not installed; Secrets work without it".to_owned()),
        (false, count, _) => {
            let message = format!(
                "is on {count} nodes, but there is no CSIDriver {name}, so no pod can use it: install the chart again"
            );
            (ItemState::Bad, message)
        }
        (true, 0, 0) => (ItemState::Good, "is installed; the cluster has no nodes".to_owned()),
        (true, count, 0) => (ItemState::Good, format!("is on every node ({count})")),
        (true, _, missing) => {
            let some = without.iter().take(3).map(|node| node.name_any()).collect::<Vec<_>>().join(", ");
            let message = format!(
                "is missing on {missing} of {} nodes: {some}. Pods there cannot use it: look at its DaemonSet",
                nodes.len()
            );
            (ItemState::Bad, message)
        }
    };
    CheckedItem::new(format!("CSI driver {name}"), state, message)
}

/// Whether a signer is ready.
pub(super) fn signer(kind: &str, name: &str, status: Option<&SignerStatus>) -> CheckedItem {
    let what = format!("{kind} {name}");
    match status.and_then(|status| condition(&status.conditions, READY)) {
        Some(ready) if ready.status == "True" => {
            let count = |count: Option<i64>| count.unwrap_or_default();
            let (allowed, denied) =
                status.map_or((0, 0), |status| (count(status.allowed), count(status.denied)));
            let message = format!("is ready; allows {allowed} PresignedUrls and denies {denied}");
            CheckedItem::new(what, ItemState::Good, message)
        }
        Some(ready) => {
            let message = format!("{}: {}", ready.reason, printable(&ready.message));
            CheckedItem::new(what, ItemState::Bad, message)
        }
        None => CheckedItem::new(what, ItemState::Bad, "was not seen by the operator"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn judges_the_clock() {
        let here = at("2030-01-02T03:04:05Z");
        for (there, state, said) in [
            (None, ItemState::Good, "not known"),
            (Some("2030-01-02T03:04:35Z"), ItemState::Good, "30s"),
            (Some("2030-01-02T03:04:36Z"), ItemState::Bad, "31s behind"),
            (Some("2030-01-02T02:04:05Z"), ItemState::Bad, "1h ahead of"),
        ] {
            let item = clock(here, there.map(at));
            assert!(item.state == state && item.message.contains(said), "{item:?}");
        }
    }

    #[test]
    fn judges_definitions_by_their_fields() {
        let ours = crate::crd::definitions().unwrap().remove(0);
        assert_eq!(definition(&ours, None).state, ItemState::Bad);
        let mut installed = serde_json::to_value(&ours).unwrap();
        let read = |value: &serde_json::Value| {
            serde_json::from_value::<CustomResourceDefinition>(value.clone()).unwrap()
        };
        assert!(definition(&ours, Some(&read(&installed))).message.contains("not established"));
        installed["status"] = json!({"conditions": [
            {"type": "Established", "status": "True", "lastTransitionTime": "2030-01-02T03:04:05Z", "reason": "", "message": ""},
        ], "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": []});
        assert_eq!(definition(&ours, Some(&read(&installed))).state, ItemState::Good);
        let pointer = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
        let fields = installed.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        fields.insert("later".to_owned(), json!({"type": "string"}));
        let newer = definition(&ours, Some(&read(&installed)));
        assert!(newer.state == ItemState::Good && newer.message.contains("spec.later"), "{newer:?}");
        let fields = installed.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        fields.remove("suspend");
        let older = definition(&ours, Some(&read(&installed)));
        assert!(older.state == ItemState::Bad && older.message.contains("spec.suspend"), "{older:?}");
        installed["spec"]["versions"][0]["name"] = json!("v1");
        assert!(definition(&ours, Some(&read(&installed))).message.contains("does not serve"));
    }

    #[test]
    fn judges_the_lease() {
        let now = at("2030-01-02T03:04:05Z");
        let lease = |spec: serde_json::Value| {
            serde_json::from_value::<Lease>(json!({"metadata": {}, "spec": spec})).unwrap()
        };
        let held = |time: &str| {
            lease(json!({"holderIdentity": "pod-1", "renewTime": time, "leaseDurationSeconds": 15}))
        };
        for (lease, state, said) in [
            (None, ItemState::Bad, "no Lease"),
            (Some(lease(json!({}))), ItemState::Bad, "nobody holds"),
            (Some(held("2030-01-02T03:03:50.000000Z")), ItemState::Good, "pod-1 leads"),
            (Some(held("2030-01-02T03:03:49.000000Z")), ItemState::Bad, "16s ago"),
        ] {
            let item = leader("a", "b", lease.as_ref(), now);
            assert!(item.state == state && item.message.contains(said), "{item:?}");
        }
    }

    #[test]
    fn judges_driver_and_policies() {
        let node = |name: &str, drivers: &[&str]| {
            let drivers: Vec<_> = drivers.iter().map(|name| json!({"name": name, "nodeID": "n"})).collect();
            serde_json::from_value::<CSINode>(
                json!({"metadata": {"name": name}, "spec": {"drivers": drivers}}),
            )
            .unwrap()
        };
        let (with, without) = (node("one", &["d"]), node("two", &["e"]));
        assert_eq!(driver("d", false, std::slice::from_ref(&without)).state, ItemState::Absent);
        assert_eq!(driver("d", true, std::slice::from_ref(&with)).state, ItemState::Good);
        assert_eq!(driver("d", true, &[]).message, "is installed; the cluster has no nodes");
        let lone = driver("d", false, std::slice::from_ref(&with));
        assert!(lone.state == ItemState::Bad && lone.message.contains("no CSIDriver d"), "{lone:?}");
        let some = driver("d", true, &[with, without]);
        assert!(some.state == ItemState::Bad && some.message.contains("1 of 2 nodes: two"), "{some:?}");
        assert_eq!(policies(&[], &[])[0].state, ItemState::Absent);
        let policy: ValidatingAdmissionPolicy =
            serde_json::from_value(json!({"metadata": {"name": "p"}})).unwrap();
        let binding: ValidatingAdmissionPolicyBinding =
            serde_json::from_value(json!({"metadata": {}, "spec": {"policyName": "p"}})).unwrap();
        assert_eq!(policies(std::slice::from_ref(&policy), &[])[0].state, ItemState::Bad);
        assert_eq!(policies(&[policy], &[binding])[0].state, ItemState::Good);
    }
}
