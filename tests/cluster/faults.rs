//! The way to the API server breaks: what a person is told, and that it heals.

use std::time::{Duration, Instant};

use serde_json::json;
use testbed::{Fault, Match};

use super::harness::{DEADLINE, Space, curl, ready, text};

fn secret_writes(name: &str) -> Match {
    Match::write("secrets", name)
}

fn answer(code: u16, reason: &'static str) -> Fault {
    Fault::Answer { code, reason, retry_after: 0 }
}

#[tokio::test]
async fn every_failure_of_a_write_is_told_and_heals() {
    let (space, proxy) = Space::behind_proxy("writes").await;
    let faults = [
        ("conflict", answer(409, "Conflict")),
        ("invalid", answer(422, "Invalid")),
        ("busy", Fault::Answer { code: 429, reason: "TooManyRequests", retry_after: 1 }),
        ("internal", answer(500, "InternalError")),
        ("unavailable", answer(503, "ServiceUnavailable")),
        ("forbidden", answer(403, "Forbidden")),
        ("dropped", Fault::Drop),
    ];
    let told = faults.iter().map(async |(name, fault)| {
        // More often than a pass looks afresh, so that the failure shows.
        proxy.fault(secret_writes(name), 4, fault.clone());
        space.apply(name, space.spec(json!({}))).await;
        let object = space.wait_ready(name, "False", "ApiError").await;
        let message = &ready(&object).unwrap().message;
        let says = match fault {
            Fault::Answer { code, .. } if *code != 409 => code.to_string(),
            Fault::Answer { .. } => "changes again and again".to_owned(),
            _ => "could not be reached".to_owned(),
        };
        assert!(message.contains(&says), "{name}: {message}");
    });
    futures::future::join_all(told).await;
    for (name, _) in &faults {
        space.wait_ready(name, "True", "Issued").await;
        assert_eq!(space.download(name).await.unwrap(), "content", "{name}");
        space.wait_event(name, "Warning ApiError").await;
    }
}

#[tokio::test]
async fn a_status_that_cannot_be_written_is_written_later() {
    let (space, proxy) = Space::behind_proxy("status").await;
    proxy.fault(Match::new("PATCH", "/presignedurls/report/status"), 2, answer(500, "InternalError"));
    space.apply("report", space.spec(json!({}))).await;
    let secret = space.wait_secret("report", "a URL", |_| true).await;
    space.wait_ready("report", "True", "Issued").await;
    let after = space.secrets().get("report").await.unwrap();
    assert_eq!(
        after.metadata.resource_version, secret.metadata.resource_version,
        "and nothing is minted for it"
    );
}

#[tokio::test]
async fn a_valid_url_stays_ready_while_its_successor_cannot_be_written() {
    let (space, proxy) = Space::behind_proxy("failing").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let url = space.data("report", "url").await;
    proxy.fault(secret_writes("report"), u64::MAX, answer(500, "InternalError"));
    let is_try = |request: &&String| request.contains("/secrets/report?");
    let (before, begun) = (proxy.seen().iter().filter(is_try).count(), Instant::now());
    space.ask_for_renewal("report", "now");
    let object = space.wait_ready("report", "True", "RenewalFailing").await;
    let message = &ready(&object).unwrap().message;
    assert!(message.contains("500") && message.contains("works until"), "{message}");
    assert_eq!(space.data("report", "url").await, url);
    // It backs off rather than knocking on: for 2 s, 4 s and 8 s, each by a clock with whole seconds.
    assert!(proxy.wait_for("/secrets/report?", before + 4, DEADLINE).await, "it is tried again");
    assert!(begun.elapsed() >= Duration::from_secs(11), "four tries within {:?}", begun.elapsed());
    proxy.heal();
    space.wait_ready("report", "True", "Issued").await;
    assert_ne!(space.data("report", "url").await, url);
}

#[tokio::test]
async fn the_api_server_goes_away_for_a_minute_and_comes_back() {
    let (space, proxy) = Space::behind_proxy("away").await;
    space.apply("report", space.spec(json!({}))).await;
    // Its renewal falls into the outage: between 36 and 48 s after it was signed.
    space.apply("short", space.spec(json!({"expiresIn": "2m", "renewBefore": "72s"}))).await;
    space.wait_ready("report", "True", "Issued").await;
    space.wait_ready("short", "True", "Issued").await;
    let first = space.data("short", "url").await;
    proxy.fault(Match::new("*", "/"), u64::MAX, Fault::Drop);
    proxy.cut_watches();
    space.apply("report", space.spec(json!({"expiresIn": "2h"}))).await;
    space.apply("new", space.spec(json!({}))).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        assert_eq!(space.download("short").await.unwrap(), "content", "renewing early bridges an outage");
        assert_eq!(space.operator.page("/livez").trim(), "ok");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert_eq!(space.data("short", "url").await, first, "nothing gets through");
    proxy.heal();
    space.wait_secret("short", "its renewal", |secret| text(secret, "url") != first).await;
    assert_eq!(space.download("short").await.unwrap(), "content");
    space.wait_ready("new", "True", "Issued").await;
    let object = space.wait_ready("report", "True", "Issued").await;
    let status = object.status.unwrap();
    let lifetime = status.expiration_time.unwrap().0.duration_since(status.signing_time.unwrap().0);
    assert_eq!(lifetime.as_secs(), 7200);
}

#[tokio::test]
async fn a_cut_watch_misses_nothing() {
    let (space, proxy) = Space::behind_proxy("cut").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    // While no watch is open, and the next one is told that it comes too late (410).
    proxy.fault(Match::new("GET", "watch=true"), 8, answer(410, "Expired"));
    proxy.cut_watches();
    let url = space.data("report", "url").await;
    // A URL signed within the same second would be the same URL.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    space.write_keys("rotated").await;
    space.secrets().delete("report", &kube::api::DeleteParams::default()).await.unwrap();
    space.apply("new", space.spec(json!({}))).await;
    space.wait_ready("new", "True", "Issued").await;
    let secret = space.wait_secret("report", "a new URL", |_| true).await;
    assert_ne!(text(&secret, "url"), url);
    // Until the watch of Secrets is back, the URL may still be one of the old key.
    let rotated = space
        .wait_for(DEADLINE, space.secrets(), "report", "a URL of the rotated key", |secret| {
            let url = text(secret?, "url");
            curl(&[&url]).is_err_and(|error| error.contains("403")).then_some(url)
        })
        .await;
    space.write_keys(space.world.store.secret_access_key()).await;
    space.wait_secret("report", "the right key", |after| text(after, "url") != rotated).await;
    assert_eq!(space.download("report").await.unwrap(), "content");
}

#[tokio::test]
async fn a_watch_that_is_resumed_fails_no_longer_though_nothing_changes() {
    let (space, proxy) = Space::behind_proxy("resumed").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let failing = async |expected: u32| {
        let is_sum = |page: &str| {
            let values = page.lines().filter_map(|line| {
                line.strip_prefix("presign_failing_watches{")?.rsplit_once(' ')?.1.parse::<u32>().ok()
            });
            values.sum::<u32>() == expected
        };
        space.operator.wait_metrics(DEADLINE, &format!("{expected} watches fail"), is_sum).await;
    };
    failing(0).await;
    proxy.fault(Match::new("GET", "watch=true"), u64::MAX, answer(503, "ServiceUnavailable"));
    proxy.cut_watches();
    // Of PresignedUrls, of Signers, of the Secrets that are ours and of the others.
    failing(4).await;
    proxy.heal();
    failing(0).await;
}

#[tokio::test]
async fn a_call_that_is_never_answered_ends_at_its_deadline() {
    let (space, proxy) = Space::behind_proxy("silent").await;
    space.operator.stop();
    let variables = [("KUBECONFIG", proxy.kubeconfig().to_str().unwrap()), ("PRESIGN_REQUEST_TIMEOUT", "2")];
    let _operator = super::harness::Operator::start(space.world, &space.namespace, &variables);
    let held = proxy.hold(secret_writes("report"));
    space.apply("report", space.spec(json!({}))).await;
    assert!(held.reached(DEADLINE).await);
    let object = space.wait_ready("report", "False", "ApiError").await;
    assert!(ready(&object).unwrap().message.contains("did not answer in time"));
    space.wait_ready("report", "True", "Issued").await;
}

#[tokio::test]
async fn an_unreadable_answer_of_one_kind_leaves_the_others_alone() {
    let (space, proxy) = Space::behind_proxy("credentials").await;
    let (id, secret) = (space.world.store.access_key_id(), space.world.store.secret_access_key());
    space.write_secret("others", &[("access-key-id", id), ("secret-access-key", secret)]).await;
    proxy.fault(Match::new("GET", "/secrets/keys"), u64::MAX, answer(403, "Forbidden"));
    space.apply("report", space.spec(json!({}))).await;
    let object = space.wait_ready("report", "False", "ApiError").await;
    assert!(ready(&object).unwrap().message.contains("\"keys\""));
    let with_others = json!({"s3": {"credentials": {"secretRef": {"name": "others"}}}});
    space.apply("other", space.spec(with_others)).await;
    space.wait_ready("other", "True", "Issued").await;
    assert_eq!(space.download("other").await.unwrap(), "content");
    let object = space.presigned_urls().get("report").await.unwrap();
    assert_eq!(ready(&object).unwrap().reason, "ApiError", "it is refused all the time");
    proxy.heal();
    // An edit ends the backoff, which has grown meanwhile.
    space.apply("report", space.spec(json!({"expiresIn": "2h"}))).await;
    space.wait_ready("report", "True", "Issued").await;
}

#[tokio::test]
async fn what_a_list_that_broke_off_had_shown_is_not_forgotten() {
    let (space, proxy) = Space::behind_proxy("relist").await;
    for name in ["a", "b", "c"] {
        space.apply(name, space.spec(json!({}))).await;
        space.wait_ready(name, "True", "Issued").await;
    }
    let before = space.data("a", "url").await;
    // Time for an edit that no watch shows; then a list that ends within the second object.
    let mark = super::harness::mark_of_lists(&proxy);
    let lists = || Match::new("GET", "/presignedurls?").and(mark);
    proxy.fault(lists(), 2, answer(503, "ServiceUnavailable"));
    proxy.fault(lists(), 1, Fault::BreakOff(4_000));
    proxy.expire_watches();
    space.apply("a", space.spec(json!({"expiresIn": "2h"}))).await;
    space.wait_secret("a", "the edit", |secret| text(secret, "url") != before).await;
    let begun = proxy
        .seen()
        .into_iter()
        .filter(|request| request.contains("/presignedurls?") && request.contains(mark));
    assert!(begun.count() >= 5, "the first, two refused, one broken off, one whole");
}

#[tokio::test]
async fn a_server_without_streaming_lists_is_no_trouble() {
    let (space, proxy) = Space::behind_proxy("lists").await;
    space.operator.stop();
    proxy.refuse_streaming_lists();
    let variables = [("KUBECONFIG", proxy.kubeconfig().to_str().unwrap())];
    let operator = super::harness::Operator::start(space.world, &space.namespace, &variables);
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    proxy.expire_watches();
    space.apply("later", space.spec(json!({}))).await;
    space.wait_ready("later", "True", "Issued").await;
    assert_eq!(operator.page("/readyz").trim(), "ok");
    let is_page = |request: &String| request.contains("/presignedurls?") && !request.contains("watch=");
    assert!(proxy.seen().iter().any(is_page), "nothing was listed in pages");
}
