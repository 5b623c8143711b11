//! A permission that is taken away in a bad moment, and a signer that somebody replaces by another one.

use kube::api::DeleteParams;
use serde_json::{Value, json};
use testbed::{Fault, Match};

use super::eventually;
use super::ledger::{Ledger, Outcome};
use crate::harness::{DEADLINE, curl, ready, text};
use crate::tenancy::{Tenancy, is_emptied};

/// A call may take as long as a test holds it.
const PATIENT: (&str, &str) = ("PRESIGN_REQUEST_TIMEOUT", "300");
/// A call that is held is given up soon.
const IMPATIENT: (&str, &str) = ("PRESIGN_REQUEST_TIMEOUT", "2");

pub async fn try_all(ledger: &mut Ledger) {
    ledger.note("a withdrawal while the first write hangs", Box::pin(first_write()).await);
    ledger.note("a withdrawal while a renewal hangs", Box::pin(renewal()).await);
    ledger.note("a write that arrives after its withdrawal", Box::pin(late_write()).await);
    ledger.note("a signer that somebody replaces by one for another store", Box::pin(replaced()).await);
}

/// A policy that allows only another object, and withdraws the URLs of all others.
fn withdrawal(tenancy: &Tenancy) -> Value {
    tenancy.policy(json!({"keyPrefixes": ["elsewhere/"]}), json!({"whenDenied": "Withdraw"}))
}

/// Withdraws the permission of `report`, and waits until the operator has seen that: it issues a URL that
/// was not permitted before.
async fn withdraw(tenancy: &Tenancy) {
    tenancy.apply_signer(withdrawal(tenancy)).await;
    tenancy.issue("permitted-now", json!({"key": "elsewhere/a"})).await;
}

/// Waits until no Secret of `report` has a URL, and sees that it stays so.
async fn ends_empty(tenancy: &Tenancy) -> Outcome {
    let team = &tenancy.team;
    let is_empty = async || {
        let secret = team.secrets().get_opt("report").await.unwrap();
        let object = team.presigned_urls().get("report").await.unwrap();
        let is_denied = ready(&object).is_some_and(|ready| ready.reason == "NotPermitted");
        is_denied && secret.is_some_and(|secret| is_emptied(&secret, "Denied"))
    };
    if !eventually(is_empty).await {
        return Err(format!("the URL stays in the Secret:\n{}", team.operator.log()));
    }
    // Whatever else there was to do is done when a later object is issued.
    tenancy.issue("later", json!({"key": "elsewhere/b"})).await;
    if is_empty().await { Ok(()) } else { Err("the URL came back into the Secret".to_owned()) }
}

async fn first_write() -> Outcome {
    let (tenancy, proxy) = Tenancy::behind_proxy("attacks-first", &[PATIENT]).await;
    tenancy.apply_signer(json!({})).await;
    let hold = proxy.hold(Match::write("secrets", "report"));
    tenancy.team.apply("report", tenancy.spec(json!({}))).await;
    assert!(hold.reached(DEADLINE).await, "a write of the Secret");
    withdraw(&tenancy).await;
    hold.release();
    ends_empty(&tenancy).await
}

async fn renewal() -> Outcome {
    let (tenancy, proxy) = Tenancy::behind_proxy("attacks-renewal", &[PATIENT]).await;
    let team = &tenancy.team;
    tenancy.apply_signer(json!({})).await;
    tenancy.issue("report", json!({})).await;
    let hold = proxy.hold(Match::write("secrets", "report"));
    team.ask_for_renewal("report", "now");
    assert!(hold.reached(DEADLINE).await, "another write of the Secret");
    withdraw(&tenancy).await;
    hold.release();
    ends_empty(&tenancy).await
}

/// The write is given up by the operator, and arrives all the same, after everything.
async fn late_write() -> Outcome {
    let (tenancy, proxy) = Tenancy::behind_proxy("attacks-late", &[IMPATIENT]).await;
    tenancy.apply_signer(json!({})).await;
    // For other writes of the same Secret, the rule is used up.
    proxy.fault(Match::write("secrets", "report"), 1, Fault::Buffer);
    tenancy.team.apply("report", tenancy.spec(json!({}))).await;
    let path = format!("POST /api/v1/namespaces/{}/secrets", tenancy.name());
    assert!(proxy.wait_for(&path, 1, DEADLINE).await, "a write of the Secret");
    withdraw(&tenancy).await;
    proxy.heal();
    ends_empty(&tenancy).await
}

/// Somebody who may edit signers but does not have the platform's key sends it elsewhere: URLs for other
/// hosts than the permitted ones are not signed with it.
async fn replaced() -> Outcome {
    let tenancy = Tenancy::with("attacks-replaced", &[("PRESIGN_ALLOW_ENDPOINTS", "127.0.0.1")]).await;
    let team = &tenancy.team;
    tenancy.apply_signer(json!({})).await;
    tenancy.issue("report", json!({})).await;
    let before = team.secrets().get("report").await.unwrap();
    tenancy.signers().delete(tenancy.name(), &DeleteParams::default()).await.unwrap();
    team.wait_ready("report", "True", "RenewalFailing").await;
    tenancy.apply_signer(json!({"s3": {"endpoint": "https://evil.example.com"}})).await;
    team.ask_for_renewal("report", "now");
    team.apply("another", tenancy.spec(json!({}))).await;
    for name in ["report", "another"] {
        let is_refused = async || {
            let object = team.presigned_urls().get(name).await.unwrap();
            ready(&object).is_some_and(|ready| ready.message.contains("--allow-endpoints"))
        };
        if !eventually(is_refused).await {
            return Err(format!("{name} is not refused:\n{}", team.operator.log()));
        }
    }
    if team.secrets().get_opt("another").await.unwrap().is_some() {
        return Err("a URL was signed for the other host".to_owned());
    }
    let after = team.secrets().get("report").await.unwrap();
    let (url, was) = (text(&after, "url"), text(&before, "url"));
    if url == was && curl(&[&url]).is_ok_and(|answer| answer == "content") {
        Ok(())
    } else {
        Err("the URL that was issued before is not there any more".to_owned())
    }
}
