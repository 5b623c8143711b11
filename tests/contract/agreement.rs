//! The two judges of a spec, the API server and the operator's parser, keep to the table
//! and say the same about everything else.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use presign_operator::crd::rules;
use presign_operator::domain::request::Request;
use presign_operator::domain::{Credentials, Sensitive, UrlParts, Validity};
use presign_operator::s3::Signer;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner};
use serde_json::{Value, json};

use super::fragments;
use super::rows::{self, Row};
use super::server::{self, Server};
use super::verdict::{RULES, Refusal, parse};

/// What the API server says: the object as it would be stored, or why it is refused.
type Verdict = Result<Value, Refusal>;

/// Every row, and what the API server says about it: it is asked once for all tests.
static JUDGED: LazyLock<Vec<(Row, Verdict)>> = LazyLock::new(|| {
    let server = Server::get();
    let judged = |row: Row| {
        let verdict = server.judge(&row.spec());
        (row, verdict)
    };
    rows::all().into_iter().map(judged).collect()
});

/// Fails with everything that went wrong, not with the first of it.
fn report(failures: &[String]) {
    assert!(failures.is_empty(), "{} rows fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_rule_is_in_the_definition_and_has_rows_on_both_sides() {
    let declared: BTreeMap<_, _> = rules::ALL.iter().map(|(name, rule)| (rule.cel, *name)).collect();
    assert_eq!(declared.len(), rules::ALL.len(), "two rules are the same");
    let orphans = RULES.keys().filter(|cel| !declared.contains_key(cel.as_str()));
    assert_eq!(orphans.collect::<Vec<_>>(), Vec::<&String>::new(), "rules that rules.rs does not list");
    let rows = rows::all();
    for (name, rule) in rules::ALL {
        assert!(RULES.contains_key(rule.cel), "{name} is not in the definition");
        for is_accepted in [true, false] {
            let is_row = |row: &Row| {
                row.is_accepted == is_accepted && row.about.is_some_and(|about| about.cel == rule.cel)
            };
            assert!(rows.iter().any(is_row), "{name} has no row with is_accepted: {is_accepted}");
        }
    }
}

#[test]
fn the_api_server_keeps_to_the_table() {
    let failures = JUDGED.iter().filter_map(|(row, verdict)| {
        let verdict = match (verdict, row.is_accepted, &row.about) {
            (Ok(stored), true, _) if stored["spec"] == server::stored(&row.spec()) => return None,
            (Ok(stored), true, _) => format!("stored as {stored}"),
            (Ok(_), false, _) => "accepted".to_owned(),
            (Err(refusal), false, Some(rule)) => {
                if refusal.is_by(rule) {
                    return None;
                }
                format!("refused otherwise: {:?}", refusal.causes)
            }
            (Err(refusal), false, None) if refusal.is_by_schema(&row.changed()) => return None,
            (Err(refusal), ..) => format!("refused: {:?}", refusal.causes),
        };
        Some(format!("{}: {verdict}", row.name()))
    });
    report(&failures.collect::<Vec<_>>());
}

#[test]
fn both_say_the_same_about_every_row() {
    let failures = JUDGED.iter().filter_map(|(row, verdict)| {
        let error = compare(verdict, &row.spec()).err()?;
        Some(format!("{}: {error}", row.name()))
    });
    report(&failures.collect::<Vec<_>>());
}

#[test]
fn what_is_accepted_can_be_signed() {
    let accepted = rows::all().into_iter().filter(|row| row.is_accepted);
    let failures = accepted.filter_map(|row| {
        let error = sign(&parse(&row.spec()).ok()?).err()?;
        Some(format!("{}: {error}", row.name()))
    });
    report(&failures.collect::<Vec<_>>());
}

#[test]
fn what_is_accepted_for_the_secret_makes_a_secret() {
    let server = Server::get();
    let failures = rows::all().into_iter().filter_map(|row| {
        let spec = row.spec();
        let target = spec.get("secret").filter(|_| row.is_accepted)?;
        let key = target["urlKey"].as_str().unwrap_or("url");
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "stringData": {key: "x"}, "metadata": {
                "name": target.get("name").unwrap_or(&json!("judged")),
                "labels": target.get("labels"), "annotations": target.get("annotations"),
            },
        });
        let refusal = server.judge_secret(&secret).err()?;
        Some(format!("{}: {}", row.name(), refusal.text))
    });
    report(&failures.collect::<Vec<_>>());
}

/// As many specs as `PROPTEST_CASES` says, others in each run; a failure is kept in a file.
#[test]
fn both_say_the_same_about_any_spec() {
    let server = Server::get();
    let failures = FileFailurePersistence::Direct("tests/regressions/contract.txt");
    let config = Config { failure_persistence: Some(Box::new(failures)), ..Config::default() };
    let outcome = TestRunner::new(config).run(&fragments::changes(), |changes| {
        let spec = server::spec(&changes);
        compare(&server.judge(&spec), &spec).map_err(TestCaseError::fail)
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// Whether the signer takes what the parser lets through.
fn sign(request: &Request) -> Result<(), String> {
    let credentials = Credentials {
        access_key_id: Sensitive::new("id".to_owned()),
        secret_access_key: Sensitive::new("secret".to_owned()),
        session_token: None,
        expiration: None,
    };
    let validity = Validity { signing_time: Timestamp::UNIX_EPOCH, lifetime: request.expires_in };
    let signed = Signer::default().presign(request, &credentials, validity);
    let url = signed.map_err(|error| format!("accepted, and cannot be signed: {error}"))?.url;
    let is_read_back = UrlParts::read(url.expose()).is_some_and(|parts| parts.validity == validity);
    if is_read_back { Ok(()) } else { Err(format!("signed, and cannot be read back: {}", url.expose())) }
}

/// Whether both judges agree; in a refusal, on what is said of which field.
fn compare(verdict: &Verdict, spec: &Value) -> Result<(), String> {
    match (verdict, parse(spec)) {
        (Ok(_), Ok(request)) => sign(&request),
        (Err(refusal), Err(invalid)) => {
            let failed = refusal.others().into_iter().find(|other| other.contains("evaluating rule"));
            if let Some(failed) = failed {
                return Err(format!("a rule cannot be evaluated: {failed}"));
            }
            match invalid {
                // The schema comes first there, and may hide what the rules would say.
                _ if !refusal.others().is_empty() => Ok(()),
                Some(invalid) if refusal.says(&format!("spec.{}", invalid.field), &invalid.message) => Ok(()),
                invalid => Err(format!("the API server says {:?}, the operator {invalid:?}", refusal.causes)),
            }
        }
        (Ok(_), Err(invalid)) => {
            Err(format!("accepted by the API server, refused by the operator: {invalid:?}"))
        }
        (Err(refusal), Ok(_)) => {
            Err(format!("accepted by the operator, refused by the API server: {}", refusal.text))
        }
    }
}
