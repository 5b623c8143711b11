//! What a signer may say, and what its owner is told about it.

use serde_json::{Value, json};

use super::*;
use crate::domain::limits::{NotPermitted, SessionLimits, StsEndpoints};
use crate::domain::model::{changed, cluster_signer};

const ROLE: &str = "arn:aws:iam::123456789012:role/reports";

/// A signer of a store with an address of its own, with other fields where `change` has them.
fn with(change: &Value) -> Result<ParsedSigner, InvalidSpec> {
    let whole = json!({
        "s3": {
            "endpoint": "https://store.example", "region": "us-west",
            "credentials": {"secretRef": {"name": "media-key"}},
        },
        "allowedNamespaces": {"from": "All"},
        "policy": {"rules": [rule(&json!({}))]},
    });
    cluster_signer(whole, change)
}

fn rule(change: &Value) -> Value {
    let whole = json!({
        "name": "all", "methods": ["GET"], "buckets": ["reports"], "keyPrefixes": ["{namespace}/"],
    });
    changed(whole, change)
}

fn with_rule(change: &Value) -> Result<ParsedSigner, InvalidSpec> {
    with(&json!({"policy": {"rules": [rule(change)]}}))
}

fn refusal(parsed: Result<ParsedSigner, InvalidSpec>) -> Option<(&'static str, String)> {
    parsed.err().map(|error| (error.field, error.message.into_owned()))
}

#[test]
fn patterns_of_keys_are_whole_segments_and_no_other_variables() {
    let wrong = ["", "/", "a//b", "./a", "a/..", "{user}", "x{name}", "a}/b", "{namespace}{name}"];
    for key in ["a", "{namespace}/{name}", "reports/{namespace}/daily.csv", "a/.b/c..", "*"] {
        assert_eq!(refusal(with_rule(&json!({"keyPrefixes": null, "keys": [key]}))), None, "{key}");
        assert_eq!(refusal(with_rule(&json!({"keyPrefixes": [format!("{key}/")]}))), None, "{key}/");
    }
    let keys = Some(("policy.rules.keys", rules::RULE_VARIABLES.message.to_owned()));
    let prefixes = Some(("policy.rules.keyPrefixes", rules::RULE_PREFIXES.message.to_owned()));
    for key in wrong {
        assert_eq!(refusal(with_rule(&json!({"keyPrefixes": null, "keys": ["a", key]}))), keys, "{key}");
        let prefix = format!("{key}/");
        assert_eq!(refusal(with_rule(&json!({"keyPrefixes": ["a/", prefix]}))), prefixes, "{prefix}");
    }
    assert_eq!(refusal(with_rule(&json!({"keyPrefixes": null, "keys": ["a/"]}))), keys);
    assert_eq!(refusal(with_rule(&json!({"keyPrefixes": ["a"]}))), prefixes);
    assert_eq!(refusal(with_rule(&json!({"keyPrefixes": null, "keys": []}))), keys);
    assert_eq!(refusal(with_rule(&json!({"keyPrefixes": []}))), prefixes);
    let one = Some(("policy.rules.keyPrefixes", rules::RULE_KEYS.message.to_owned()));
    assert_eq!(refusal(with_rule(&json!({"keys": ["a"]}))), one);
    assert_eq!(refusal(with_rule(&json!({"keyPrefixes": null}))), one);
}

#[test]
fn a_header_is_a_name_or_the_beginning_of_one() {
    for name in ["x-amz-meta-*", "Content-Type", "a_.~!#$%&+^|-9", "x*"] {
        assert_eq!(refusal(with_rule(&json!({"allowHeaders": [name]}))), None, "{name}");
    }
    let expected = Some(("policy.rules.allowHeaders", rules::RULE_HEADERS.message.to_owned()));
    for name in ["", "*", "x*y", "x-**", "a b", "a:b", "ü"] {
        assert_eq!(refusal(with_rule(&json!({"allowHeaders": ["x-a", name]}))), expected, "{name}");
    }
}

#[test]
fn rules_have_names_of_their_own_caps_and_sizes() {
    let rules = |rules: &Value| refusal(with(&json!({"policy": {"rules": rules}})));
    assert_eq!(rules(&json!([])).unwrap().0, "policy.rules");
    let named = |name: &str| rule(&json!({"name": name}));
    assert_eq!(rules(&json!([named("a"), named("b")])), None);
    let twice = Some(("policy.rules", rules::RULE_NAMES.message.to_owned()));
    assert_eq!(rules(&json!([named("a"), named("b"), named("a")])), twice);
    for (cap, is_valid) in [("59s", false), ("1m", true), ("168h", true), ("168h1s", false)] {
        assert_eq!(with_rule(&json!({"maxExpiresIn": cap})).is_ok(), is_valid, "{cap}");
    }
    for field in ["maxContentLength", "maxFormSize"] {
        assert_eq!(refusal(with_rule(&json!({field: -1}))).unwrap().0, format!("policy.rules.{field}"));
        assert_eq!(refusal(with_rule(&json!({field: 0}))), None);
    }
}

#[test]
fn namespaces_are_given_in_one_way() {
    let names = Some(("allowedNamespaces.names", rules::NAMESPACES_NAMES.message.to_owned()));
    let selector = Some(("allowedNamespaces.selector", rules::NAMESPACES_SELECTOR.message.to_owned()));
    let values = Some(("allowedNamespaces.selector", rules::NAMESPACES_VALUES.message.to_owned()));
    let part = |operator: &str, values: Value| json!({"from": "Selector", "selector": {"matchExpressions": [{"key": "a", "operator": operator, "values": values}]}});
    for (allowed, expected) in [
        (json!({"from": "All"}), None),
        (json!({"from": "All", "names": []}), names.clone()),
        (json!({"from": "All", "names": ["a"]}), names.clone()),
        (json!({"from": "All", "selector": {"matchLabels": {"a": "b"}}}), selector.clone()),
        (json!({"from": "Names"}), names.clone()),
        (json!({"from": "Names", "names": []}), names.clone()),
        (json!({"from": "Names", "names": ["a"]}), None),
        (json!({"from": "Names", "names": ["a"], "selector": {"matchLabels": {"a": "b"}}}), selector.clone()),
        (json!({"from": "Selector"}), selector.clone()),
        (json!({"from": "Selector", "selector": {}}), selector.clone()),
        (json!({"from": "Selector", "selector": {"matchLabels": {}, "matchExpressions": []}}), selector),
        (json!({"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}), None),
        (part("In", json!(["x"])), None),
        (part("NotIn", json!(["x"])), None),
        (part("Exists", json!(null)), None),
        (part("DoesNotExist", json!([])), None),
        (part("In", json!([])), values.clone()),
        (part("NotIn", json!(null)), values.clone()),
        (part("Exists", json!(["x"])), values),
    ] {
        assert_eq!(refusal(with(&json!({"allowedNamespaces": allowed}))), expected, "{allowed}");
    }
    let unknown = refusal(with(&json!({"allowedNamespaces": part("Near", json!(null))}))).unwrap();
    assert_eq!(unknown.0, "allowedNamespaces.selector");
}

#[test]
fn the_owner_is_told_why_requests_cannot_be_permitted() {
    let upload = json!({"rules": [rule(&json!({})), rule(&json!({"name": "up", "methods": ["PUT"]}))]});
    let labels = json!({"from": "Selector", "selector": {"matchLabels": {"a": "b"}}});
    let refuses = json!({
        "endpoint": "https://store.example", "region": "us-west", "unsignedHeaders": "Refused",
        "credentials": {"secretRef": {"name": "media-key"}},
    });
    let aws = json!({"region": "us-west-1", "credentials": {"secretRef": {"name": "media-key"}}});
    let honours = json!({
        "region": "us-west-1", "unsignedHeaders": "Honoured", "credentials": {"secretRef": {"name": "media-key"}},
    });
    let object = json!({
        "endpoint": "https://store.example", "region": "us-west",
        "credentials": {
            "secretRef": {"name": "media-key"}, "assumeRole": {"roleARN": ROLE},
            "session": {"narrowTo": "Object", "sts": {"endpoint": "https://store.example"}},
        },
    });
    for (change, knows_labels, expected) in [
        (json!({}), false, None),
        (json!({"allowedNamespaces": null}), true, Some("no namespace may use it")),
        (json!({"allowedNamespaces": labels}), true, None),
        (json!({"allowedNamespaces": labels}), false, Some("the operator does not watch labels")),
        (json!({"policy": upload}), false, Some("PUT and POST are denied")),
        (json!({"policy": upload, "writeOnlyKey": false}), false, Some("PUT and POST are denied")),
        (json!({"policy": upload, "writeOnlyKey": true}), false, None),
        (json!({"policy": upload, "s3": refuses}), false, None),
        (json!({"policy": upload, "s3": aws}), false, None),
        (json!({"policy": upload, "s3": honours}), false, Some("PUT and POST are denied")),
        (json!({"policy": upload, "s3": object}), false, None),
    ] {
        let signer = with(&change).unwrap();
        let note = signer.note(knows_labels);
        assert_eq!(note.is_some(), expected.is_some(), "{change}: {note:?}");
        assert!(note.unwrap_or_default().contains(expected.unwrap_or_default()), "{change}: {note:?}");
        let has_labels = change["allowedNamespaces"]["from"] == "Selector";
        assert_eq!(signer.selects_labels(), has_labels, "{change}");
    }
}

#[test]
fn a_signer_knows_its_secret_and_whether_its_store_is_that_of_aws() {
    let signer = with(&json!({})).unwrap();
    let (namespace, secret) = signer.secret().unwrap();
    assert_eq!((namespace, secret.name.as_str(), signer.has_endpoint()), ("platform", "media-key", true));
    let account = json!({"serviceAccountRef": {"name": "uploader"}, "roleARN": ROLE});
    let aws = with(&json!({"s3": {"region": "us-west-1", "credentials": {"webIdentity": account}}})).unwrap();
    assert!(aws.secret().is_none() && !aws.has_endpoint() && aws.has_session());
}

#[test]
fn the_owner_of_a_signer_is_told_which_session_is_not_permitted() {
    let audience =
        json!({"webIdentity": {"serviceAccountRef": {"name": "a"}, "roleARN": ROLE, "audience": "other"}});
    let ambient = json!({"ambient": {}});
    let assumed = json!({"ambient": {}, "assumeRole": {"roleARN": ROLE}});
    let elsewhere = json!({
        "ambient": {}, "assumeRole": {"roleARN": ROLE}, "session": {"sts": {"endpoint": "https://sts.example"}},
    });
    let check = |credentials: &Value, limits: &Limits| {
        let signer = with(&json!({"s3": {"region": "eu-central-1", "credentials": credentials}})).unwrap();
        signer.check_sessions(limits)
    };
    let limits = |ambient, endpoints: &[&str]| {
        Limits::new(Vec::new(), Vec::new()).with_sessions(SessionLimits {
            audiences: vec!["sts.amazonaws.com".to_owned()],
            endpoints: StsEndpoints::parse(endpoints.iter().copied()).unwrap(),
            ambient,
        })
    };
    let all = limits(true, &["aws"]);
    assert!(matches!(check(&audience, &all), Err(NotPermitted::Audience { .. })));
    assert_eq!(
        check(&audience, &Limits::new(Vec::new(), Vec::new())),
        Ok(()),
        "the operator requests no sessions"
    );
    assert!(matches!(check(&ambient, &limits(false, &["aws"])), Err(NotPermitted::Ambient)));
    assert_eq!(check(&ambient, &limits(true, &[])), Ok(()), "no STS is asked");
    assert!(matches!(check(&assumed, &limits(true, &[])), Err(NotPermitted::Sts(_))));
    assert_eq!(check(&assumed, &all), Ok(()));
    assert!(matches!(check(&elsewhere, &all), Err(NotPermitted::Sts(_))));
    assert_eq!(check(&elsewhere, &limits(true, &["sts.example"])), Ok(()));
}
