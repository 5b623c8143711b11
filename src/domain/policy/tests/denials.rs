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
    // Another rule names the header, for other keys.
    let names = vec!["x-amz-acl".to_owned()];
    let public = PolicyRule { keys: prefixes(&["public/"]), allow_headers: Some(names), ..rule() };
    assert!(denied(vec![rule(), public.clone()], &with(&[("X-Amz-Acl", "public-read")])).is_unsafe);
    assert!(!denied(vec![rule(), public], &with(&[])).is_unsafe);
    assert!(!is_unsafe(&[("content-type", "text/plain")]) && !is_unsafe(&[]));
}

#[test]
fn a_list_in_a_sentence_names_five_items_at_most() {
    let message = |count: usize| {
        let buckets = (1..=count).map(|number| format!("b{number}")).collect();
        let request = Request { bucket: "other".to_owned(), ..asked("tenants/team-a/a") };
        denied(vec![PolicyRule { buckets, ..rule() }], &request).message
    };
    assert!(message(1).ends_with(" b1"), "{}", message(1));
    assert!(message(2).ends_with(" b1 or b2"), "{}", message(2));
    assert!(message(5).ends_with(" b1, b2, b3, b4 or b5"), "{}", message(5));
    assert!(message(6).ends_with(" b1, b2, b3, b4, b5 or 1 more"), "{}", message(6));
}
