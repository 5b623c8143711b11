//! Random credentials that must be accepted, and ways to spoil those that come from a session: each begins
//! with good ones for a store that is not AWS, and breaks one field of them.

use presign_operator::crd::{
    AwsOptions, CredentialsSource, NarrowTo, PresignedUrlSpec, ServiceAccountFrom, SessionOptions,
    StsOptions, WebIdentity,
};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::faults::{Fault, at, one_of};
use crate::specs::{reference, s3};

const ROLE: &str = "arn:aws:iam::123456789012:role/reports";

/// Credentials from each source that a `PresignedUrl` can have. The role and the STS fit every store.
pub(crate) fn credentials() -> impl Strategy<Value = CredentialsSource> {
    let account = json!({"serviceAccountRef": {"name": "urls"}, "roleARN": ROLE});
    let sources = prop::sample::select(vec![
        json!({"secretRef": reference()}),
        json!({"secretRef": reference(), "assumeRole": {"roleARN": ROLE, "externalID": "7c1f6c0e"}}),
        json!({"webIdentity": account}),
        json!({"webIdentity": account, "assumeRole": {"roleARN": ROLE}}),
    ]);
    let region = option::of("[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?");
    (sources, option::of(900..=3600_u32), region).prop_map(|(mut credentials, seconds, region)| {
        if credentials.get("webIdentity").is_some() || credentials.get("assumeRole").is_some() {
            let sts = json!({"endpoint": "https://sts.store.example", "region": region});
            let duration = seconds.map(|seconds| format!("{seconds}s"));
            credentials["session"] = json!({"sts": sts, "duration": duration});
        }
        serde_json::from_value(credentials).unwrap()
    })
}

/// Puts good credentials into a spec, with everything that can be wrong with them.
fn good<'a>(spec: &'a mut PresignedUrlSpec, source: &Value) -> &'a mut CredentialsSource {
    (s3(spec).endpoint, s3(spec).addressing_style) = (Some("https://store.example".to_owned()), None);
    let mut value = json!({"session": {"sts": {"endpoint": "https://sts.store.example"}}});
    value.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
    s3(spec).credentials = serde_json::from_value(value).unwrap();
    (s3(spec).aws, s3(spec).ca_bundle, spec.bucket) = (None, None, "reports".to_owned());
    "eu-central-1".clone_into(&mut s3(spec).region);
    &mut s3(spec).credentials
}

fn identity(spec: &mut PresignedUrlSpec) -> &mut WebIdentity {
    let account = json!({"webIdentity": {"serviceAccountRef": {"name": "urls"}, "roleARN": ROLE}});
    good(spec, &account).web_identity.as_mut().unwrap()
}

fn session(spec: &mut PresignedUrlSpec) -> &mut SessionOptions {
    let role = json!({"secretRef": {"name": "keys"}, "assumeRole": {"roleARN": ROLE}});
    good(spec, &role).session.as_mut().unwrap()
}

fn sts(spec: &mut PresignedUrlSpec) -> &mut StsOptions {
    session(spec).sts.as_mut().unwrap()
}

/// Removes the endpoint, so that the store is AWS.
fn on_aws(spec: &mut PresignedUrlSpec) {
    s3(spec).endpoint = None;
}

/// Any fault of credentials.
pub(crate) fn faults() -> impl Strategy<Value = Fault> {
    prop_oneof![sources(), accounts(), roles(), options(), addresses(), stores()]
}

fn sources() -> impl Strategy<Value = Fault> {
    let account = json!({"serviceAccountRef": {"name": "urls"}});
    let role = json!({"roleARN": ROLE});
    let none_or_two = select(vec![
        json!({}),
        json!({"assumeRole": role}),
        json!({"secretRef": {"name": "keys"}, "webIdentity": account}),
        json!({"ambient": {}, "assumeRole": role}),
        json!({"ambient": {}, "secretRef": {"name": "keys"}}),
        json!({"ambient": {}, "webIdentity": account}),
    ]);
    prop_oneof![
        at("s3.credentials", none_or_two, |spec, source| good(spec, &source).session = None),
        at("s3.credentials.session", Just("keys"), |spec, name| {
            good(spec, &json!({"secretRef": {"name": name}}));
        }),
    ]
}

fn accounts() -> impl Strategy<Value = Fault> {
    let (name, from) = (
        "s3.credentials.webIdentity.serviceAccountRef.name",
        "s3.credentials.webIdentity.serviceAccountRef.from",
    );
    let audience = prop_oneof![one_of(&["", " ", "a b", "a,b", "é", "a\n"]), "[a-z]{254,260}"];
    prop_oneof![
        at(name, one_of(&["", "Upper", "a_b", "-a", "a-", "a..b", ".a", "a/b", "é"]), |spec, name| {
            identity(spec).service_account_ref.name = name;
        }),
        at(from, select(vec![ServiceAccountFrom::Signer, ServiceAccountFrom::Requester]), |spec, from| {
            identity(spec).service_account_ref.from = Some(from);
        }),
        at("s3.credentials.webIdentity.audience", audience, |spec, audience| {
            identity(spec).audience = Some(audience);
        }),
    ]
}

/// What is no role, wherever it stands in a spec.
fn no_role() -> impl Strategy<Value = String> {
    let filled = one_of(&[
        "arn:aws:iam::123456789012:role/{namespace}",
        "arn:aws:iam::{namespace}:role/reports",
        "arn:aws:iam:{namespace}:123456789012:role/reports",
        "arn:{namespace}:iam::123456789012:role/reports",
        "arn:aws:iam::123456789012:role/{",
    ]);
    prop_oneof![
        filled,
        "[a-z:/]{0,20}",
        "arn:aws:(sts|s3|ec2)::[0-9]{12}:role/[a-z]{1,9}",
        "arn:aws:iam::[0-9]{12}:(user|group|policy)/[a-z]{1,9}",
        "arn:aws:iam::[0-9]{12}:role/[a-z]{0,3}[^A-Za-z0-9_+=,.@/-][a-z]{0,3}",
        "arn:[A-Z]{1,3}:iam::[0-9]{12}:role/[a-z]{1,9}",
        "arn:aws:iam::[0-9]{12}:role/[a-z]{2018,2030}",
    ]
}

/// What is a role, but not of AWS.
fn role_elsewhere() -> impl Strategy<Value = String> {
    prop_oneof![
        "arn:(minio|awsx|aws-|aws-1):iam::[0-9]{12}:role/[a-z]{1,9}",
        "arn:aws:iam::([a-z]{0,12}|[0-9]{11}|[0-9]{13}):role/[a-z]{1,9}",
        "arn:aws:iam:[a-z]{2}-[1-9]:[0-9]{12}:role/[a-z]{1,9}",
    ]
}

fn roles() -> impl Strategy<Value = Fault> {
    let external = prop_oneof![one_of(&["", "a", "a b", "a*b", "éé", "ab\n"]), "[a-z]{1225,1230}"];
    prop_oneof![
        at("s3.credentials.webIdentity.roleARN", no_role(), |spec, arn| identity(spec).role_arn = Some(arn)),
        at("s3.credentials.assumeRole.roleARN", no_role(), |spec, arn| {
            session(spec);
            s3(spec).credentials.assume_role.as_mut().unwrap().role_arn = arn;
        }),
        at("s3.credentials.assumeRole.externalID", external, |spec, id| {
            session(spec);
            s3(spec).credentials.assume_role.as_mut().unwrap().external_id = Some(id);
        }),
        at("s3.credentials", option::of(role_elsewhere()), |spec, arn| {
            identity(spec).role_arn = arn;
            on_aws(spec);
        }),
        at("s3.credentials", role_elsewhere(), |spec, arn| {
            session(spec);
            s3(spec).credentials.assume_role.as_mut().unwrap().role_arn = arn;
            on_aws(spec);
        }),
    ]
}

fn options() -> impl Strategy<Value = Fault> {
    let duration = "s3.credentials.session.duration";
    let odd = ["", "1", "h", "1d", "3600", "1.5h", "-1h", "1h ", "1H", "0s", "14m59s", "12h1s", "999999h"];
    prop_oneof![
        at(duration, one_of(&odd), |spec, text| session(spec).duration = Some(text.as_str().into())),
        at(duration, 3601..=43_200_u32, |spec, seconds| {
            let chain = json!({
                "webIdentity": {"serviceAccountRef": {"name": "urls"}, "roleARN": ROLE},
                "assumeRole": {"roleARN": ROLE}, "session": {"duration": format!("{seconds}s")},
            });
            good(spec, &chain);
            on_aws(spec);
        }),
        at("s3.credentials.session.narrowTo", Just(NarrowTo::Namespace), |spec, to| {
            session(spec).narrow_to = Some(to);
        }),
    ]
}

fn addresses() -> impl Strategy<Value = Fault> {
    let endpoint = "s3.credentials.session.sts.endpoint";
    let odd = prop_oneof![
        one_of(&crate::faults::ODD_ENDPOINTS),
        one_of(&["HTTPS://sts.example", "https://STS.example", "https://[2001:DB8::7]"]),
        "https://[a-z]{1,5}(:[a-z]{1,5})?@[a-z]{1,5}",
        "https://[a-z]{1,5}/?[?#][a-z=]{0,5}",
        "https://h.example/[a-z]{1007,1010}",
    ];
    let region = prop_oneof![one_of(&["", "A", "-a", "a-", "a_b", "a.b", "a b", "é"]), "[a-z]{65,70}"];
    prop_oneof![
        at(endpoint, odd, |spec, address| sts(spec).endpoint = Some(address)),
        at(endpoint, Just(None::<String>), |spec, address| sts(spec).endpoint = address),
        at("s3.credentials.session.sts.region", region, |spec, region| sts(spec).region = Some(region)),
    ]
}

fn stores() -> impl Strategy<Value = Fault> {
    let flags = (any::<Option<bool>>(), any::<Option<bool>>());
    let certificates = prop_oneof![
        "[A-Za-z0-9+/=\n]{0,40}",
        Just("-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----".to_owned()),
        (65_510..65_600_usize)
            .prop_map(|length| format!("-----BEGIN CERTIFICATE-----{}", "#".repeat(length))),
    ];
    prop_oneof![
        at("s3.aws", flags, |spec, (dual_stack, fips)| {
            session(spec);
            s3(spec).aws = Some(AwsOptions { dual_stack, fips });
        }),
        at("s3.aws.fips", "cn-[a-z]{4,9}-[1-9]", |spec, region| {
            let keys = json!({"secretRef": {"name": "keys"}});
            good(spec, &keys).session = None;
            on_aws(spec);
            s3(spec).region = region;
            s3(spec).aws = Some(AwsOptions { dual_stack: None, fips: Some(true) });
        }),
        at("s3.caBundle", certificates, |spec, text| s3(spec).ca_bundle = Some(text)),
    ]
}
