//! The rows of `Signer` and `ClusterSigner`. Those about the store are the rows of `PresignedUrl`.

use presign_operator::crd::signer_rules::{NAMESPACES_NAMES, NAMESPACES_SELECTOR, NAMESPACES_VALUES};
use serde_json::{Value, json};

use super::kinds::Kind;
use super::policy_rows;
use super::rows::{self, Row, each, limit, patched, rule};
use super::signer_credentials;
use super::verdict::{carried, identity};

/// The smallest spec that both kinds accept.
pub fn smallest() -> Value {
    json!({"s3": rows::smallest()["s3"], "policy": {"rules": [allowing(&json!({}))]}})
}

/// A rule of a policy, with changes on top.
pub fn allowing(changes: &Value) -> Value {
    let smallest = json!({
        "name": "downloads", "methods": ["GET"], "buckets": ["reports"], "keyPrefixes": ["{namespace}/"],
    });
    patched(smallest, changes)
}

/// Every row of a kind of signer.
pub fn all(kind: Kind) -> Vec<Row> {
    let without_policy = [json!({"policy": null})];
    let own = if kind == Kind::ClusterSigner {
        [namespaces(), limit(&[], &without_policy)].concat()
    } else {
        limit(&without_policy, &[])
    };
    let shared = [shared(kind), signer_credentials::rows(kind), limit(&largest(), &[])].concat();
    let rows = [shared, own, policy_rows::rows()].concat();
    rows.into_iter().map(|row| Row { smallest, ..row }).collect()
}

/// The rows of `PresignedUrl` that differ only in the store, but for those about rules that also look at
/// the bucket.
fn shared(kind: Kind) -> Vec<Row> {
    let is_of_store = |row: &Row| row.changes.as_object().is_some_and(|changes| changes.keys().eq(["s3"]));
    let is_carried = |row: &Row| row.about.is_none_or(|rule| carried(kind).contains_key(&identity(&rule)));
    rows::all().into_iter().filter(|row| is_of_store(row) && is_carried(row)).collect()
}

/// Everything that both kinds have at its largest at once, as `rows::all` has it for a `PresignedUrl`.
fn largest() -> [Value; 2] {
    let text = |letter: &str, length: usize| letter.repeat(length);
    let list = |count: usize, length: usize, end: &str| -> Value {
        (0..count).map(|n| format!("{n:0>width$}{end}", width = length - end.len())).collect()
    };
    let rules = |count: usize| -> Value {
        let rule = |n: usize| {
            json!({
                "name": format!("{n:0>63}"),
                "namespaces": list(256, 63, ""),
                "methods": ["GET", "HEAD", "PUT", "DELETE", "POST"],
                "buckets": list(64, 255, ""),
                "keyPrefixes": list(32, 1024, "/"),
                "maxExpiresIn": format!("1h{}", "0s".repeat(15)),
                "allowHeaders": list(64, 128, "*"),
                "requireHeaders": [{"name": text("n", 128), "value": text("v", 2048)}],
            })
        };
        (0..count).map(rule).collect()
    };
    rows::largest_stores().map(|s3| json!({"s3": s3, "policy": {"rules": rules(32)}}))
}

fn namespaces() -> Vec<Row> {
    let allowed = |namespaces: Value| json!({"allowedNamespaces": namespaces});
    let names = |names: Value| json!({"allowedNamespaces": {"from": "Names", "names": names}});
    let labelled = |selector: Value| json!({"allowedNamespaces": {"from": "Selector", "selector": selector}});
    let label = json!({"matchLabels": {"team": "a"}});
    let required = |operator: &str| {
        labelled(json!({"matchExpressions": [{"key": "team", "operator": operator, "values": ["a"]}]}))
    };
    let requirements = |count: usize| {
        labelled(json!({"matchExpressions": vec![json!({"key": "team", "operator": "Exists"}); count]}))
    };
    let values = |count: usize| {
        let values: Vec<String> = (0..count).map(|n| format!("v{n}")).collect();
        labelled(json!({"matchExpressions": [{"key": "team", "operator": "In", "values": values}]}))
    };
    [
        rule(
            NAMESPACES_NAMES,
            &[names(json!(["team-a"])), allowed(json!({"from": "All"})), labelled(label.clone())],
            &[
                allowed(json!({"from": "Names"})),
                allowed(json!({"from": "All", "names": ["team-a"]})),
                allowed(json!({"from": "Selector", "selector": label, "names": ["team-a"]})),
            ],
        ),
        rule(
            NAMESPACES_SELECTOR,
            &[
                labelled(json!({"matchLabels": {"team": "a"}, "matchExpressions": []})),
                labelled(json!({"matchExpressions": [{"key": "team", "operator": "Exists"}]})),
                required("In"),
                required("NotIn"),
            ],
            &[
                allowed(json!({"from": "Selector"})),
                labelled(json!({})),
                labelled(json!({"matchLabels": {}})),
                labelled(json!({"matchExpressions": []})),
                labelled(json!({"matchLabels": {}, "matchExpressions": []})),
                allowed(json!({"from": "All", "selector": label})),
                allowed(json!({"from": "All", "selector": {}})),
                allowed(json!({"from": "Names", "names": ["team-a"], "selector": label})),
            ],
        ),
        rule(
            NAMESPACES_VALUES,
            &[
                required("In"),
                labelled(
                    json!({"matchExpressions": [{"key": "team", "operator": "DoesNotExist", "values": []}]}),
                ),
            ],
            &[
                labelled(json!({"matchExpressions": [{"key": "team", "operator": "In"}]})),
                labelled(json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": []}]})),
                required("Exists"),
                required("DoesNotExist"),
            ],
        ),
        limit(
            &[json!({}), names(numbered(256)), names(json!(["a".repeat(63)])), requirements(16), values(64)],
            &[
                each("allowedNamespaces.from", ["names", "Some", ""]),
                vec![
                    allowed(json!({})),
                    names(json!([])),
                    names(json!("team-a")),
                    names(numbered(257)),
                    names(json!(["team-a", "team-a"])),
                    requirements(17),
                    values(65),
                    required("in"),
                    required("Equals"),
                    labelled(json!({"matchExpressions": [{"operator": "Exists"}]})),
                    labelled(json!({"matchExpressions": [{"key": "team"}]})),
                    labelled(json!({"matchExpressions": [{"key": "k".repeat(318), "operator": "Exists"}]})),
                    labelled(json!({"matchLabels": {"team": "v".repeat(64)}})),
                    labelled(json!({"matchLabels": rows::entries(17)})),
                ],
                NO_NAMESPACES.map(|name| names(json!([name]))).to_vec(),
            ]
            .concat(),
        ),
    ]
    .concat()
}

/// What is not the name of a namespace.
pub const NO_NAMESPACES: [&str; 6] = ["", "A", "-a", "a-", "a.b", "a\n"];

/// A list with this many different entries, each of which can be a namespace, a bucket, a key, a header.
pub fn numbered(count: usize) -> Value {
    (0..count).map(|n| format!("n-{n}")).collect()
}
