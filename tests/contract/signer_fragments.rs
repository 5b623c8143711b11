//! Signers put together from fragments, as in `fragments.rs`.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::fragments::{BUCKET, DURATION, HEADER, KEY, NAME, combined, join, list, store};
use super::session_fragments::sessions;
use super::signer_rows::allowing;

/// The store, the namespaces and the rules of the smallest signer of the cluster, replaced by something
/// nasty.
pub fn changes() -> impl Strategy<Value = Value> {
    let store = prop::collection::vec(store(), 0..2);
    let rules = prop::collection::vec(rule(), 1..3);
    let sessions = prop::option::weighted(0.3, sessions(true));
    (sessions, store, prop::option::of(namespaces()), rules).prop_map(
        |(sessions, store, namespaces, rules)| {
            let mut changes = combined(sessions, store);
            changes["policy"] = json!({"rules": rules});
            if let Some(namespaces) = namespaces {
                changes["allowedNamespaces"] = namespaces;
            }
            changes
        },
    )
}

/// The only rule of a policy, with a change.
fn rule() -> impl Strategy<Value = Value> {
    let changes = prop_oneof![
        3 => list(KEY).prop_map(|prefixes| json!({"keyPrefixes": prefixes})),
        3 => list(KEY).prop_map(|keys| json!({"keyPrefixes": null, "keys": keys})),
        1 => list(KEY).prop_map(|keys| json!({"keys": keys})),
        1 => Just(json!({"keyPrefixes": null})),
        2 => join(DURATION, 1..5).prop_map(|cap| json!({"maxExpiresIn": cap})),
        2 => list(HEADER).prop_map(|names| json!({"allowHeaders": names})),
        1 => list(BUCKET).prop_map(|names| json!({"buckets": names})),
        1 => join(NAME, 1..3).prop_map(|name| json!({"name": name})),
        1 => (-1..2_i64).prop_map(|size| json!({"maxContentLength": size})),
        1 => (-1..2_i64).prop_map(|size| json!({"maxFormSize": size})),
    ];
    changes.prop_map(|changes| allowing(&changes))
}

/// The namespaces that a signer serves: each way to name them, with what belongs to this way and others.
fn namespaces() -> impl Strategy<Value = Value> {
    let names = select(vec![json!(["team-a"]), json!(["a", "b"]), json!([])]);
    let selector = select(vec![
        json!({}),
        json!({"matchLabels": {}}),
        json!({"matchLabels": {"team": "a"}}),
        json!({"matchExpressions": []}),
        json!({"matchLabels": {}, "matchExpressions": [{"key": "team", "operator": "Exists"}]}),
        json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}),
    ]);
    let from = select(vec!["Names", "Selector", "All"]);
    (from, prop::option::of(names), prop::option::of(selector)).prop_map(|(from, names, selector)| {
        let mut namespaces = json!({"from": from});
        for (field, value) in [("names", names), ("selector", selector)] {
            if let Some(value) = value {
                namespaces[field] = value;
            }
        }
        namespaces
    })
}
