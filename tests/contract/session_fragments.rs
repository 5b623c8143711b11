//! Credentials put together from parts that are mostly right, so that the rules meet in any combination,
//! and from fragments as in `fragments.rs`.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::fragments::{ADDRESS, AUTHORITY, DURATION, Fragments, NAME, REGION, join};
use super::rows::credentials::ROLE;

/// A change of the credentials, and of what else in `spec.s3` sessions depend on. `is_of_cluster` says
/// whether they are those of a `ClusterSigner`: the API server drops what only such a signer has from others.
pub fn sessions(is_of_cluster: bool) -> impl Strategy<Value = Value> {
    let endpoint = option::weighted(0.4, Just(json!("https://store.example")));
    let flags = (option::of(any::<bool>()), option::of(any::<bool>()));
    let aws = option::weighted(
        0.15,
        flags.prop_map(|(dual, fips)| {
            object([("dualStack", dual.map(Value::from)), ("fips", fips.map(Value::from))])
        }),
    );
    let certificates = select(vec!["-----BEGIN CERTIFICATE-----\n", "-----BEGIN", ""]).prop_map(Value::from);
    let certificates = option::weighted(0.1, certificates);
    let region = option::weighted(0.1, Just(json!("cn-north-1")));
    (credentials(is_of_cluster), endpoint, region, aws, certificates).prop_map(
        |(credentials, endpoint, region, aws, certificates)| {
            let s3 = [
                ("credentials", Some(credentials)),
                ("endpoint", endpoint),
                ("region", region),
                ("aws", aws),
                ("caBundle", certificates),
            ];
            json!({"s3": object(s3)})
        },
    )
}

/// An object with the fields that there are.
fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(fields.collect())
}

fn credentials(is_of_cluster: bool) -> impl Strategy<Value = Value> {
    // Whether there is a Secret, a ServiceAccount, the operator's own identity.
    let mut sources = vec![
        (false, true, false),
        (false, true, false),
        (false, true, false),
        (true, false, false),
        (true, false, false),
        (true, true, false),
        (false, false, false),
    ];
    if is_of_cluster {
        sources.extend([
            (false, false, true),
            (false, false, true),
            (true, false, true),
            (false, true, true),
        ]);
    }
    let parts = (
        select(sources),
        identity(is_of_cluster),
        option::weighted(0.4, assumed()),
        option::weighted(0.7, session()),
    );
    parts.prop_map(|((has_secret, has_account, is_operator), identity, role, session)| {
        let mut credentials = object([
            ("webIdentity", has_account.then_some(identity)),
            ("ambient", is_operator.then(|| json!({}))),
            ("assumeRole", role),
            ("session", session),
        ]);
        if !has_secret {
            credentials["secretRef"] = Value::Null;
        }
        credentials
    })
}

fn identity(is_of_cluster: bool) -> impl Strategy<Value = Value> {
    let name = prop_oneof![7 => Just("urls".to_owned()), 1 => join(NAME, 1..4)];
    let from = option::of(select(vec!["Signer", "Requester"]));
    let from = if is_of_cluster { from.boxed() } else { Just(None).boxed() };
    let audience = prop_oneof![3 => Just("sts.amazonaws.com".to_owned()), 1 => join(AUDIENCE, 1..4)];
    let parts = (name, from, option::weighted(0.8, role()), option::weighted(0.2, audience));
    parts.prop_map(|(name, from, role, audience)| {
        let account = object([("name", Some(json!(name))), ("from", from.map(Value::from))]);
        object([
            ("serviceAccountRef", Some(account)),
            ("roleARN", role.map(Value::from)),
            ("audience", audience.map(Value::from)),
        ])
    })
}

fn assumed() -> impl Strategy<Value = Value> {
    let external = prop_oneof![2 => Just("7c1f6c0e".to_owned()), 1 => join(EXTERNAL, 1..4)];
    (role(), option::weighted(0.3, external)).prop_map(|(role, external)| {
        object([("roleARN", Some(json!(role))), ("externalID", external.map(Value::from))])
    })
}

fn role() -> impl Strategy<Value = String> {
    let partition = select(vec!["aws", "aws", "aws-cn", "minio", "aws-", "", "A", "aws-1", "{namespace}"]);
    let region = select(vec!["", "", "", "eu-1", "EU", "{namespace}"]);
    let account = select(vec![
        "123456789012",
        "123456789012",
        "",
        "12345678901",
        "a_B",
        "1.2",
        "{namespace}",
        "1{namespace}",
    ]);
    let any =
        (partition, region, account, join(ROLE_NAME, 1..4)).prop_map(|(partition, region, account, name)| {
            format!("arn:{partition}:iam:{region}:{account}:role/{name}")
        });
    prop_oneof![
        5 => Just(ROLE.to_owned()),
        3 => Just(format!("{ROLE}-{{namespace}}")),
        1 => Just("arn:minio:iam:::role/idmp-reports".to_owned()),
        4 => any,
        1 => join(ARN, 1..6),
    ]
}

fn session() -> impl Strategy<Value = Value> {
    let duration = prop_oneof![4 => select(vec!["15m", "1h", "61m", "12h"]).prop_map(str::to_owned), 1 => join(DURATION, 1..4)];
    let narrow = select(vec!["Nothing", "Namespace", "Object"]);
    let parts = (option::of(duration), option::weighted(0.4, narrow), option::weighted(0.7, sts()));
    parts.prop_map(|(duration, narrow, sts)| {
        object([("duration", duration.map(Value::from)), ("narrowTo", narrow.map(Value::from)), ("sts", sts)])
    })
}

fn sts() -> impl Strategy<Value = Value> {
    let endpoint = prop_oneof![
        5 => Just("https://sts.store.example".to_owned()),
        2 => join(AUTHORITY, 0..4).prop_map(|rest| format!("https://h{rest}")),
        2 => join(ADDRESS, 2..8),
    ];
    let region = prop_oneof![2 => Just("eu-central-1".to_owned()), 1 => join(REGION, 1..4)];
    (option::weighted(0.8, endpoint), option::weighted(0.3, region)).prop_map(|(endpoint, region)| {
        object([("endpoint", endpoint.map(Value::from)), ("region", region.map(Value::from))])
    })
}

const ROLE_NAME: Fragments =
    &["a", "a", "Z9", "/", "_+=,.@-", "{namespace}", "{", "}", "{name}", ":", " ", "\n", "é", "*"];
const ARN: Fragments = &[
    "arn:",
    "aws",
    ":",
    "::",
    ":iam:",
    ":sts:",
    "123456789012",
    ":role/",
    "role/",
    "a",
    "{namespace}",
    "{",
    "}",
    " ",
    "\n",
    "é",
];
const AUDIENCE: Fragments = &["a", "https://", "!", "~", ",", " ", "\n", "\u{7f}", "é", "+", "-"];
const EXTERNAL: Fragments = &["a", "Z9", "_+=,.@:/-", "*", " ", "\n", "é", ";"];
