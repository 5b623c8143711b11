//! What rules say of forms.

use super::*;
use crate::domain::model::form;
use crate::domain::request::Form;

/// A rule that allows forms below `tenants/team-a/` in `media`.
fn uploads() -> PolicyRule {
    PolicyRule { methods: vec![Method::Post, Method::Put], ..rule() }
}

fn posted(key: &str, form: Form) -> Request {
    Request { method: Method::Post, form: Some(form), ..asked(key) }
}

#[test]
fn a_form_needs_a_rule_for_post() {
    let request = posted("tenants/team-a/a", form());
    assert!(is_allowed(uploads(), &request));
    let put = PolicyRule { methods: vec![Method::Put], ..rule() };
    assert_eq!(denial(put, &request), "spec.method: the signer allows PUT");
}

#[test]
fn a_rule_that_requires_headers_allows_no_form() {
    let required = vec![("If-None-Match".to_owned(), None)];
    let rule = PolicyRule { require_headers: required, ..uploads() };
    let message = denial(rule, &posted("tenants/team-a/a", form()));
    assert_eq!(
        message,
        "spec.method: the signer requires the header If-None-Match, which a form cannot have: use PUT"
    );
}

#[test]
fn a_prefix_is_a_matter_of_its_own() {
    let open = || Form { is_key_prefix: true, ..form() };
    let permitted = PolicyRule { allows_post_prefix: true, ..uploads() };
    for key in ["tenants/team-a/", "tenants/team-a/in/"] {
        let message = denial(uploads(), &posted(key, open()));
        assert!(
            message.starts_with("spec.form.keyPrefix: the signer does not allow forms whose"),
            "{message}"
        );
        assert!(is_allowed(permitted.clone(), &posted(key, open())), "{key}");
        assert!(!is_allowed(permitted.clone(), &posted(key, form())), "{key}: this is a whole key");
    }
    for key in ["tenants/", "tenants/team-b/", "tenants/team-a//", "tenants/team-a/%2e/", "/tenants/team-a/"]
    {
        assert!(!is_allowed(permitted.clone(), &posted(key, open())), "{key}");
    }
    let exact = KeyPatterns::Keys(vec!["tenants/team-a".to_owned()]);
    assert!(!is_allowed(PolicyRule { keys: exact, ..permitted }, &posted("tenants/team-a/", open())));
}

#[test]
fn a_whole_key_is_no_prefix() {
    // The schema refuses such a key, but a rule may have been stored under another schema.
    for pattern in ["tenants/team-a/", "tenants/{namespace}/"] {
        let keys = KeyPatterns::Keys(vec![pattern.to_owned()]);
        let rule = PolicyRule { keys, allows_post_prefix: true, ..uploads() };
        let request = posted("tenants/team-a/", Form { is_key_prefix: true, ..form() });
        let message = denial(rule, &request);
        assert!(message.starts_with("spec.form.keyPrefix: the signer allows only whole keys"), "{message}");
    }
}

#[test]
fn the_size_is_bounded_where_the_rule_says_so() {
    let sized = |max_size| posted("tenants/team-a/a", Form { max_size, ..form() });
    let bounded = PolicyRule { max_form_size: Some(1000), ..uploads() };
    assert!(is_allowed(bounded.clone(), &sized(1000)));
    let message = denial(bounded, &sized(1001));
    assert_eq!(message, "spec.form.maxSize: the signer allows at most 1000 bytes: reduce it");
}

#[test]
fn what_bounds_a_put_bounds_a_form_too() {
    let sized = |max_size| posted("tenants/team-a/a", Form { max_size, ..form() });
    for (max_content_length, max_form_size) in
        [(Some(1000), None), (Some(1000), Some(2000)), (Some(2000), Some(1000))]
    {
        let rule = PolicyRule { max_content_length, max_form_size, ..uploads() };
        assert!(is_allowed(rule.clone(), &sized(1000)), "{max_content_length:?} {max_form_size:?}");
        let message = denial(rule, &sized(1001));
        assert_eq!(message, "spec.form.maxSize: the signer allows at most 1000 bytes: reduce it");
    }
}

#[test]
fn the_content_type_and_the_metadata_are_judged_as_headers() {
    let allowing = |names: &[&str]| PolicyRule {
        allow_headers: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..uploads()
    };
    let metadata = vec![("x-amz-meta-camera".to_owned(), "7".to_owned())];
    let typed = |text: &str| Form { content_type: Some(text.to_owned()), ..form() };
    let noted = Form { metadata, ..form() };
    for (form, rule, expected) in [
        (typed("image/"), uploads(), None),
        (noted.clone(), uploads(), None),
        (typed("image/"), allowing(&["content-type"]), None),
        (noted.clone(), allowing(&["X-Amz-Meta-*"]), None),
        (
            typed("image/png"),
            allowing(&["x-amz-meta-*"]),
            Some("spec.form.contentType: the signer does not allow Content-Type: remove it"),
        ),
        (
            noted,
            allowing(&["Content-Type", "x-amz-meta-note"]),
            Some("spec.form.metadata: the signer does not allow x-amz-meta-camera: remove it"),
        ),
        (form(), allowing(&[]), None),
    ] {
        let request = posted("tenants/team-a/a", form);
        match expected {
            None => assert!(is_allowed(rule, &request)),
            Some(expected) => assert_eq!(denial(rule, &request), expected),
        }
    }
}

#[test]
fn forms_are_denied_where_upload_urls_could_copy() {
    let policy = Policy { rules: vec![uploads()], lets_uploads_copy: true };
    let verdict = policy.judge(&posted("tenants/team-a/a", form()), REQUESTER);
    let Verdict::Denied(denial) = verdict else { panic!() };
    assert!(denial.is_unsafe && denial.to_string().contains("does not permit POST"), "{denial}");
}
