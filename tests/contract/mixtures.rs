//! Specs of which about half are right: changes of rows that are accepted, alone, with one that is refused, and
//! beside them fragments.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::Value;

use super::kinds::Kind;
use super::rows::Row;

/// Changes of the smallest spec of a kind, with fragments in some.
pub fn of_rows(
    kind: Kind,
    fragments: impl Strategy<Value = Value> + 'static,
) -> impl Strategy<Value = Value> {
    of(kind, |_| true, fragments)
}

/// The same of nothing but the store and its credentials.
pub fn of_store(
    kind: Kind,
    fragments: impl Strategy<Value = Value> + 'static,
) -> impl Strategy<Value = Value> {
    of(kind, |row| row.changes.as_object().is_some_and(|changes| changes.keys().eq(["s3"])), fragments)
}

fn of(
    kind: Kind,
    is_meant: fn(&Row) -> bool,
    fragments: impl Strategy<Value = Value> + 'static,
) -> impl Strategy<Value = Value> {
    let rows = |is_accepted: bool| -> Vec<Value> {
        let is_so = |row: &Row| row.about.is_some() && row.is_accepted == is_accepted && is_meant(row);
        kind.rows().into_iter().filter(is_so).map(|row| row.changes).collect()
    };
    let good = subsequence(rows(true), 1..=4).prop_map(|changes| together(&changes)).boxed();
    let spoilt = (good.clone(), select(rows(false))).prop_map(|(mut good, bad)| {
        lay_over(&mut good, &bad);
        good
    });
    prop_oneof![4 => good, 4 => spoilt, 2 => fragments]
}

/// Several changes as one. Of those that change the same field of the spec, only the first counts.
fn together(changes: &[Value]) -> Value {
    let (mut all, mut taken) = (Value::Object(serde_json::Map::new()), BTreeSet::new());
    for change in changes {
        let fields: Vec<&String> = change.as_object().into_iter().flatten().map(|(field, _)| field).collect();
        if fields.iter().any(|field| taken.contains(field)) {
            continue;
        }
        taken.extend(fields);
        lay_over(&mut all, change);
    }
    all
}

/// One change on top of another. A null stays, because it removes a field of the smallest spec.
fn lay_over(below: &mut Value, above: &Value) {
    match (below.as_object_mut(), above.as_object()) {
        (Some(below), Some(above)) => {
            for (field, value) in above {
                lay_over(below.entry(field.clone()).or_insert(Value::Null), value);
            }
        }
        _ => *below = above.clone(),
    }
}
