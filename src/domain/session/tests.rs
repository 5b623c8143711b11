//! What a spec of credentials is parsed into, and what is refused.

mod keys;

use serde_json::{Value, json};

use super::*;
use crate::crd::credentials_rules as rules;
use crate::crd::{ClusterSignerSpec, PresignedUrlSpec, SignerSpec};
use crate::domain::Request;
use crate::domain::model::spec;
use crate::domain::signer::ParsedSigner;

const ROLE: &str = "arn:aws:iam::123456789012:role/reports";

fn with(credentials: &Value) -> PresignedUrlSpec {
    let mut value = serde_json::to_value(spec()).unwrap();
    value["s3"]["credentials"] = credentials.clone();
    serde_json::from_value(value).unwrap()
}

fn parsed(credentials: &Value) -> Result<Request, InvalidSpec> {
    Request::inline(Requester::new("team-a", "report"), &with(credentials), None)
}

fn of_signer(credentials: &Value) -> Result<ParsedSigner, InvalidSpec> {
    let spec: ClusterSignerSpec = serde_json::from_value(json!({
        "s3": {"region": "eu-central-1", "credentials": credentials},
        "allowedNamespaces": {"from": "All"},
        "policy": {"rules": [{
            "name": "all", "methods": ["GET"], "buckets": ["reports"], "keyPrefixes": ["{namespace}/"],
        }]},
    }))
    .unwrap();
    let id =
        SignerId { kind: crate::crd::SignerKind::ClusterSigner, namespace: String::new(), name: "m".into() };
    ParsedSigner::of_cluster(id, "u".to_owned(), 1, &spec, "platform")
}

#[test]
fn a_session_has_the_usual_terms_unless_the_spec_says_otherwise() {
    let sts = json!({"endpoint": "https://sts.store.example"});
    let request = parsed(&json!({
        "webIdentity": {"serviceAccountRef": {"name": "uploader"}},
        "session": {"sts": sts},
    }))
    .unwrap();
    let session = request.credentials.session.unwrap();
    let identity = ServiceAccountIdentity {
        name: "uploader".to_owned(),
        role_arn: None,
        audience: "sts.amazonaws.com".to_owned(),
        is_of_requester: true,
    };
    assert_eq!(request.credentials.source, IdentitySource::WebIdentity(identity));
    assert_eq!((session.duration, session.narrow_to, session.role), (3600, NarrowTo::Nothing, None));
    assert_eq!((session.name.as_str(), session.sts.region.as_str()), ("presign-team-a", "us-west"));
    assert_eq!(session.policy, None);
    let narrowed = parsed(&json!({
        "secretRef": {"name": "keys"},
        "assumeRole": {"roleARN": ROLE, "externalID": "id"},
        "session": {"sts": sts, "narrowTo": "Object", "duration": "12h"},
    }))
    .unwrap();
    let session = narrowed.credentials.session.unwrap();
    let policy = session.policy.unwrap();
    assert!(policy.contains("s3:GetObject") && policy.contains("2026/q3 summary.pdf"), "{policy}");
    assert_eq!((session.duration, session.role.unwrap().external_id.as_deref()), (43_200, Some("id")));
}

/// Only what is equal can be one session.
#[test]
fn the_terms_are_the_same_for_all_namespaces_if_nothing_tells_these_apart() {
    let spec_of = |narrow_to: &str, namespace: &str| {
        let signer = of_signer(&json!({
            "webIdentity": {"serviceAccountRef": {"name": "u"}, "roleARN": ROLE},
            "session": {"narrowTo": narrow_to},
        }));
        signer.unwrap().credentials(Requester::new(namespace, "x")).unwrap().session.unwrap()
    };
    assert_eq!(spec_of("Nothing", "team-a"), spec_of("Nothing", "team-b"));
    assert_ne!(spec_of("Namespace", "team-a"), spec_of("Namespace", "team-b"));
    assert_ne!(spec_of("Nothing", "team-a").block, spec_of("Namespace", "team-a").block);
}

/// Whoever may write Signers in one namespace must not look like another namespace.
#[test]
fn the_session_of_a_signer_has_the_name_of_its_namespace() {
    let spec: SignerSpec = serde_json::from_value(json!({
        "s3": {"region": "eu-central-1", "credentials": {
            "webIdentity": {"serviceAccountRef": {"name": "u"}, "roleARN": ROLE},
            "assumeRole": {"roleARN": ROLE},
        }},
    }))
    .unwrap();
    let id = SignerId { kind: SignerKind::Signer, namespace: "team-a".into(), name: "team-b".into() };
    let signer = ParsedSigner::of_namespace(id, "u".to_owned(), 1, &spec).unwrap();
    let session = signer.credentials(Requester::new("team-a", "x")).unwrap().session.unwrap();
    assert_eq!((session.name.as_str(), session.base_name.as_str()), ("presign-team-a", "presign-team-a"));
    assert_eq!(session.narrow_to, NarrowTo::Nothing);
}

#[test]
fn credentials_that_cannot_be_used_are_refused() {
    let account = json!({"serviceAccountRef": {"name": "uploader"}, "roleARN": ROLE});
    let sts = json!({"sts": {"endpoint": "https://sts.store.example"}});
    for (credentials, field) in [
        (json!({}), "s3.credentials"),
        (json!({"ambient": {}}), "s3.credentials"),
        (json!({"secretRef": {"name": "keys"}, "webIdentity": account, "session": sts}), "s3.credentials"),
        (json!({"secretRef": {"name": "keys"}, "session": sts}), "s3.credentials.session"),
        (json!({"webIdentity": account}), "s3.credentials.session.sts.endpoint"),
        (
            json!({"webIdentity": account, "session": {"sts": {"endpoint": "ftp://a"}}}),
            "s3.credentials.session.sts.endpoint",
        ),
        (
            json!({"webIdentity": account, "session": {"sts": {"endpoint": "https://a"}, "duration": "5m"}}),
            "s3.credentials.session.duration",
        ),
        (
            json!({"webIdentity": account, "session": {
                "sts": {"endpoint": "https://a"}, "narrowTo": "Namespace",
            }}),
            "s3.credentials.session.narrowTo",
        ),
        (
            json!({"webIdentity": {"serviceAccountRef": {"name": "u"}, "roleARN": "reports"}, "session": sts}),
            "s3.credentials.webIdentity.roleARN",
        ),
        (
            json!({"webIdentity": {
                "serviceAccountRef": {"name": "u"}, "roleARN": "arn:aws:iam::1:role/{namespace}",
            }, "session": sts}),
            "s3.credentials.webIdentity.roleARN",
        ),
        (
            json!({"webIdentity": {"serviceAccountRef": {"name": "U"}}, "session": sts}),
            "s3.credentials.webIdentity.serviceAccountRef.name",
        ),
        (
            json!({"webIdentity": {"serviceAccountRef": {"name": "u", "from": "Requester"}}, "session": sts}),
            "s3.credentials.webIdentity.serviceAccountRef.from",
        ),
        (
            json!({"webIdentity": {"serviceAccountRef": {"name": "u"}, "audience": "a b"}, "session": sts}),
            "s3.credentials.webIdentity.audience",
        ),
        (
            json!({"secretRef": {"name": "keys"}, "assumeRole": {"roleARN": "x"}, "session": sts}),
            "s3.credentials.assumeRole.roleARN",
        ),
        (
            json!({"secretRef": {"name": "keys"}, "assumeRole": {"roleARN": ROLE, "externalID": "a b"},
                "session": sts}),
            "s3.credentials.assumeRole.externalID",
        ),
    ] {
        assert_eq!(parsed(&credentials).unwrap_err().field, field, "{credentials}");
    }
}

#[test]
fn a_store_has_the_addresses_and_the_certificates_that_fit_it() {
    let certificate = "-----BEGIN CERTIFICATE-----";
    for (s3, refused) in [
        (json!({"endpoint": null, "region": "eu-central-1", "aws": {"fips": true, "dualStack": true}}), None),
        (json!({"endpoint": null, "region": "cn-north-1", "aws": {"dualStack": true}}), None),
        (json!({"endpoint": null, "region": "cn-north-1", "aws": {"fips": true}}), Some("s3.aws.fips")),
        (json!({"aws": {}}), Some("s3.aws")),
        (json!({"caBundle": certificate}), None),
        (json!({"caBundle": "MIIB"}), Some("s3.caBundle")),
        (json!({"caBundle": format!("{certificate}{}", "é".repeat(16_357))}), None),
        (json!({"caBundle": format!("{certificate}{}", "é".repeat(16_358))}), Some("s3.caBundle")),
    ] {
        let mut value = serde_json::to_value(spec()).unwrap();
        value["s3"].as_object_mut().unwrap().extend(s3.as_object().unwrap().clone());
        let spec = serde_json::from_value(value).unwrap();
        let parsed = Request::inline(Requester::new("team-a", "report"), &spec, None);
        assert_eq!(parsed.err().map(|error| error.field), refused, "{refused:?}");
    }
}

#[test]
fn the_host_of_an_sts_is_in_lower_case_and_clients_leave_it_as_it_is() {
    let of_sts = |endpoint: &str| {
        parsed(&json!({
            "secretRef": {"name": "keys"}, "assumeRole": {"roleARN": ROLE},
            "session": {"sts": {"endpoint": endpoint}},
        }))
    };
    for (endpoint, expected) in [
        ("https://sts.store.example:443/", "https://sts.store.example"),
        ("http://192.0.2.1:8333/Tenant.1/sts//", "http://192.0.2.1:8333/Tenant.1/sts"),
        ("https://[2001:db8::0:7]", "https://[2001:db8::7]"),
    ] {
        let session = of_sts(endpoint).unwrap().credentials.session.unwrap();
        assert_eq!(session.sts.endpoint.unwrap().to_string(), expected);
    }
    for endpoint in
        ["HTTPS://a.example", "https://A.example", "https://a:65536", "http://127.1", "https://a/.."]
    {
        assert_eq!(of_sts(endpoint).unwrap_err().message, rules::STS_FORM.message, "{endpoint}");
    }
}

#[test]
fn the_namespace_can_be_the_account_and_a_part_of_the_name_of_a_role() {
    for (role, is_valid) in [
        ("arn:aws:iam::{namespace}:role/a", true),
        ("arn:aws:iam::1:role/a-{namespace}/{namespace}", true),
        ("ar{namespace}:aws:iam::1:role/a", false),
        ("arn:{namespace}:iam::1:role/a", false),
        ("arn:aws:iam:{namespace}:1:role/a", false),
        ("arn:aws:iam::1:role/{name{namespace}space}", false),
        ("arn:aws:iam::1:role/{name}", false),
    ] {
        assert_eq!(checks::is_role(role, true), is_valid, "{role}");
        assert!(!checks::is_role(role, false), "{role}");
    }
}

#[test]
fn a_cluster_signer_may_have_more_sources() {
    let requester = |role: &str| json!({"webIdentity": {"serviceAccountRef": {"name": "u", "from": "Requester"}, "roleARN": role}});
    let of_namespace = "arn:aws:iam::123456789012:role/{namespace}-reports";
    for (credentials, field) in [
        (json!({"ambient": {}}), None),
        (json!({"ambient": {}, "assumeRole": {"roleARN": ROLE}}), None),
        (requester(of_namespace), None),
        (requester(ROLE), Some("s3.credentials.webIdentity.roleARN")),
        (
            json!({"webIdentity": {"serviceAccountRef": {"name": "u"}, "roleARN": of_namespace}}),
            Some("s3.credentials.webIdentity.roleARN"),
        ),
        (json!({"webIdentity": {"serviceAccountRef": {"name": "u"}}}), Some("s3.credentials")),
        (
            json!({"ambient": {}, "assumeRole": {"roleARN": ROLE}, "session": {"duration": "2h"}}),
            Some("s3.credentials.session.duration"),
        ),
    ] {
        assert_eq!(of_signer(&credentials).err().map(|error| error.field), field, "{credentials}");
    }
    let signer = of_signer(&requester(of_namespace)).unwrap();
    let location = signer.credentials(Requester::new("team-a", "x")).unwrap();
    assert_eq!(location.namespace, "team-a");
    let IdentitySource::WebIdentity(identity) = location.source else { panic!("{location:?}") };
    assert_eq!(identity.role_arn.as_deref(), Some("arn:aws:iam::123456789012:role/team-a-reports"));
    let location =
        of_signer(&json!({"ambient": {}})).unwrap().credentials(Requester::new("team-a", "x")).unwrap();
    assert_eq!(location.session.unwrap().narrow_to, NarrowTo::Nothing);
    let assumed = of_signer(&json!({"ambient": {}, "assumeRole": {"roleARN": ROLE}})).unwrap();
    let location = assumed.credentials(Requester::new("team-a", "x")).unwrap();
    assert_eq!(location.session.unwrap().narrow_to, NarrowTo::Namespace, "a role can be narrowed");
}
