//! What a spec becomes. Which specs are refused, and how, is in `refusals`.

mod real;
mod refusals;
#[path = "../../../../tests/contract/rows/mod.rs"]
mod rows;

use crate::domain::policy::Requester;
use serde_json::{Value, json};

use super::*;
use crate::crd::DeletionPolicy;
use crate::domain::model;

const ARN: &str = "arn:aws:s3:us-west-2:123456789012:accesspoint/name";

/// The smallest useful spec with some fields replaced; `null` takes one away.
fn parse(patch: &Value) -> Result<Request, InvalidSpec> {
    let mut spec = serde_json::to_value(model::spec()).unwrap();
    json_patch::merge(&mut spec, patch);
    Request::inline(Requester::new("team-a", "report"), &serde_json::from_value(spec).unwrap(), None)
}

#[test]
fn what_is_left_out_has_its_default() {
    let request = parse(&json!({})).unwrap();
    assert_eq!((request.method, request.expires_in, request.overlap), (Method::Get, 3600, Overlap::Third));
    assert_eq!((request.suspend, request.annotates_pods, &request.renew), (false, false, &None));
    assert_eq!((&*request.target.name, &*request.target.url_key), ("report", "url"));
    assert_eq!(request.target.deletion_policy, DeletionPolicy::Delete);
    assert!(request.headers.is_empty() && request.query.is_empty());
}

#[test]
fn what_is_set_is_taken_over() {
    let request = parse(&json!({
        "method": "HEAD", "expiresIn": "2h", "renewBefore": "20m", "suspend": true,
        "podRefresh": "Annotate",
        "secret": {"name": "other", "urlKey": "link", "deletionPolicy": "Retain", "labels": {"a": "b"}, "annotations": {"c": "d"}},
    }))
    .unwrap();
    assert_eq!((request.method, request.expires_in), (Method::Head, 7200));
    assert_eq!((request.overlap, request.suspend), (Overlap::Seconds(1200), true));
    assert!(request.annotates_pods);
    assert!(!parse(&json!({"podRefresh": "Kubelet"})).unwrap().annotates_pods);
    assert_eq!((&*request.target.name, &*request.target.url_key), ("other", "link"));
    assert_eq!(request.target.deletion_policy, DeletionPolicy::Retain);
    assert_eq!((&*request.target.labels["a"], &*request.target.annotations["c"]), ("b", "d"));
    let share = parse(&json!({"renewBeforePercentage": 50})).unwrap();
    assert_eq!(share.overlap, Overlap::Percentage(50));
}

#[test]
fn headers_are_ordered_without_regard_to_case_and_keep_theirs() {
    let request =
        parse(&json!({"headers": {"x-b": "2", "Content-Type": "t", "X-a": "1", "if-none-match": "*"}}))
            .unwrap();
    let names: Vec<_> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Content-Type", "if-none-match", "X-a", "x-b"]);
}

#[test]
fn every_parameter_has_its_name_in_the_query_and_they_are_ordered() {
    let request = parse(&json!({
        "versionID": "v", "query": {"x-team": "a"},
        "response": {
            "contentType": "1", "contentDisposition": "2", "contentLanguage": "3",
            "contentEncoding": "4", "cacheControl": "5", "expires": "6",
        },
    }))
    .unwrap();
    let query: Vec<_> = request.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        ("response-cache-control", "5"),
        ("response-content-disposition", "2"),
        ("response-content-encoding", "4"),
        ("response-content-language", "3"),
        ("response-content-type", "1"),
        ("response-expires", "6"),
        ("versionId", "v"),
        ("x-team", "a"),
    ];
    assert_eq!(query, expected);
}

#[test]
fn a_bucket_stands_where_the_style_says() {
    for (bucket, endpoint, style, expected) in [
        ("abc", Some("https://a"), None, Addressing::Path),
        ("abc", Some("https://a"), Some("Auto"), Addressing::Path),
        ("abc", Some("https://a.b"), Some("VirtualHosted"), Addressing::VirtualHosted),
        ("abc", Some("https://a.b"), Some("BucketEndpoint"), Addressing::BucketEndpoint),
        ("abc", None, None, Addressing::VirtualHosted),
        ("abc", None, Some("Path"), Addressing::Path),
        ("a.b", None, None, Addressing::Path),
        (ARN, None, None, Addressing::VirtualHosted),
    ] {
        let spec = json!({"bucket": bucket, "s3": {"region": "us-west-2", "endpoint": endpoint, "addressingStyle": style}});
        assert_eq!(parse(&spec).unwrap().connection.addressing, expected, "{spec}");
    }
    for (bucket, endpoint, rule) in [
        ("a_b", Some("http://a.b"), rules::STYLE_BUCKET),
        ("ABC", Some("https://a.b"), rules::STYLE_BUCKET),
        ("a.b", None, rules::STYLE_BUCKET),
        ("abc", Some("https://[::1]"), rules::STYLE_HOST),
    ] {
        let spec = json!({"bucket": bucket, "s3": {"region": "us-west-2", "endpoint": endpoint, "addressingStyle": "VirtualHosted"}});
        assert_eq!(parse(&spec).unwrap_err().message, rule.message, "{spec}");
    }
}

#[test]
fn an_endpoint_must_not_begin_with_the_bucket_as_a_whole_part() {
    for (bucket, endpoint, is_refused) in [
        ("media", "https://media.example.com", true),
        ("media", "https://mediaserver.example.com", false),
        ("media", "https://media", false),
        ("me.dia", "https://me.dia", true),
        ("me.dia", "https://me.dia.example.com", true),
        ("me.dia", "https://me.diaserver.example.com", false),
    ] {
        let spec = json!({"bucket": bucket, "s3": {"endpoint": endpoint}});
        let message = parse(&spec).err().map(|error| error.message);
        assert_eq!(message, is_refused.then_some(rules::ENDPOINT_BUCKET.message.into()), "{spec}");
    }
}

#[test]
fn a_token_that_is_longer_than_a_status_can_hold_asks_for_nothing() {
    let renew = |token: &str| {
        let request =
            Request::inline(Requester::new("team-a", "report"), &model::spec(), Some(token)).unwrap();
        (request.renew, request.is_renew_refused)
    };
    assert_eq!(renew("now"), (Some("now".to_owned()), false));
    assert_eq!(renew(""), (None, false));
    assert_eq!(renew(&"ü".repeat(128)), (Some("ü".repeat(128)), false));
    assert_eq!(renew(&"ü".repeat(129)), (None, true));
}

#[test]
fn a_refusal_names_the_field() {
    let refused = parse(&json!({"expiresIn": "8d"})).unwrap_err().to_string();
    assert!(refused.starts_with("spec.expiresIn: cannot be in days"), "{refused}");
}

#[test]
fn the_name_of_the_object_must_be_that_of_a_secret() {
    assert!(Request::inline(Requester::new("team-a", "A"), &model::spec(), None).is_err());
}
