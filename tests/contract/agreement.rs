//! The two judges of a spec, the API server and the operator's parser, keep to the table
//! and say the same about everything else.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jiff::Timestamp;
use presign_operator::crd::form_rules::FORM_BUCKET;
use presign_operator::crd::rules::{BUCKET_AWS, REGION_ARN, Rule};
use presign_operator::domain::request::Request;
use presign_operator::domain::{Credentials, Sensitive, UrlParts, Validity};
use presign_operator::s3::UrlSigner;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner};
use serde_json::{Value, json};
use strum::VariantArray as _;

use super::fragments;
use super::kinds::Kind;
use super::mixtures;
use super::rows::parsed::permissive_signer;
use super::rows::{self, Row, is_of};
use super::server::{ContractServer, spec};
use super::signer_fragments;
use super::verdict::{Refusal, carried, declared, identity};

/// What the API server says: the object as it would be stored, or why it is refused.
type Verdict = Result<Value, Refusal>;

/// A row about a kind, and what the API server says about it.
struct Judged {
    kind: Kind,
    row: Row,
    verdict: Verdict,
}

/// Every row: the API server is asked once for all tests.
static JUDGED: LazyLock<Vec<Judged>> = LazyLock::new(|| {
    let server = ContractServer::get();
    let judged = |kind: Kind, row: Row| {
        let verdict = server.judge(kind, &row.spec());
        Judged { kind, row, verdict }
    };
    let kinds = Kind::VARIANTS.iter().copied();
    kinds.flat_map(|kind| kind.rows().into_iter().map(move |row| judged(kind, row))).collect()
});

/// Fails with everything that went wrong, not with the first of it.
fn report(failures: &[String]) {
    assert!(failures.is_empty(), "{} rows fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_rule_is_in_a_definition_and_has_rows_on_both_sides() {
    let identities: BTreeSet<_> = declared().map(|(_, rule)| identity(rule)).collect();
    assert_eq!(identities.len(), declared().count(), "two rules are the same");
    let mut unused = identities.clone();
    for kind in Kind::VARIANTS {
        let rows = kind.rows();
        for rule in carried(*kind).keys() {
            unused.remove(rule);
            assert!(identities.contains(rule), "{kind} carries a rule that the code does not list: {rule:?}");
            for is_accepted in [true, false] {
                let is_about = |row: &Row| row.about.is_some_and(|about| identity(&about) == *rule);
                let has_row = rows.iter().any(|row| row.is_accepted == is_accepted && is_about(row));
                assert!(has_row, "{kind} has no row with is_accepted: {is_accepted} about {rule:?}");
            }
        }
    }
    assert!(unused.is_empty(), "rules that are in no definition: {unused:?}");
}

#[test]
fn the_api_server_keeps_to_the_table() {
    let failures = JUDGED.iter().filter_map(|Judged { kind, row, verdict }| {
        let verdict = match (verdict, row.is_accepted, &row.about) {
            (Ok(stored), true, _) if stored["spec"] == kind.stored(&row.spec()) => return None,
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
        Some(format!("{kind} {}: {verdict}", row.name()))
    });
    report(&failures.collect::<Vec<_>>());
}

#[test]
fn both_say_the_same_about_every_row() {
    let failures = JUDGED.iter().filter_map(|Judged { kind, row, verdict }| {
        let error = compare(*kind, verdict, &row.spec()).err()?;
        Some(format!("{kind} {}: {error}", row.name()))
    });
    report(&failures.collect::<Vec<_>>());
}

/// The API server does not see the connection of a signer, so the operator says what does not fit it.
#[test]
fn the_operator_says_what_does_not_fit_a_signer() {
    let server = ContractServer::get();
    let (signer, arn) = (permissive_signer().id, "arn:aws:s3:eu-central-1:123456789012:accesspoint/my-point");
    for (bucket, sentence) in [
        ("A_B", format!("{} ({signer})", BUCKET_AWS.message)),
        (
            arn,
            format!(
                "does not fit {signer} (its s3.region: {}): choose another bucket, or ask its owner",
                REGION_ARN.message
            ),
        ),
    ] {
        let spec = spec(&json!({"bucket": bucket, "s3": null, "signerRef": {"name": "media"}}));
        assert!(server.judge(Kind::PresignedUrl, &spec).is_ok(), "{bucket}");
        let refusal = rows::parse(&spec).unwrap_err();
        assert_eq!(refusal, Some(format!("spec.bucket: {sentence}")), "{bucket}");
    }
}

/// The API server says what is wrong with the form, the operator what is wrong with the bucket.
#[test]
fn the_bucket_of_a_form_of_a_signer_may_have_two_faults() {
    let spec = spec(&json!({
        "bucket": "arn:", "method": "POST", "form": {"maxSize": 1}, "s3": null, "signerRef": {"name": "media"},
    }));
    let verdict = ContractServer::get().judge(Kind::PresignedUrl, &spec);
    assert_eq!(compare(Kind::PresignedUrl, &verdict, &spec), Ok(Agreement::OfSigner));
}

#[test]
fn what_is_accepted_can_be_signed() {
    let accepted = rows::all().into_iter().filter(|row| row.is_accepted);
    let failures = accepted.filter_map(|row| {
        let parsed = rows::parse(&row.spec()).map_err(|error| format!("is refused: {error:?}"));
        let error = parsed.and_then(|request| sign(&request)).err()?;
        Some(format!("{}: {error}", row.name()))
    });
    report(&failures.collect::<Vec<_>>());
}

#[test]
fn what_is_accepted_for_the_secret_makes_a_secret() {
    let server = ContractServer::get();
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
        Some(format!("{}: {refusal}", row.name()))
    });
    report(&failures.collect::<Vec<_>>());
}

#[test]
fn both_say_the_same_about_any_spec() {
    agree(Kind::PresignedUrl, &mixtures::of_rows(Kind::PresignedUrl, fragments::changes()));
}

#[test]
fn both_say_the_same_about_any_signer() {
    agree(Kind::ClusterSigner, &mixtures::of_rows(Kind::ClusterSigner, signer_fragments::changes()));
}

#[test]
fn both_say_the_same_about_any_credentials() {
    for kind in Kind::VARIANTS {
        agree(*kind, &mixtures::of_store(*kind, fragments::store_changes(*kind == Kind::ClusterSigner)));
    }
    let changes = mixtures::of_store(Kind::Signer, fragments::store_changes(false));
    let without_policy = changes.prop_map(|mut changes| {
        changes["policy"] = Value::Null;
        changes
    });
    agree(Kind::Signer, &without_policy);
}

/// As many specs as `PROPTEST_CASES` says, others in each run; a failure is kept in a file.
fn agree(kind: Kind, changes: &impl Strategy<Value = Value>) {
    let server = ContractServer::get();
    let failures = FileFailurePersistence::Direct("tests/regressions/contract.txt");
    let config = Config { failure_persistence: Some(Box::new(failures)), ..Config::default() };
    let tally = RefCell::new(BTreeMap::<Agreement, u32>::new());
    let count = |agreement| tally.borrow().get(&agreement).copied().unwrap_or(0);
    let outcome = TestRunner::new(config).run(changes, |changes| {
        let spec = kind.spec(&changes);
        let agreement = compare(kind, &server.judge(kind, &spec), &spec).map_err(TestCaseError::fail)?;
        *tally.borrow_mut().entry(agreement).or_default() += 1;
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let (accepted, refused) = (count(Agreement::Accepted), count(Agreement::Refused));
    let all = tally.borrow().values().sum::<u32>();
    let tally = format!("{kind}: {:?}", tally.borrow());
    println!("{tally}");
    // What only one of the two can judge is the exception.
    assert!(accepted * 5 >= all && refused * 5 >= all, "one-sided: {tally}");
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
    let signed = UrlSigner::default().presign(request, &credentials, validity);
    let signed = signed.map_err(|error| format!("accepted, and cannot be signed: {error}"))?;
    let url = signed.url.expose();
    let parts = match &signed.form {
        None => UrlParts::read(url),
        Some(form) => UrlParts::read_form(url, &form.json(url)),
    };
    let is_read_back = parts.is_some_and(|parts| parts.validity == validity);
    if is_read_back { Ok(()) } else { Err(format!("signed, and cannot be read back: {url}")) }
}

/// In what both judges agree, or why they need not.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Agreement {
    /// Both accept it, and a request can be signed.
    Accepted,
    /// Both refuse it with the same sentence about the same field.
    Refused,
    /// Only the operator sees the connection of a signer.
    OfSigner,
    /// Only the operator renders session policies, which not every key and header fits.
    Narrowed,
    /// The schema refuses it: that comes first there, and may hide what the rules would say.
    BySchema,
}

/// Whether this is what one of our rules says about a field and the connection of the signer.
fn names_rule_of_signer(kind: Kind, text: &str) -> bool {
    let signer = permissive_signer().id.to_string();
    let Some((field, sentence)) = text.split_once(": ") else { return false };
    let is_at = |rule: &Rule| carried(kind).get(&identity(rule)).is_some_and(|carried| carried == field);
    declared().any(|(_, rule)| {
        let own = sentence.strip_suffix(&format!(" ({signer})"));
        own.is_some_and(|own| is_of(rule, own) && is_at(rule))
            || (sentence.starts_with(&format!("does not fit {signer} (")) && sentence.contains(rule.message))
    })
}

/// Whether the API server refuses the bucket because of a form, which the operator checks after the bucket itself.
fn is_of_form(refusal: &Refusal) -> bool {
    refusal.says(&format!("spec.bucket: {}", FORM_BUCKET.message))
}

/// Whether both judges agree; in a refusal, on what is said of which field.
fn compare(kind: Kind, verdict: &Verdict, spec: &Value) -> Result<Agreement, String> {
    let others = verdict.as_ref().err().map(Refusal::others).unwrap_or_default();
    if let Some(failed) = others.iter().find(|other| other.contains("evaluating rule")) {
        return Err(format!("a rule cannot be evaluated: {failed}"));
    }
    let is_of_signer = |text: &str| names_rule_of_signer(kind, text);
    match (verdict, kind.parse(spec)) {
        (Ok(_), Ok(request)) => {
            request.map_or(Ok(()), |request| sign(&request)).map(|()| Agreement::Accepted)
        }
        (Ok(_), Err(Some(text))) if is_of_signer(&text) => Ok(Agreement::OfSigner),
        (Ok(_), Err(Some(text))) if text.contains("the session cannot be narrowed") => {
            Ok(Agreement::Narrowed)
        }
        // The operator does not check again what the schema of a signer limits.
        (Err(_), Err(_) | Ok(None)) if !others.is_empty() => Ok(Agreement::BySchema),
        (Err(refusal), Err(Some(text))) if refusal.says(&text) => Ok(Agreement::Refused),
        // The API server sees less than the operator, and what it says is another fault of the spec.
        (Err(refusal), Err(Some(text)))
            if is_of_signer(&text) && (!refusal.is_about_field_of(&text) || is_of_form(refusal)) =>
        {
            Ok(Agreement::OfSigner)
        }
        (Err(refusal), Err(text)) => {
            Err(format!("the API server says {:?}, the operator {text:?}", refusal.causes))
        }
        (Ok(_), Err(text)) => Err(format!("accepted by the API server, refused by the operator: {text:?}")),
        (Err(refusal), Ok(_)) => {
            Err(format!("accepted by the operator, refused by the API server: {}", refusal.text))
        }
    }
}
