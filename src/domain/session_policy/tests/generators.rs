//! What the properties are tried with: requests, rules and keys, also odd ones.

use proptest::prelude::*;

use super::*;
use crate::domain::model::form;
use crate::domain::policy::KeyPatterns;

const METHODS: [Method; 5] = [Method::Get, Method::Head, Method::Put, Method::Delete, Method::Post];
const HEADERS: [&str; 6] = [
    "x-amz-tagging",
    "X-Amz-Acl",
    "x-amz-grant-read",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-legal-hold",
    "content-type",
];

pub fn key() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b",
        "/",
        "*",
        "?",
        "$",
        "${",
        "}",
        "{",
        "${*}",
        "${aws:username}",
        "é",
        "日",
        "🦀",
        "\"",
        "\\",
        ":",
    ]);
    prop_oneof![3 => prop::collection::vec(piece, 1..8).prop_map(|all| all.concat()), 1 => "\\PC{1,12}"]
}

/// A key like another one: shorter, longer, or with other characters in place of wildcards.
pub fn near(key: &str, how: usize) -> String {
    let count = key.chars().count();
    match how % 7 {
        0 => format!("{key}a"),
        1 => format!("a{key}"),
        2 => key.chars().take(count - 1).collect(),
        3 => key.chars().skip(1).collect(),
        4 => key.replace('*', "xy/z"),
        5 => key.replace('?', "x"),
        _ => key.to_uppercase(),
    }
}

pub fn any_request() -> impl Strategy<Value = Request> {
    let method = prop::sample::select(METHODS.to_vec());
    let headers = prop::sample::subsequence(HEADERS.to_vec(), 0..3);
    (method, key(), headers, any::<bool>()).prop_map(|(method, key, headers, has_query)| {
        let query = match method {
            _ if !has_query => Vec::new(),
            Method::Put => pairs(&[("partNumber", "1"), ("uploadId", "u")]),
            Method::Post => Vec::new(),
            _ => pairs(&[("versionId", "3")]),
        };
        let headers = if method == Method::Post { Vec::new() } else { headers };
        let headers = headers.into_iter().map(|name| (name.to_owned(), "v".to_owned())).collect();
        Request { key, headers, query, ..asked(method) }
    })
}

/// Patterns as a valid policy has them, with each namespace before each name.
fn patterns() -> impl Strategy<Value = Vec<String>> {
    let part = || prop::sample::select(vec!["tenants", "a", "*", "a?", "$a", "{namespace}", "é"]);
    let pattern = (prop::collection::vec(part(), 1..3), any::<bool>(), any::<bool>());
    let pattern = pattern.prop_map(|(parts, has_namespace, has_name)| {
        let ends = [(has_namespace, "{namespace}"), (has_name, "{name}")];
        let ends = ends.into_iter().filter_map(|(is_there, end)| is_there.then_some(end));
        parts.into_iter().chain(ends).collect::<Vec<_>>().join("/")
    });
    prop::collection::vec(pattern, 1..3)
}

pub fn any_rule() -> impl Strategy<Value = PolicyRule> {
    let methods = prop::sample::subsequence(METHODS.to_vec(), 1..3);
    let namespaces = prop::option::of(prop::sample::subsequence(vec!["team-a", "team-b"], 1..=2));
    let headers = prop::option::of(prop::sample::subsequence(HEADERS.to_vec(), 0..=6));
    let parts = (namespaces, methods, patterns(), any::<bool>(), headers, any::<bool>());
    parts.prop_map(|(namespaces, methods, patterns, is_prefix, headers, allows_versions)| PolicyRule {
        name: "r".to_owned(),
        namespaces: namespaces.map(|all| all.into_iter().map(str::to_owned).collect()),
        methods,
        buckets: vec!["media".to_owned()],
        keys: if is_prefix {
            KeyPatterns::Prefixes(patterns.iter().map(|text| format!("{text}/")).collect())
        } else {
            KeyPatterns::Keys(patterns)
        },
        allow_headers: headers.map(|all| all.into_iter().map(str::to_owned).collect()),
        allows_versions,
        ..PolicyRule::default()
    })
}

/// A request that a rule could allow, whose key begins with or is one of its patterns.
pub fn fitting(rule: &PolicyRule, request: Request, at: prop::sample::Index, rest: &str) -> Request {
    let (KeyPatterns::Prefixes(all) | KeyPatterns::Keys(all)) = &rule.keys;
    let mut key = at.get(all).replace("{namespace}", "team-a").replace("{name}", "report");
    if matches!(rule.keys, KeyPatterns::Prefixes(_)) {
        key.push_str(rest);
    }
    let method = *at.get(&rule.methods);
    let allowed = rule.allow_headers.as_deref().unwrap_or_default();
    let headers = request.headers.into_iter().filter(|(name, _)| allowed.contains(name)).collect();
    let has_version = rule.allows_versions && !matches!(method, Method::Put | Method::Post);
    let query = if has_version { request.query } else { Vec::new() };
    let headers = if method == Method::Post { Vec::new() } else { headers };
    let form = (method == Method::Post).then(form);
    Request { key, method, headers, query, form, ..request }
}

/// A rule without the characters that stores other than AWS misread.
fn plain(rule: PolicyRule) -> PolicyRule {
    let plain = |all: &[String]| all.iter().map(|text| text.replace(['*', '?', '$'], "w")).collect();
    PolicyRule { keys: edited(&rule.keys, plain), ..rule }
}

fn edited(keys: &KeyPatterns, edit: impl Fn(&[String]) -> Vec<String>) -> KeyPatterns {
    match keys {
        KeyPatterns::Prefixes(all) => KeyPatterns::Prefixes(edit(all)),
        KeyPatterns::Keys(all) => KeyPatterns::Keys(edit(all)),
    }
}

/// AWS or another store, with rules that it can be narrowed to.
pub fn on(is_aws: bool, rules: Vec<PolicyRule>) -> (Connection, Vec<PolicyRule>) {
    if is_aws {
        return (aws("eu-west-1"), rules);
    }
    (other(), rules.into_iter().map(plain).collect())
}

/// What follows a prefix.
pub fn rest() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-c*?$é]{1,4}(/[ab{}:*]{1,3})?", 1 => key()]
}

/// A rule for all namespaces whose keys have the namespace after a beginning.
pub fn below_namespaces(rule: PolicyRule, before: &str) -> PolicyRule {
    let below = |all: &[String]| all.iter().map(|text| format!("{before}{{namespace}}/{text}")).collect();
    PolicyRule { namespaces: None, keys: edited(&rule.keys, below), ..rule }
}
