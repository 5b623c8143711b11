//! What each part of a rule allows. `properties` has what is true of every judgement.

mod denials;
mod forms;
mod properties;

use super::*;
use crate::domain::model::request;

const REQUESTER: Requester<'static> = Requester { namespace: "team-a", name: "report" };

/// A rule that allows GET of everything below `tenants/team-a/` in `media`.
fn rule() -> PolicyRule {
    PolicyRule {
        name: "downloads".to_owned(),
        methods: vec![Method::Get],
        buckets: vec!["media".to_owned()],
        keys: prefixes(&["tenants/{namespace}/"]),
        ..PolicyRule::default()
    }
}

fn prefixes(all: &[&str]) -> KeyPatterns {
    KeyPatterns::Prefixes(all.iter().map(|prefix| (*prefix).to_owned()).collect())
}

fn asked(key: &str) -> Request {
    Request { bucket: "media".to_owned(), key: key.to_owned(), ..request() }
}

fn headers(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn judge(rules: Vec<PolicyRule>, request: &Request) -> Verdict {
    Policy { rules, lets_uploads_copy: false }.judge(request, REQUESTER)
}

/// The denial of a request.
fn denied(rules: Vec<PolicyRule>, request: &Request) -> Denial {
    match judge(rules, request) {
        Verdict::Denied(denial) => denial,
        Verdict::Allowed { rule, .. } => panic!("rule {rule} allows {request:?}"),
    }
}

/// The denial of a request, as the user reads it.
fn denial(rule: PolicyRule, request: &Request) -> String {
    denied(vec![rule], request).to_string()
}

fn is_allowed(rule: PolicyRule, request: &Request) -> bool {
    matches!(judge(vec![rule], request), Verdict::Allowed { .. })
}

#[test]
fn a_denial_names_the_field_and_what_would_be_allowed() {
    let allowed = asked("tenants/team-a/a.pdf");
    assert!(is_allowed(rule(), &allowed));
    let with = |edit: fn(&mut Request)| {
        let mut request = allowed.clone();
        edit(&mut request);
        request
    };
    for (request, expected) in [
        (with(|r| r.method = Method::Put), "spec.method: the signer allows GET"),
        (with(|r| r.bucket = "Media".to_owned()), "spec.bucket: for GET the signer allows media"),
        (
            with(|r| r.key = "tenants/team-b/a.pdf".to_owned()),
            "spec.key: keys of this namespace in media must begin with tenants/team-a/",
        ),
        (
            with(|r| r.query = headers(&[("versionId", "1")])),
            "spec.versionID: the signer does not allow versions: remove it",
        ),
        (
            with(|r| r.headers = headers(&[("x-amz-storage-class", "GLACIER")])),
            "spec.headers: the signer does not allow the header x-amz-storage-class: remove it",
        ),
        (
            with(|r| r.headers = headers(&[("X-Amz-Acl", "public-read")])),
            "spec.headers: X-Amz-Acl is not permitted by the signer: remove it",
        ),
        (with(|r| r.key = "tenants/team-a//b".to_owned()), "spec.key: with a signer, the key must not begin"),
    ] {
        let message = denial(rule(), &request);
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn a_rule_is_for_its_namespaces_only_and_others_do_not_see_it() {
    let of_b = PolicyRule {
        namespaces: Some(vec!["team-b".to_owned()]),
        keys: prefixes(&["secret-project/"]),
        ..rule()
    };
    let message = denial(of_b.clone(), &asked("secret-project/a"));
    assert_eq!(message, "spec.signerRef: no rule of the signer is for this namespace: ask its owner for one");
    let denial = denied(vec![of_b, rule()], &asked("secret-project/a"));
    assert!(!denial.to_string().contains("secret-project") && denial.field == "key", "{denial}");
}

#[test]
fn keys_that_a_store_could_take_for_others_are_denied_even_in_an_audit() {
    let everything = PolicyRule { keys: prefixes(&["tenants/team-a/"]), ..rule() };
    for key in [
        "tenants/team-a//b",
        "/tenants/team-a/b",
        "tenants/team-a/b/",
        "tenants/team-a/",
        "tenants/team-a/../team-b/c",
        "tenants/team-a/./c",
        "tenants/team-a/%2e%2e/c",
        "tenants/team-a/%2E/c",
        "tenants/team-a/..%2fteam-b/c",
        "tenants/team-a/..%5Cteam-b",
        "tenants/team-a\\..\\team-b",
    ] {
        let Verdict::Denied(denial) = judge(vec![everything.clone()], &asked(key)) else { panic!("{key}") };
        assert!(denial.is_unsafe, "{key}: {denial}");
    }
    for key in ["tenants/team-a/..b", "tenants/team-a/b..", "tenants/team-a/%20", "tenants/team-a/．．/c"] {
        assert!(is_allowed(everything.clone(), &asked(key)), "{key}");
    }
}

#[test]
fn look_alikes_of_a_prefix_are_other_keys() {
    for key in [
        "tenants/team-ab/c",
        "tenants/team-a",
        "tenants/TEAM-A/c",
        "Tenants/team-a/c",
        "tenants/team-а/c",
        "tenants/team\u{2010}a/c",
        "tenants/team-a\u{200b}/c",
        "tenants／team-a/c",
        "x/tenants/team-a/c",
        "tenants/{namespace}/c",
    ] {
        assert!(!is_allowed(rule(), &asked(key)), "{key}");
    }
}

#[test]
fn a_variable_without_a_value_allows_nothing() {
    let named = PolicyRule { keys: prefixes(&["{namespace}/{name}/", "{name}/"]), ..rule() };
    let policy = Policy { rules: vec![named], lets_uploads_copy: false };
    let allows = |requester, key| matches!(policy.judge(&asked(key), requester), Verdict::Allowed { .. });
    assert!(allows(REQUESTER, "team-a/report/x") && allows(REQUESTER, "report/x"));
    let nameless = Requester { name: "", ..REQUESTER };
    for key in ["team-a/x", "team-a/report/x", "x", "report/x"] {
        assert!(!allows(nameless, key), "{key}");
    }
}

#[test]
fn headers_are_required_allowed_and_refused() {
    let put = |all: &[(&str, &str)]| Request {
        method: Method::Put,
        headers: headers(all),
        ..asked("tenants/team-a/a")
    };
    let upload = PolicyRule {
        methods: vec![Method::Put],
        require_headers: vec![
            ("If-None-Match".to_owned(), Some("*".to_owned())),
            ("Content-Length".to_owned(), None),
        ],
        allow_headers: Some(vec!["x-amz-meta-*".to_owned(), "X-Amz-Acl".to_owned()]),
        max_content_length: Some(1000),
        ..rule()
    };
    let usual = [("if-none-match", "*"), ("content-length", "1000")];
    for (more, is_right) in [
        (&[][..], true),
        (&[("x-amz-meta-a", "b")], true),
        (&[("x-amz-acl", "private")], true),
        (&[("content-type", "text/plain")], false),
        (&[("x-amz-grant-read", "id=1")], false),
    ] {
        assert_eq!(is_allowed(upload.clone(), &put(&[&usual[..], more].concat())), is_right, "{more:?}");
    }
    for all in [
        &[("content-length", "1000")][..],
        &[("if-none-match", "x"), ("content-length", "1000")],
        &[("if-none-match", "*")],
        &[("if-none-match", "*"), ("content-length", "1001")],
    ] {
        assert!(!is_allowed(upload.clone(), &put(all)), "{all:?}");
    }
}

#[test]
fn no_pattern_allows_a_header_that_reaches_beyond_the_object() {
    let any = PolicyRule {
        methods: vec![Method::Put],
        allow_headers: Some(vec!["x-*".to_owned(), "x-amz-copy-source*".to_owned()]),
        ..rule()
    };
    let listed = PolicyRule { allow_headers: Some(vec!["x-amz-copy-source".to_owned()]), ..any.clone() };
    for name in [
        "x-amz-copy-source",
        "X-Amz-Copy-Source",
        "x-amz-copy-source-if-match",
        "x-oss-copy-source",
        "x-amz-rename-source",
        "x-amz-acl",
        "x-amz-grant-full-control",
        "x-amz-tagging",
        "x-amz-website-redirect-location",
        "x-amz-object-lock-mode",
        "x-amz-server-side-encryption-aws-kms-key-id",
    ] {
        let put =
            Request { method: Method::Put, headers: headers(&[(name, "v")]), ..asked("tenants/team-a/a") };
        let Verdict::Denied(denial) = judge(vec![any.clone()], &put) else { panic!("{name}") };
        assert!(denial.is_unsafe, "{name}: {denial}");
        let is_listed = name.eq_ignore_ascii_case("x-amz-copy-source");
        assert_eq!(is_allowed(listed.clone(), &put), is_listed, "{name}");
    }
}

#[test]
fn uploads_are_denied_where_their_urls_could_copy() {
    let put = Request { method: Method::Put, ..asked("tenants/team-a/a") };
    let both = PolicyRule { methods: vec![Method::Put, Method::Get], ..rule() };
    let policy = Policy { rules: vec![both], lets_uploads_copy: true };
    let Verdict::Denied(denial) = policy.judge(&put, REQUESTER) else { panic!() };
    assert!(denial.is_unsafe && denial.field == "method", "{denial}");
    assert!(matches!(policy.judge(&asked("tenants/team-a/a"), REQUESTER), Verdict::Allowed { .. }));
}

#[test]
fn the_longest_lifetime_of_the_rules_that_allow_counts() {
    let capped = |name: &str, cap| PolicyRule { name: name.to_owned(), max_expires_in: cap, ..rule() };
    let others = PolicyRule { methods: vec![Method::Head], ..capped("others", None) };
    for (caps, expected) in [
        (&[Some(60), Some(3600)][..], ("1", Some(3600))),
        (&[Some(60), None, Some(3600)], ("1", None)),
        (&[Some(60), Some(60)], ("0", Some(60))),
    ] {
        let named = caps.iter().enumerate().map(|(number, cap)| capped(&number.to_string(), *cap));
        let rules = std::iter::once(others.clone()).chain(named).collect();
        let expected = Verdict::Allowed { rule: expected.0.to_owned(), cap: expected.1 };
        assert_eq!(judge(rules, &asked("tenants/team-a/a")), expected);
    }
}

#[test]
fn a_message_names_a_few_of_many() {
    let keys: Vec<String> = (0..32).map(|number| format!("{}{number}/", "p".repeat(1000))).collect();
    let message = denial(PolicyRule { keys: KeyPatterns::Prefixes(keys), ..rule() }, &asked("a"));
    assert!(message.ends_with("or 27 more") && message.len() < 6000, "{}", message.len());
}

#[test]
fn tags_that_some_store_acts_on_are_denied_even_in_an_audit() {
    for (name, is_denied) in [
        ("x-image-process", true),
        ("X-Image-Save-Bucket", true),
        ("x-tos-save-object", true),
        ("x-bce-process", true),
        ("x-some-copy-source", true),
        ("x-oss-callback-var", true),
        ("x-audit-user", false),
        ("x-resource", false),
        ("x-oracle", false),
    ] {
        let request = Request { query: headers(&[(name, "v")]), ..asked("tenants/team-a/a") };
        match judge(vec![rule()], &request) {
            Verdict::Allowed { .. } => assert!(!is_denied, "{name}"),
            Verdict::Denied(denial) => {
                assert!(is_denied && denial.is_unsafe && denial.field == "query", "{name}");
            }
        }
    }
}
