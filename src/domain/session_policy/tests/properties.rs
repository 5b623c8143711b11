//! Properties of all session policies, judged by an evaluator of its own.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{TestRunner, contextualize_config};

use super::evaluator::{Asked, allows};
use super::generators::{any_request, any_rule, below_namespaces, fitting, key, near, on, rest};
use super::*;
use crate::domain::policy::{Requester, Verdict};

/// Every action on objects that a policy could allow, and some that none may.
const ACTIONS: [&str; 15] = [
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:PutObject",
    "s3:PutObjectTagging",
    "s3:PutObjectAcl",
    "s3:PutObjectRetention",
    "s3:PutObjectLegalHold",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:BypassGovernanceRetention",
    "s3:GetObjectAcl",
    "s3:GetObjectTagging",
    "s3:ListBucket",
    "s3:DeleteBucket",
    "sts:AssumeRole",
];
const KMS_KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/k";
const S3: &str = "s3.eu-west-1.amazonaws.com";

/// What AWS requires for a request: written down again, not taken from the table.
fn needed(request: &Request) -> Vec<&'static str> {
    let has = |name: &str| request.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    let has_version = request.query.iter().any(|(name, _)| name == "versionId");
    match request.method {
        Method::Get | Method::Head if has_version => vec!["s3:GetObjectVersion"],
        Method::Get | Method::Head => vec!["s3:GetObject"],
        Method::Delete if has_version => vec!["s3:DeleteObjectVersion"],
        Method::Delete => vec!["s3:DeleteObject"],
        Method::Post => vec!["s3:PutObject"],
        Method::Put => {
            let optional = [
                (has("x-amz-tagging"), "s3:PutObjectTagging"),
                (has("x-amz-acl") || has("x-amz-grant-read"), "s3:PutObjectAcl"),
                (has("x-amz-object-lock-mode"), "s3:PutObjectRetention"),
                (has("x-amz-object-lock-legal-hold"), "s3:PutObjectLegalHold"),
            ];
            let optional = optional.into_iter().filter_map(|(is_needed, action)| is_needed.then_some(action));
            std::iter::once("s3:PutObject").chain(optional).collect()
        }
    }
}

/// What AWS requires on the key of an encrypted object.
fn needed_on_key(request: &Request) -> Vec<&'static str> {
    match request.method {
        Method::Get | Method::Head => vec!["kms:Decrypt"],
        Method::Put if request.query.is_empty() => vec!["kms:GenerateDataKey"],
        Method::Post => vec!["kms:GenerateDataKey"],
        Method::Put => vec!["kms:Decrypt", "kms:GenerateDataKey"],
        Method::Delete => vec![],
    }
}

/// What another store may require for a request.
fn needed_elsewhere(request: &Request) -> Vec<&'static str> {
    let latest = Request { query: Vec::new(), ..request.clone() };
    [needed(request), needed(&latest)].concat()
}

fn arn(key: &str) -> String {
    format!("arn:aws:s3:::media/{key}")
}

fn on_aws(policy: &str, action: &str, resource: &str) -> bool {
    let via = action.starts_with("kms:").then_some(S3);
    allows(policy, Asked { action, resource, via }, true)
}

fn elsewhere(policy: &str, action: &str, resource: &str) -> bool {
    allows(policy, Asked { action, resource, via: None }, false)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(700))]

    #[test]
    fn a_session_for_an_object_can_do_what_its_url_is_for_and_nothing_else(
        request in any_request(),
        another in key(),
        how in any::<usize>(),
    ) {
        let policy = of_object(&request).unwrap();
        let own = arn(&request.key);
        let elsewhere = own.replacen(":::media/", ":::other/", 1);
        let others = [arn(&another), arn(&near(&request.key, how)), elsewhere];
        for action in ACTIONS {
            prop_assert_eq!(on_aws(&policy, action, &own), needed(&request).contains(&action), "{}", action);
            for other in others.iter().filter(|other| **other != own) {
                prop_assert!(!on_aws(&policy, action, other), "{action} {other}: {policy}");
            }
            prop_assert!(!on_aws(&policy, action, KMS_KEY), "{action}: {policy}");
        }
        for action in ["kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt"] {
            let can = on_aws(&policy, action, KMS_KEY);
            prop_assert_eq!(can, needed_on_key(&request).contains(&action), "{}", action);
            for via in [None, Some("s3.eu-west-2.amazonaws.com"), Some("ec2.eu-west-1.amazonaws.com")] {
                let can = allows(&policy, Asked { action, resource: KMS_KEY, via }, true);
                prop_assert!(!can, "{action} {via:?}: {policy}");
            }
        }
    }

    #[test]
    fn the_same_holds_on_another_store_if_the_session_can_be_narrowed(
        request in any_request(),
        another in key(),
        how in any::<usize>(),
    ) {
        let request = Request { connection: other(), ..request };
        let is_plain = !request.key.contains(['*', '?', '$']);
        let policy = of_object(&request);
        prop_assert_eq!(policy.is_ok(), is_plain, "{}", request.key);
        let Ok(policy) = policy else { return Ok(()) };
        for action in ACTIONS {
            let is_needed = needed_elsewhere(&request).contains(&action);
            prop_assert_eq!(elsewhere(&policy, action, &arn(&request.key)), is_needed, "{}", action);
            for key in [another.clone(), near(&request.key, how)] {
                prop_assert!(key == request.key || !elsewhere(&policy, action, &arn(&key)), "{action} {key}");
            }
        }
    }
}

/// Tries a property with random inputs. It returns whether its input puts it to the test, which an eighth must do.
fn in_an_eighth<S: Strategy>(
    what: &str,
    inputs: &S,
    property: impl Fn(S::Value) -> Result<bool, TestCaseError>,
) {
    let (all, able) = (Cell::new(0_u32), Cell::new(0_u32));
    let outcome =
        TestRunner::new(contextualize_config(ProptestConfig::with_cases(700))).run(inputs, |input| {
            let is_able = property(input)?;
            all.set(all.get() + 1);
            able.set(able.get() + u32::from(is_able));
            Ok(())
        });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let (all, able) = (all.get(), able.get());
    assert!(able * 8 >= all, "{able} of {all} {what}");
}

#[test]
fn what_a_policy_allows_the_session_of_the_namespace_can_do() {
    let inputs = (
        prop::collection::vec(any_rule(), 1..4),
        any_request(),
        any::<prop::sample::Index>(),
        rest(),
        any::<bool>(),
    );
    in_an_eighth("were allowed", &inputs, |(rules, request, at, rest, is_aws)| {
        let (connection, rules) = on(is_aws, rules);
        let request = fitting(at.get(&rules), Request { connection, ..request }, at, &rest);
        let policy = Policy { rules, lets_uploads_copy: false };
        let verdict = policy.judge(&request, Requester::new("team-a", "report"));
        let Verdict::Allowed { .. } = verdict else { return Ok(false) };
        let narrowed = of_namespace(&policy, "team-a", &request.connection).unwrap();
        let can = if is_aws { on_aws } else { elsewhere };
        let all = if is_aws { needed(&request) } else { needed_elsewhere(&request) };
        for action in all {
            prop_assert!(can(&narrowed, action, &arn(&request.key)), "{action} {}: {narrowed}", request.key);
        }
        for action in needed_on_key(&request) {
            prop_assert_eq!(can(&narrowed, action, KMS_KEY), is_aws, "{}: {}", action, narrowed);
        }
        Ok(true)
    });
}

#[test]
fn a_session_of_one_namespace_reaches_no_key_of_another() {
    let inputs = (
        prop::collection::vec(any_rule(), 1..4),
        prop::sample::select(vec!["", "tenants/", "*/", "tenants/?/$/"]),
        any_request(),
        any::<prop::sample::Index>(),
        rest(),
        any::<bool>(),
    );
    in_an_eighth(
        "sessions reach a key of their own namespace",
        &inputs,
        |(rules, before, request, at, rest, is_aws)| {
            let rules = rules.into_iter().map(|rule| below_namespaces(rule, before)).collect();
            let (connection, rules) = on(is_aws, rules);
            let of_a = fitting(at.get(&rules), request, at, &rest).key;
            let policy = Policy { rules, lets_uploads_copy: false };
            let narrowed = of_namespace(&policy, "team-b", &connection).unwrap();
            let can = if is_aws { on_aws } else { elsewhere };
            let own = arn(&of_a.replacen("team-a", "team-b", 1));
            let reaches_own = ACTIONS.iter().any(|action| can(&narrowed, action, &own));
            for key in [of_a, format!("{before}team-a/{rest}"), format!("tenants/team-a/{rest}")] {
                for action in ACTIONS {
                    prop_assert!(!can(&narrowed, action, &arn(&key)), "{action} {key}: {narrowed}");
                }
            }
            Ok(reaches_own)
        },
    );
}
