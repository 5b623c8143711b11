//! The exact text of the session policies for namespaces.

use std::slice::from_ref;

use super::*;
use crate::domain::policy::KeyPatterns;

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

/// A rule for everything below `tenants/{namespace}/` in `media`.
fn rule(methods: &[Method]) -> PolicyRule {
    PolicyRule {
        name: "mine".to_owned(),
        methods: methods.to_vec(),
        buckets: texts(&["media"]),
        keys: KeyPatterns::Prefixes(texts(&["tenants/{namespace}/"])),
        ..PolicyRule::default()
    }
}

fn policy(rules: &[PolicyRule]) -> Policy {
    Policy { rules: rules.to_vec(), lets_uploads_copy: false }
}

fn narrowed(rules: &[PolicyRule]) -> Result<String, Unnarrowable> {
    of_namespace(&policy(rules), "team-a", &aws("eu-west-1"))
}

fn with_keys(methods: &[Method], keys: KeyPatterns) -> PolicyRule {
    PolicyRule { keys, ..rule(methods) }
}

const MINE: &str = "arn:aws:s3:::media/tenants/team-a/*";
const NOTHING: &str = r#"{"Effect":"Deny","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}"#;

#[test]
fn a_rule_gives_the_actions_of_its_rows() {
    let named = |headers: &[&str]| PolicyRule { allow_headers: Some(texts(headers)), ..rule(&[Method::Put]) };
    let versions = |methods: &[Method]| PolicyRule { allows_versions: true, ..rule(methods) };
    let required = PolicyRule {
        require_headers: vec![("X-Amz-Tagging".to_owned(), Some("a=b".to_owned()))],
        ..rule(&[Method::Put])
    };
    let both = "kms:Decrypt kms:GenerateDataKey";
    let changes = &[Method::Put, Method::Delete];
    for (rule, actions, on_key) in [
        (rule(&[Method::Get]), "s3:GetObject", READ),
        (rule(&[Method::Head, Method::Get]), "s3:GetObject", READ),
        (versions(&[Method::Get]), "s3:GetObject s3:GetObjectVersion", READ),
        (rule(&[Method::Put]), "s3:PutObject", both),
        (rule(&[Method::Delete]), "s3:DeleteObject", ""),
        (versions(&[Method::Delete]), "s3:DeleteObject s3:DeleteObjectVersion", ""),
        (
            rule(&[Method::Delete, Method::Get, Method::Put]),
            "s3:DeleteObject s3:GetObject s3:PutObject",
            both,
        ),
        (required, "s3:PutObject s3:PutObjectTagging", both),
        (named(&["x-amz-acl"]), "s3:PutObject s3:PutObjectAcl", both),
        (named(&["x-amz-grant-read"]), "s3:PutObject s3:PutObjectAcl", both),
        (named(&["X-Amz-Object-Lock-Mode"]), "s3:PutObject s3:PutObjectRetention", both),
        (named(&["x-amz-object-lock-legal-hold"]), "s3:PutObject s3:PutObjectLegalHold", both),
        (named(&["if-*"]), "s3:GetObject s3:PutObject", both),
        // No wildcard of a rule includes these headers.
        (named(&["x-amz-*", "x-amz-grant-*"]), "s3:PutObject", both),
        (
            PolicyRule { allow_headers: Some(texts(&["x-amz-acl"])), ..rule(&[Method::Get]) },
            "s3:GetObject",
            READ,
        ),
        (named(&["x-amz-copy-source"]), "s3:PutObject", both),
        (
            PolicyRule { allow_headers: Some(texts(&["if-match"])), ..rule(changes) },
            "s3:DeleteObject s3:GetObject s3:PutObject",
            both,
        ),
    ] {
        assert_eq!(narrowed(from_ref(&rule)), Ok(expected(actions, MINE, on_key)), "{rule:?}");
    }
}

#[test]
fn keys_are_those_of_the_namespace_for_every_name() {
    let prefixes = |all: &[&str]| KeyPatterns::Prefixes(texts(all));
    let keys = |all: &[&str]| KeyPatterns::Keys(texts(all));
    for (keys, resources) in [
        (prefixes(&["tenants/{namespace}/"]), "tenants/team-a/*"),
        (prefixes(&["shared/", "{namespace}/"]), "shared/* team-a/*"),
        (prefixes(&["{namespace}/{name}/"]), "team-a/*"),
        (prefixes(&["{namespace}/{name}/x/"]), "team-a/*"),
        (prefixes(&["{name}/"]), "*"),
        (prefixes(&["a{namespace}b/*/"]), "a{namespace}b/${*}/*"),
        (keys(&["reports/{namespace}/daily.csv"]), "reports/team-a/daily.csv"),
        (keys(&["reports/{namespace}/{name}"]), "reports/team-a/*"),
        (keys(&["{name}/daily.csv"]), "*"),
        (keys(&["a?", "a?"]), "a${?}"),
    ] {
        let resources: Vec<String> =
            resources.split(' ').map(|key| format!("arn:aws:s3:::media/{key}")).collect();
        let rule = with_keys(&[Method::Delete], keys);
        let expected = expected("s3:DeleteObject", &resources.join(" "), "");
        assert_eq!(narrowed(from_ref(&rule)), Ok(expected), "{rule:?}");
    }
}

#[test]
fn rules_with_the_same_actions_share_a_statement() {
    let reads = PolicyRule { buckets: texts(&["media", "backup"]), ..rule(&[Method::Get]) };
    let more = PolicyRule { buckets: texts(&["archive"]), ..rule(&[Method::Head]) };
    let deletions = rule(&[Method::Delete]);
    let expected = document(concat!(
        r#"{"Effect":"Allow","Action":["s3:DeleteObject","s3:GetObject"],"Resource":["arn:aws:s3:::media/tenants/team-a/*"]},"#,
        r#"{"Effect":"Allow","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::archive/tenants/team-a/*","arn:aws:s3:::backup/tenants/team-a/*"]},"#,
        r#"{"Effect":"Allow","Action":["kms:Decrypt"],"Resource":["*"],"Condition":{"StringEquals":{"kms:ViaService":"s3.eu-west-1.amazonaws.com"}}}"#,
    ));
    assert_eq!(narrowed(&[reads.clone(), deletions.clone(), more.clone()]).as_deref(), Ok(&*expected));
    assert_eq!(narrowed(&[more, reads, deletions]).as_deref(), Ok(&*expected));
}

#[test]
fn a_namespace_without_a_permission_gets_a_denial_of_everything() {
    let of_b = PolicyRule { namespaces: Some(texts(&["team-b"])), ..rule(&[Method::Get]) };
    let refused_names = ["media/tenants", "arn:aws:s3:::media", "*", "me*", "a:media"];
    let odd = PolicyRule { buckets: texts(&refused_names), ..rule(&[Method::Get]) };
    let ours = PolicyRule { namespaces: Some(texts(&["team-b", "team-a"])), ..rule(&[Method::Delete]) };
    for rules in [&[][..], from_ref(&of_b), &[rule(&[])], &[odd]] {
        assert_eq!(narrowed(rules), Ok(document(NOTHING)), "{rules:?}");
    }
    assert_eq!(narrowed(&[of_b.clone(), ours]), Ok(expected("s3:DeleteObject", MINE, "")));
    let china = of_namespace(&policy(&[]), "team-a", &aws("cn-north-1")).unwrap();
    assert_eq!(china, document(&NOTHING.replace("arn:aws:", "arn:aws-cn:")));
    // A rule of others is not read at all.
    let unnarrowable = PolicyRule { keys: KeyPatterns::Keys(texts(&["{name}/{namespace}"])), ..of_b };
    assert_eq!(narrowed(&[unnarrowable]), Ok(document(NOTHING)));
}

#[test]
fn uploads_that_could_copy_are_left_out() {
    let rules = [rule(&[Method::Put, Method::Post, Method::Get]), rule(&[Method::Put, Method::Post])];
    let policy = Policy { rules: rules.to_vec(), lets_uploads_copy: true };
    let narrowed = of_namespace(&policy, "team-a", &other());
    assert_eq!(narrowed, Ok(expected("s3:GetObject", MINE, "")));
    let uploads = Policy { rules: rules[1..].to_vec(), lets_uploads_copy: true };
    assert_eq!(of_namespace(&uploads, "team-a", &other()), Ok(document(NOTHING)));
}

#[test]
fn forms_are_uploads_unless_their_rule_requires_headers() {
    let posts = rule(&[Method::Post]);
    assert_eq!(narrowed(from_ref(&posts)), Ok(expected("s3:PutObject", MINE, WRITE)));
    let required = PolicyRule { require_headers: vec![("If-Match".to_owned(), None)], ..posts };
    assert_eq!(narrowed(&[required]), Ok(document(NOTHING)));
}

#[test]
fn what_a_store_could_misread_is_refused() {
    let get = |keys: &[&str]| with_keys(&[Method::Get], KeyPatterns::Prefixes(texts(keys)));
    for (keys, character) in [("a*/", '*'), ("a/$b/", '$'), ("{namespace}/?/{name}/", '?')] {
        let refused = of_namespace(&policy(&[get(&[keys])]), "team-a", &other()).unwrap_err();
        assert_eq!(refused, Unnarrowable::RuleKeys { rule: "mine".to_owned(), character });
        assert!(narrowed(&[get(&[keys])]).is_ok());
    }
    // What follows the name is not in the policy.
    assert!(of_namespace(&policy(&[get(&["{name}/*/"])]), "team-a", &other()).is_ok());
    let refused = narrowed(&[get(&["a/", "{name}/{namespace}/"])]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the session cannot be narrowed to the namespace, because the keys of rule \"mine\" have {namespace} after {name}: the owner of the signer can put {namespace} first, or set session.narrowTo to Object or Nothing"
    );
}

#[test]
fn a_policy_that_would_be_too_long_is_refused() {
    let keys = |count: usize| {
        KeyPatterns::Prefixes((0..count).map(|number| format!("{number:02}{}/", "p".repeat(100))).collect())
    };
    assert!(narrowed(&[with_keys(&[Method::Get], keys(13))]).is_ok());
    let refused = narrowed(&[with_keys(&[Method::Get], keys(16))]).unwrap_err();
    let Unnarrowable::LongForNamespace { length } = refused else { panic!("{refused}") };
    assert!((2049..2500).contains(&length), "{length}");
    let message = refused.to_string();
    assert!(message.contains(&format!("would have {length} characters, and at most 2048 are")), "{message}");
}
