//! Which connection and credentials a spec gets, and what is said when it gets none.

use serde_json::{Value, json};

use super::*;
use crate::domain::model;

const TEAM_A: Requester<'static> = Requester { namespace: "team-a", name: "report" };

/// A spec that names the `ClusterSigner` of the model.
fn spec(key: &str) -> PresignedUrlSpec {
    let spec = json!({
        "bucket": "reports", "key": key, "signerRef": {"kind": "ClusterSigner", "name": "media"},
    });
    serde_json::from_value(spec).unwrap()
}

/// The signer of the model with other fields.
fn signer(change: &Value) -> ParsedSigner {
    let whole = json!({
        "s3": {
            "endpoint": "https://us-west.s3.qencode.com", "region": "us-west",
            "credentials": {"secretRef": {"name": "media-key"}},
        },
        "allowedNamespaces": {"from": "All"},
        "policy": {"rules": [{
            "name": "all", "methods": ["GET", "PUT"], "buckets": ["reports"], "keyPrefixes": ["tenants/{namespace}/"],
        }]},
    });
    model::cluster_signer(whole, change).unwrap()
}

fn resolved(
    requester: Requester<'_>,
    spec: &PresignedUrlSpec,
    signer: Option<&ParsedSigner>,
    labels: Option<&Labels>,
) -> Result<Resolved, Problem> {
    let settings = ConnectionSettings { denies_inline: false, signer_namespace: "platform".to_owned() };
    resolve(requester, spec, None, &ResolveContext { settings: &settings, signer: signer.map(Ok), labels })
}

fn problem(resolved: Result<Resolved, Problem>) -> Problem {
    match resolved {
        Err(problem) | Ok(Resolved { permission: Permission::Denied { problem, .. }, .. }) => problem,
        Ok(other) => panic!("{:?}", other.permission),
    }
}

#[test]
fn the_connection_and_the_credentials_are_those_of_the_signer() {
    let signer = model::signer();
    let found = resolved(TEAM_A, &spec("tenants/team-a/a"), Some(&signer), None).unwrap();
    let request = &found.request;
    assert_eq!(request.connection.region, "us-west");
    assert_eq!(request.connection.endpoint.as_ref().unwrap().to_string(), "https://us-west.s3.qencode.com");
    assert_eq!(
        (request.credentials.namespace.as_str(), request.credentials.secret().unwrap().name.as_str()),
        ("platform", "media-key")
    );
    assert_eq!(request.cap, Some(3600));
    assert_eq!(request.credentials.place(), "of ClusterSigner \"media\"");
    let why = "rule \"downloads\" of ClusterSigner \"media\" allows it".to_owned();
    assert_eq!(found.permission, Permission::Allowed { why });
}

#[test]
fn a_signer_that_is_not_there_and_one_of_others_sound_the_same() {
    let signer = model::signer();
    let elsewhere = Requester::new("team-b", "report");
    let missing = problem(resolved(elsewhere, &spec("tenants/team-a/a"), None, None));
    assert_eq!(missing.reason, FailureReason::SignerNotFound);
    for key in ["tenants/team-a/a", "x", "//", "/a//b"] {
        let foreign = problem(resolved(elsewhere, &spec(key), Some(&signer), None));
        assert_eq!(foreign, missing, "{key}");
    }
    // What is wrong with the request could tell something about the store.
    let mut arn = spec("a");
    arn.bucket = "arn:aws:s3:eu-west-1:123456789012:accesspoint/media".to_owned();
    assert_eq!(problem(resolved(elsewhere, &arn, Some(&signer), None)), missing);
    let nobody = signer_without_namespaces();
    assert_eq!(problem(resolved(TEAM_A, &spec("tenants/team-a/a"), Some(&nobody), None)), missing);
}

fn signer_without_namespaces() -> ParsedSigner {
    signer(&json!({"allowedNamespaces": null}))
}

#[test]
fn namespaces_are_chosen_by_name_label_or_all() {
    let labelled = |value: &str| Labels::from([("team".to_owned(), value.to_owned())]);
    let selector = json!({"from": "Selector", "selector": {"matchLabels": {"team": "a"}}});
    for (allowed, labels, is_served) in [
        (json!({"from": "All"}), None, true),
        (json!({"from": "Names", "names": ["team-b", "team-a"]}), None, true),
        (json!({"from": "Names", "names": ["team-ab", "team", "Team-a"]}), None, false),
        (selector.clone(), Some(labelled("a")), true),
        (selector.clone(), Some(labelled("b")), false),
        (selector.clone(), Some(Labels::new()), false),
        (selector.clone(), None, false),
    ] {
        let signer = signer(&json!({"allowedNamespaces": allowed}));
        let found = resolved(TEAM_A, &spec("tenants/team-a/a"), Some(&signer), labels.as_ref());
        let is_granted = found.as_ref().is_ok_and(|found| found.permission.is_granted());
        assert_eq!(is_granted, is_served, "{allowed} {labels:?}");
    }
    // Labels that are not known are waited for; they never withdraw a URL.
    let withdrawing = signer(&json!({
        "allowedNamespaces": selector,
        "policy": {"whenDenied": "Withdraw", "rules": [{
            "name": "all", "methods": ["GET"], "buckets": ["reports"], "keyPrefixes": ["tenants/{namespace}/"],
        }]},
    }));
    let unknown = resolved(TEAM_A, &spec("tenants/team-a/a"), Some(&withdrawing), None).unwrap();
    assert!(matches!(unknown.permission, Permission::Denied { is_withdrawn: false, .. }));
    let other = labelled("b");
    let lost = resolved(TEAM_A, &spec("tenants/team-a/a"), Some(&withdrawing), Some(&other)).unwrap();
    assert!(matches!(lost.permission, Permission::Denied { is_withdrawn: true, .. }));
}

#[test]
fn an_audit_lifts_the_rules_and_nothing_else() {
    let policy = |enforcement: &str| {
        json!({"enforcement": enforcement, "rules": [{
            "name": "all", "methods": ["GET"], "buckets": ["reports"], "keyPrefixes": ["tenants/{namespace}/"],
            "maxExpiresIn": "10m",
        }]})
    };
    let (audit, enforce) =
        (signer(&json!({"policy": policy("Audit")})), signer(&json!({"policy": policy("Enforce")})));
    let put = PresignedUrlSpec { method: Some(crate::crd::Method::Put), ..spec("tenants/team-a/a") };
    for (spec, is_audited) in [
        (spec("tenants/team-b/a"), true),
        (PresignedUrlSpec { bucket: "others".to_owned(), ..spec("tenants/team-a/a") }, true),
        (spec("tenants/team-a//a"), false),
        (put, false),
    ] {
        let found = resolved(TEAM_A, &spec, Some(&audit), None).unwrap();
        assert_eq!(matches!(found.permission, Permission::Audited { .. }), is_audited, "{:?}", spec.key);
        let denied = problem(resolved(TEAM_A, &spec, Some(&enforce), None));
        assert_eq!(denied.reason, FailureReason::NotPermitted);
        assert!(denied.message.starts_with("ClusterSigner \"media\" denies it: spec."), "{}", denied.message);
    }
}

#[test]
fn what_depends_on_the_store_names_the_signer() {
    let hosted = signer(&json!({"s3": {
        "endpoint": "https://s3.example.com", "region": "r", "addressingStyle": "VirtualHosted",
        "credentials": {"secretRef": {"name": "media-key"}},
    }}));
    let upper = PresignedUrlSpec { bucket: "UPPER".to_owned(), ..spec("a") };
    let found = problem(resolved(TEAM_A, &upper, Some(&hosted), None));
    assert_eq!(found.reason, FailureReason::InvalidSpec);
    let expected =
        "spec.bucket: does not fit ClusterSigner \"media\" (its s3.addressingStyle: VirtualHosted needs";
    assert!(found.message.starts_with(expected), "{}", found.message);
    let odd = PresignedUrlSpec { bucket: "a b".to_owned(), ..spec("a") };
    let found = problem(resolved(TEAM_A, &odd, Some(&hosted), None));
    assert!(
        found.message.starts_with("spec.bucket: with s3.endpoint")
            && found.message.ends_with("(ClusterSigner \"media\")")
    );
}

#[test]
fn what_only_the_user_wrote_does_not_name_the_signer() {
    let long: PresignedUrlSpec = serde_json::from_value(json!({
        "bucket": "reports", "key": "a", "expiresIn": "8d",
        "signerRef": {"kind": "ClusterSigner", "name": "media"},
    }))
    .unwrap();
    let found = problem(resolved(TEAM_A, &long, Some(&model::signer()), None));
    assert!(found.message.starts_with("spec.expiresIn: ") && !found.message.contains("media"), "{found:?}");
}

#[test]
fn a_session_is_narrowed_by_what_allows_the_request() {
    let with = |enforcement: &str| {
        signer(&json!({
            "s3": {"region": "eu-central-1", "credentials": {"webIdentity": {
                "serviceAccountRef": {"name": "uploader"}, "roleARN": "arn:aws:iam::123456789012:role/media",
            }}},
            "policy": {"enforcement": enforcement, "rules": [{
                "name": "all", "methods": ["GET"], "buckets": ["reports"], "keyPrefixes": ["tenants/{namespace}/"],
            }]},
        }))
    };
    let policy_of = |enforcement: &str, key: &str| {
        let found = resolved(TEAM_A, &spec(key), Some(&with(enforcement)), None).unwrap();
        found.request.credentials.session.unwrap().policy
    };
    let allowed = policy_of("Enforce", "tenants/team-a/a").unwrap();
    assert!(allowed.contains("reports/tenants/team-a/*"), "{allowed}");
    // What the rules would deny is permitted alone.
    let audited = policy_of("Audit", "tenants/team-b/a").unwrap();
    assert!(audited.contains("reports/tenants/team-b/a") && !audited.contains("team-a"), "{audited}");
    assert_eq!(policy_of("Enforce", "tenants/team-b/a"), None, "a request that is denied needs no session");
}

#[test]
fn own_credentials_can_be_denied_everywhere_or_where_those_of_signers_are() {
    let inline = model::spec();
    let ask = |requester, denies_inline| {
        let settings = ConnectionSettings { denies_inline, signer_namespace: "platform".to_owned() };
        resolve(requester, &inline, None, &ResolveContext { settings: &settings, signer: None, labels: None })
    };
    assert!(ask(TEAM_A, false).is_ok());
    for (requester, denies, names) in [
        (TEAM_A, true, "--inline-credentials"),
        (Requester::new("platform", "a"), false, "this namespace holds"),
    ] {
        let found = problem(ask(requester, denies));
        assert_eq!(found.reason, FailureReason::NotPermitted);
        assert!(found.message.contains(names), "{}", found.message);
    }
}

#[test]
fn a_spec_has_one_connection() {
    let both = PresignedUrlSpec { s3: model::spec().s3, ..spec("a") };
    let none = PresignedUrlSpec { signer_ref: None, ..spec("a") };
    for spec in [both, none] {
        let found = problem(resolved(TEAM_A, &spec, Some(&model::signer()), None));
        assert_eq!(found.reason, FailureReason::InvalidSpec);
        assert!(found.message.starts_with("spec.s3: set s3 or signerRef"), "{}", found.message);
    }
}
