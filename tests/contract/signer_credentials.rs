//! The rows of `Signer` and `ClusterSigner` about credentials, where they differ from a `PresignedUrl`.

use presign_operator::crd::credentials_rules::{
    CHAIN_AMBIENT, NARROW_SIGNER, ROLE_REQUESTER, ROLE_WEB_FORM, SESSION_OF, SOURCE_ONE_CLUSTER,
};
use serde_json::{Value, json};

use super::kinds::Kind;
use super::rows::credentials::{ROLE, assumed, elsewhere, identity, instead, web};
use super::rows::{Row, limit, patched, rule};

/// What only this kind of signer has.
pub fn rows(kind: Kind) -> Vec<Row> {
    let narrowed = |to: &str| assumed(&json!({"session": {"narrowTo": to}}));
    let open = |to: &str| patched(narrowed(to), &json!({"writeOnlyKey": false}));
    let without_policy = |to: &str| {
        let mut changes = narrowed(to);
        changes["policy"] = Value::Null;
        changes
    };
    if kind == Kind::ClusterSigner {
        let narrowed = limit(&["Nothing", "Namespace", "Object"].map(open), &[]);
        return [sources(), requesters(), ambient(), narrowed].concat();
    }
    let kept =
        [narrowed("Namespace"), narrowed("Object"), without_policy("Object"), without_policy("Nothing")];
    rule(NARROW_SIGNER, &kept, &["Namespace"].map(without_policy))
}

/// The operator's own identity in place of the Secret, with changes of the credentials.
fn operator(changes: &Value) -> Value {
    instead(&patched(json!({"ambient": {}}), changes))
}

fn sources() -> Vec<Row> {
    let (role, account) = (json!({"assumeRole": {"roleARN": ROLE}}), identity(&json!({})));
    let beside = |source: Value| json!({"s3": {"credentials": source}});
    [
        rule(
            SOURCE_ONE_CLUSTER,
            &[json!({}), web(&json!({})), operator(&json!({})), operator(&role), assumed(&json!({}))],
            &[
                instead(&json!({})),
                instead(&role),
                beside(json!({"ambient": {}})),
                beside(json!({"webIdentity": account})),
                operator(&json!({"webIdentity": account})),
                beside(json!({"ambient": {}, "webIdentity": account})),
            ],
        ),
        rule(
            SESSION_OF,
            &[operator(&patched(role, &json!({"session": {"duration": "15m"}})))],
            &[json!({"session": {}}), json!({"session": {"duration": "1h"}})]
                .map(|session| operator(&session)),
        ),
        limit(
            &[],
            &[json!(true), json!("ambient"), json!(1)].map(|value| instead(&json!({"ambient": value}))),
        ),
    ]
    .concat()
}

fn requesters() -> Vec<Row> {
    let from = |from: &str, arn: Value| {
        web(&json!({"serviceAccountRef": {"name": "urls", "from": from}, "roleARN": arn}))
    };
    let of = |arn: &str| web(&json!({"roleARN": arn}));
    let of_requester = |arn: &str| from("Requester", json!(arn));
    let (own, account) =
        ("arn:aws:iam::123456789012:role/urls-{namespace}", "arn:aws:iam::{namespace}:role/reports");
    [
        rule(
            ROLE_REQUESTER,
            &[
                of_requester(own),
                of_requester(account),
                of(ROLE),
                from("Signer", json!(ROLE)),
                elsewhere(from("Signer", Value::Null)),
            ],
            &[
                of_requester(ROLE),
                of(own),
                of(account),
                from("Signer", json!(own)),
                elsewhere(from("Requester", Value::Null)),
            ],
        ),
        rule(
            ROLE_WEB_FORM,
            &[
                "arn:aws:iam:::role/{namespace}",
                "arn:minio:iam::a-{namespace}-b:role/{namespace}/{namespace}",
            ]
            .map(|arn| elsewhere(of_requester(arn))),
            &[
                "ar{namespace}:aws:iam::123456789012:role/a",
                "arn:{namespace}:iam::123456789012:role/a",
                "arn:aws:iam:{namespace}:123456789012:role/a",
                "arn:aws:iam::123456789012:role/{name}-{namespace}",
                "arn:aws:iam::123456789012:role/{{namespace}}",
                "arn:aws:iam::123456789012:role/{name{namespace}space}",
                "arn:aws:iam::123456789012:role/{namespace}-{",
            ]
            .map(|arn| elsewhere(of_requester(arn))),
        ),
        limit(&[], &["signer", "Namespace", ""].map(|value| from(value, json!(ROLE)))),
    ]
    .concat()
}

fn ambient() -> Vec<Row> {
    let lasting = |duration: &str| {
        operator(&json!({"assumeRole": {"roleARN": ROLE}, "session": {"duration": duration}}))
    };
    let of_secret = |duration: &str| assumed(&json!({"session": {"duration": duration}}));
    rule(
        CHAIN_AMBIENT,
        &[lasting("15m"), lasting("1h"), lasting("3600s"), elsewhere(lasting("12h")), of_secret("12h")],
        &["61m", "1h1s", "3601s", "12h"].map(lasting),
    )
}
