//! Properties of every judgement, of any policy and any request.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{TestRunner, contextualize_config};

use super::*;
use crate::domain::model::form;
use crate::domain::request::Form;

const METHODS: [Method; 5] = [Method::Get, Method::Head, Method::Put, Method::Delete, Method::Post];

/// Texts that keys and names are made of: ordinary ones, and what attackers try.
fn segment() -> impl Strategy<Value = String> {
    let odd = ["", ".", "..", "%2e", "team-a", "team-b", "tenants", "{namespace}", "{name}", "report", "a"];
    prop_oneof![
        4 => prop::sample::select(odd.to_vec()).prop_map(str::to_owned),
        2 => "[a-c]{1,2}",
        1 => "\\PC{1,4}",
    ]
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(segment(), 1..5).prop_map(|parts| parts.join("/"))
}

/// A pattern as a valid policy has it.
fn pattern() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["tenants", "{namespace}", "{name}", "a", "team-a", "team-b"]);
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"))
}

fn any_rule() -> impl Strategy<Value = PolicyRule> {
    let method = || prop::sample::select(METHODS.to_vec());
    let keys = prop_oneof![
        prop::collection::vec(pattern(), 1..3)
            .prop_map(|all| KeyPatterns::Prefixes(all.iter().map(|p| format!("{p}/")).collect())),
        // Some end with a slash, which no schema permits.
        prop::collection::vec((pattern(), prop::sample::select(vec!["", "", "/"])), 1..3)
            .prop_map(|all| KeyPatterns::Keys(all.into_iter().map(|(key, end)| key + end).collect())),
    ];
    let namespaces = prop::option::of(prop::sample::subsequence(vec!["team-a", "team-b"], 1..=2));
    let cap = prop::option::of(60_u32..7200);
    let buckets =
        prop_oneof![3 => Just(vec!["media"]), 1 => Just(vec!["other"]), 1 => Just(vec!["media", "other"])];
    let name = "[a-z]{1,3}";
    (name, namespaces, prop::collection::vec(method(), 1..4), buckets, keys, cap, any::<bool>()).prop_map(
        |(name, namespaces, methods, buckets, keys, max_expires_in, allows_versions)| PolicyRule {
            name,
            namespaces: namespaces.map(|all| all.into_iter().map(str::to_owned).collect()),
            methods,
            buckets: buckets.into_iter().map(str::to_owned).collect(),
            keys,
            max_expires_in,
            allows_versions,
            allows_post_prefix: allows_versions,
            ..PolicyRule::default()
        },
    )
}

fn any_request() -> impl Strategy<Value = Request> {
    let method = prop::sample::select(METHODS.to_vec());
    // Half of the keys are what a rule could allow.
    let near = (pattern(), path()).prop_map(|(pattern, rest)| {
        let rendered = pattern.replace("{namespace}", "team-a").replace("{name}", "report");
        format!("{rendered}/{rest}")
    });
    let key = prop_oneof![path(), near, pattern().prop_map(|p| p.replace("{namespace}", "team-a"))];
    let versions = prop_oneof![3 => Just(Vec::new()), 1 => Just(headers(&[("versionId", "1")]))];
    let bucket = prop_oneof![4 => Just("media"), 1 => Just("other")];
    (method, bucket, key, versions, any::<bool>()).prop_map(|(method, bucket, key, query, is_key_prefix)| {
        let bucket = bucket.to_owned();
        if method != Method::Post {
            return Request { bucket, method, query, ..asked(&key) };
        }
        let key = if is_key_prefix { format!("{}/", key.trim_end_matches('/')) } else { key };
        Request { bucket, method, form: Some(Form { is_key_prefix, ..form() }), ..asked(&key) }
    })
}

/// A request that a rule could allow, whose key begins with or is one of its patterns.
fn fitting(
    rule: &PolicyRule,
    request: Request,
    at: prop::sample::Index,
    rest: &str,
    (namespace, name): (&str, &str),
) -> Request {
    let (KeyPatterns::Prefixes(all) | KeyPatterns::Keys(all)) = &rule.keys;
    let mut key = at.get(all).replace("{namespace}", namespace).replace("{name}", name);
    if matches!(rule.keys, KeyPatterns::Prefixes(_)) {
        key.push_str(rest);
    }
    let (method, bucket) = (*at.get(&rule.methods), at.get(&rule.buckets).clone());
    let form = request.form.clone().unwrap_or_else(form);
    Request { method, bucket, key, form: (method == Method::Post).then_some(form), ..request }
}

fn requester() -> impl Strategy<Value = (String, String)> {
    let text =
        |all: &[&str]| prop::sample::select(all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    (text(&["team-a", "team-b", "tenants", "a"]), text(&["report", "a", ""]))
}

/// The cap of a verdict; `None` if it is a denial.
fn cap_of(verdict: &Verdict) -> Option<u32> {
    match verdict {
        Verdict::Allowed { cap, .. } => Some(cap.unwrap_or(u32::MAX)),
        Verdict::Denied(_) => None,
    }
}

#[test]
fn what_is_allowed_begins_with_the_prefix_and_goes_on_without_tricks() {
    let (all, allowed) = (Cell::new(0_u32), Cell::new(0_u32));
    // Most requests are made for one of the rules.
    let fit = prop::option::weighted(0.75, (any::<prop::sample::Index>(), path()));
    let inputs = (prop::collection::vec(any_rule(), 1..4), any_request(), requester(), fit);
    let mut runner = TestRunner::new(contextualize_config(ProptestConfig::with_cases(4000)));
    let outcome = runner.run(&inputs, |(rules, mut request, (mut namespace, name), fit)| {
        if let Some((at, rest)) = fit {
            let rule = at.get(&rules);
            if let Some(all) = &rule.namespaces {
                namespace.clone_from(at.get(all));
            }
            request = fitting(rule, request, at, &rest, (&namespace, &name));
        }
        let requester = Requester::new(&namespace, &name);
        let policy = Policy { rules: rules.clone(), lets_uploads_copy: false };
        all.set(all.get() + 1);
        let Verdict::Allowed { rule, cap } = policy.judge(&request, requester) else { return Ok(()) };
        allowed.set(allowed.get() + 1);
        let fill = |text: &str| text.replace("{namespace}", &namespace).replace("{name}", &name);
        let holds = |candidate: &&PolicyRule| {
            let (patterns, is_prefix) = match &candidate.keys {
                KeyPatterns::Prefixes(patterns) => (patterns, true),
                KeyPatterns::Keys(patterns) => (patterns, false),
            };
            let mut rests = patterns
                .iter()
                .filter(|text| !(text.contains("{name}") && name.is_empty()))
                .filter_map(|text| request.key.strip_prefix(&fill(text)));
            // What a visitor chooses is not known; what the form has before it is clean.
            let is_prefix_form = request.form.as_ref().is_some_and(|form| form.is_key_prefix);
            let is_clean = |rest: &str| {
                let rest = if is_prefix_form { rest.strip_suffix('/').unwrap_or(rest) } else { rest };
                (is_prefix_form && rest.is_empty())
                    || rest.split('/').all(|part| !["", ".", ".."].contains(&part))
            };
            let is_whole = |rest: &str| rest.is_empty() && !is_prefix_form;
            let fits = rests.any(|rest| if is_prefix { is_clean(rest) } else { is_whole(rest) });
            candidate.name == rule
                && candidate.max_expires_in == cap
                && candidate.namespaces.as_ref().is_none_or(|all| all.contains(&namespace))
                && candidate.methods.contains(&request.method)
                && candidate.buckets.contains(&request.bucket)
                && (candidate.allows_versions || request.query.is_empty())
                && (candidate.allows_post_prefix || !is_prefix_form)
                && fits
        };
        prop_assert!(rules.iter().find(holds).is_some(), "{rule:?} allows {:?}", request.key);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let (all, allowed) = (all.get(), allowed.get());
    assert!(allowed * 8 >= all && (all - allowed) * 8 >= all, "{allowed} of {all} were allowed");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_whole_key_allows_no_name_below_it(
        text in pattern(),
        ends_with_slash in any::<bool>(),
        (namespace, name) in requester(),
    ) {
        let requester = Requester::new(&namespace, &name);
        let end = if ends_with_slash { "/" } else { "" };
        let filled = text.replace("{namespace}", &namespace).replace("{name}", &name);
        let request = Request {
            method: Method::Post,
            form: Some(Form { is_key_prefix: true, ..form() }),
            ..asked(&format!("{filled}/"))
        };
        let allows = |keys: KeyPatterns| {
            let methods = vec![Method::Post];
            let rule = PolicyRule { methods, keys, allows_post_prefix: true, ..rule() };
            let policy = Policy { rules: vec![rule], lets_uploads_copy: false };
            cap_of(&policy.judge(&request, requester)).is_some()
        };
        let allows_whole = allows(KeyPatterns::Keys(vec![format!("{text}{end}")]));
        let allows_prefix = allows(KeyPatterns::Prefixes(vec![format!("{text}/")]));
        let has_value = !(text.contains("{name}") && name.is_empty());
        prop_assert!(!allows_whole);
        prop_assert_eq!(allows_prefix, has_value);
    }

    #[test]
    fn another_rule_takes_nothing_away_and_one_less_gives_nothing(
        rules in prop::collection::vec(any_rule(), 0..4),
        more in any_rule(),
        place in any::<prop::sample::Index>(),
        request in any_request(),
        (namespace, name) in requester(),
        lets_uploads_copy in any::<bool>(),
    ) {
        let requester = Requester::new(&namespace, &name);
        let fewer = Policy { rules: rules.clone(), lets_uploads_copy };
        let mut all = rules;
        all.insert(place.index(all.len() + 1), more);
        let all = Policy { rules: all, lets_uploads_copy };
        prop_assert!(cap_of(&fewer.judge(&request, requester)) <= cap_of(&all.judge(&request, requester)));
    }

    #[test]
    fn a_denial_tells_nothing_of_rules_for_other_namespaces(
        mine in prop::collection::vec(any_rule(), 0..3),
        theirs in prop::collection::vec(any_rule(), 0..3),
        request in any_request(),
    ) {
        let of = |rules: &[PolicyRule], namespace: &str| -> Vec<PolicyRule> {
            let namespaces = Some(vec![namespace.to_owned()]);
            rules.iter().map(|rule| PolicyRule { namespaces: namespaces.clone(), ..rule.clone() }).collect()
        };
        let alone = of(&mine, "team-a");
        let beside = [of(&theirs, "team-b"), alone.clone()].concat();
        prop_assert_eq!(judge(alone, &request), judge(beside, &request));
    }
}
