//! Rows about where the credentials come from: the source, and the roles. Those about sessions are in
//! `sessions.rs`.
//!
//! Signers have most of these rules, too. What only they have is in `signer_credentials.rs`.

use crate::crd::credentials_rules::{
    ACCOUNT_NAME, AUDIENCE_FORM, EXTERNAL_ID_FORM, NARROW_POLICY, ROLE_AWS, ROLE_FORM, ROLE_PLAIN,
    ROLE_WEB_FORM, SESSION_OF, SOURCE_ONE,
};
use serde_json::{Value, json};

use super::secrets::names;
use super::store::ENDPOINT;
use super::{Row, limit, patched, rule};

/// A role of AWS.
pub const ROLE: &str = "arn:aws:iam::123456789012:role/reports";
/// The STS of a store.
pub const STS: &str = "https://sts.store.example";

/// Credentials in place of the Secret.
pub fn instead(credentials: &Value) -> Value {
    let mut credentials = credentials.clone();
    credentials["secretRef"] = Value::Null;
    json!({"s3": {"credentials": credentials}})
}

/// A ServiceAccount in place of the Secret, with changes of `webIdentity`.
pub fn web(changes: &Value) -> Value {
    instead(&json!({"webIdentity": identity(changes)}))
}

pub fn identity(changes: &Value) -> Value {
    patched(json!({"serviceAccountRef": {"name": "urls"}, "roleARN": ROLE}), changes)
}

/// The access key and a role to assume, with changes of the credentials.
pub fn assumed(changes: &Value) -> Value {
    json!({"s3": {"credentials": patched(json!({"assumeRole": {"roleARN": ROLE}}), changes)}})
}

/// A ServiceAccount whose session assumes another role, with changes of the credentials.
pub fn chained(changes: &Value) -> Value {
    let role = json!({"webIdentity": identity(&json!({})), "assumeRole": {"roleARN": ROLE}});
    instead(&patched(role, changes))
}

/// The same change for a store that is not AWS, with an STS.
pub fn elsewhere(mut changes: Value) -> Value {
    changes["s3"]["endpoint"] = json!(ENDPOINT);
    changes["s3"]["credentials"]["session"]["sts"]["endpoint"] = json!(STS);
    changes
}

/// The same change for a store that is not AWS, without an STS.
pub fn without_sts(mut changes: Value) -> Value {
    changes["s3"]["endpoint"] = json!(ENDPOINT);
    changes
}

pub fn rows() -> Vec<Row> {
    [sources(), roles(), roles_of_aws(), identities(), schema()].concat()
}

fn sources() -> Vec<Row> {
    let both = json!({"s3": {"credentials": {"webIdentity": identity(&json!({}))}}});
    let session = |session: Value| json!({"s3": {"credentials": {"session": session}}});
    let narrowed = |to: &str| assumed(&json!({"session": {"narrowTo": to}}));
    let role = json!({"assumeRole": {"roleARN": ROLE}});
    [
        rule(
            SOURCE_ONE,
            &[json!({}), web(&json!({})), assumed(&json!({})), chained(&json!({}))],
            &[both, instead(&json!({})), instead(&role)],
        ),
        rule(
            SESSION_OF,
            &[web(&json!({})), assumed(&json!({"session": {}})), chained(&json!({}))],
            &[json!({}), json!({"duration": "1h"}), json!({"narrowTo": "Object"}), json!({"sts": {}})]
                .map(session),
        ),
        rule(NARROW_POLICY, &["Nothing", "Object"].map(narrowed), &["Namespace"].map(narrowed)),
    ]
    .concat()
}

/// What has the form of a role, for any store.
const GOOD_ROLES: [&str; 6] = [
    ROLE,
    "arn:aws-us-gov:iam::123456789012:role/a/b/c",
    "arn:minio:iam:::role/idmp-reports",
    "arn:aws:iam:::role/a_+=,.@-Z9",
    "arn:0-a:iam:eu-1:Tenant_1-a:role/a",
    "arn:aws:iam::000000000000:role//",
];

/// What does not, whatever has a place for it.
const BAD_ROLES: [&str; 16] = [
    "reports",
    "arn:",
    "role/reports",
    "arn::iam::123456789012:role/a",
    "arn:AWS:iam::123456789012:role/a",
    "arn:aws:sts::123456789012:assumed-role/a/b",
    "arn:aws:iam::123456789012:user/a",
    "arn:aws:iam::123456789012:role",
    "arn:aws:iam::123456789012:role/",
    "arn:aws:iam::123456789012:role/a:b",
    "arn:aws:iam::123456789012:role/a b",
    "arn:aws:iam::123456789012:role/ä",
    "arn:aws:iam::123456789012:role/a\n",
    " arn:aws:iam::123456789012:role/a",
    "arn:aws:iam::1.2:role/a",
    "arn:aws:iam:EU:123456789012:role/a",
];

fn roles() -> Vec<Row> {
    let of_web = |arn: &str| elsewhere(web(&json!({"roleARN": arn})));
    let of_other = |arn: &str| elsewhere(assumed(&json!({"assumeRole": {"roleARN": arn}})));
    let on_aws = |arn: &str| web(&json!({"roleARN": arn}));
    let (long, too_long) = (format!("{ROLE}{}", "r".repeat(2010)), format!("{ROLE}{}", "r".repeat(2011)));
    let variables = [
        "arn:aws:iam::123456789012:role/{namespace}",
        "arn:aws:iam::123456789012:role/a-{namespace}/b",
        "arn:aws:iam::{namespace}:role/reports",
    ];
    [
        rule(
            ROLE_WEB_FORM,
            &[GOOD_ROLES.map(of_web).to_vec(), vec![elsewhere(web(&json!({"roleARN": null})))]].concat(),
            &BAD_ROLES.map(of_web),
        ),
        rule(
            ROLE_FORM,
            &GOOD_ROLES.map(of_other),
            &[BAD_ROLES.map(of_other).to_vec(), variables.map(of_other).to_vec()].concat(),
        ),
        rule(ROLE_PLAIN, &[on_aws(ROLE)], &[variables.map(on_aws), variables.map(of_web)].concat()),
        limit(&[on_aws(&long)], &["", &too_long].map(of_web)),
        limit(&[of_other(&long)], &["", &too_long].map(of_other)),
    ]
    .concat()
}

fn roles_of_aws() -> Vec<Row> {
    let of_web = |arn: &str| web(&json!({"roleARN": arn}));
    let of_other = |arn: &str| assumed(&json!({"assumeRole": {"roleARN": arn}}));
    let second = |arn: &str| chained(&json!({"assumeRole": {"roleARN": arn}}));
    let good = [
        ROLE,
        "arn:aws-cn:iam::123456789012:role/a",
        "arn:aws-us-gov:iam::123456789012:role/a/b",
        "arn:aws-iso-b:iam::000000000000:role/a",
    ];
    let bad = [
        "arn:minio:iam:::role/idmp-reports",
        "arn:aws:iam:::role/a",
        "arn:aws:iam::12345678901:role/a",
        "arn:aws:iam::1234567890123:role/a",
        "arn:aws:iam::12345678901a:role/a",
        "arn:aws:iam:us-east-1:123456789012:role/a",
        "arn:awsx:iam::123456789012:role/a",
        "arn:aws-:iam::123456789012:role/a",
        "arn:aws--cn:iam::123456789012:role/a",
        "arn:aws-1:iam::123456789012:role/a",
        "arn:xaws:iam::123456789012:role/a",
    ];
    rule(
        ROLE_AWS,
        &[
            good.map(of_web).to_vec(),
            good.map(of_other).to_vec(),
            vec![elsewhere(of_web(bad[0])), elsewhere(of_other(bad[0]))],
        ]
        .concat(),
        &[
            bad.map(of_web).to_vec(),
            bad.map(of_other).to_vec(),
            vec![second(bad[0]), web(&json!({"roleARN": null}))],
        ]
        .concat(),
    )
}

fn identities() -> Vec<Row> {
    let audience = |audience: &str| web(&json!({"audience": audience}));
    let external = |id: &str| assumed(&json!({"assumeRole": {"externalID": id}}));
    [
        names(ACCOUNT_NAME, |name| web(&json!({"serviceAccountRef": {"name": name}}))),
        rule(
            AUDIENCE_FORM,
            &["sts.amazonaws.com", "https://a/b?c=d#e", "a", "!+-~", &"a".repeat(253)].map(audience),
            &["a b", "a,b", ",", "ü", "a\n", " a", "\u{7f}"].map(audience),
        ),
        limit(&[], &["", &"a".repeat(254)].map(audience)),
        rule(
            EXTERNAL_ID_FORM,
            &["ab", "7c1f6c0e", "aZ9_+=,.@:/-", &"a".repeat(1224)].map(external),
            &["a b", "a;b", "üü", "ab\n", " ab", "a*"].map(external),
        ),
        limit(&[], &["", "a", &"a".repeat(1225)].map(external)),
    ]
    .concat()
}

/// What the schema alone limits.
fn schema() -> Vec<Row> {
    limit(
        &[],
        &[
            instead(&json!({"webIdentity": {}})),
            web(&json!({"serviceAccountRef": {"name": null}})),
            web(&json!({"serviceAccountRef": "urls"})),
            instead(&json!({"webIdentity": "urls"})),
            assumed(&json!({"assumeRole": {"roleARN": null}})),
            assumed(&json!({"assumeRole": ROLE})),
        ],
    )
}
