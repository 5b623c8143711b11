//! Which denial is reported when several rules deny, and what an audit denies too.

use super::*;

#[test]
fn a_denial_is_that_of_the_rule_of_which_most_holds_and_of_these_the_first() {
    let uploads = PolicyRule { methods: vec![Method::Put], ..rule() };
    let drafts = PolicyRule { keys: prefixes(&["drafts/"]), ..rule() };
    let message =
        |rules: [&PolicyRule; 3]| denied(rules.map(Clone::clone).into(), &asked("other/a")).to_string();
    let downloads = rule();
    for rules in
        [[&uploads, &downloads, &drafts], [&downloads, &drafts, &uploads], [&downloads, &uploads, &drafts]]
    {
        assert!(message(rules).ends_with("must begin with tenants/team-a/"), "{}", message(rules));
    }
    assert!(message([&uploads, &drafts, &downloads]).ends_with("must begin with drafts/"));
}

#[test]
fn a_harmful_header_is_denied_even_in_an_audit_whatever_else_is_wrong() {
    let with = |names: &[(&str, &str)]| Request { headers: headers(names), ..asked("other/a") };
    let is_unsafe = |names: &[(&str, &str)]| denied(vec![rule()], &with(names)).is_unsafe;
    assert!(is_unsafe(&[("X-Amz-Acl", "public-read")]));
    assert!(!is_unsafe(&[("content-type", "text/plain")]) && !is_unsafe(&[]));
}
