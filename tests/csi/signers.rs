//! Volumes with a signer: the driver asks the signing service, and believes it nothing that it could not have
//! written itself. What the operator answers is in `tests/cluster`.

use serde_json::json;
use tonic::Code;

use crate::calls::Mounted;
use crate::node::CsiNode;
use crate::restarts::age;
use crate::service::{FakeService, Mood, certificate};
use crate::stores::{next_second, wait_until};

const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens";
/// A word that must not be in the log.
const TOKEN: &str = "a-secret-that-a-pod-has";

fn tokens(token: &str, end: &str) -> String {
    json!({"presign.dev": {"token": token, "expirationTimestamp": end}}).to_string()
}

/// A node whose driver asks a service.
async fn place() -> (CsiNode, FakeService) {
    let service = FakeService::start().await;
    (node(&service).await, service)
}

async fn node(service: &FakeService) -> CsiNode {
    let flags = service.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    CsiNode::new(&[&flags[..], &["--inline-credentials=Deny"]].concat()).await
}

/// A volume with a signer, and with a token.
async fn volume(node: &CsiNode, name: &str) -> Mounted {
    let mut volume = node
        .volume(name)
        .await
        .without(&["endpoint", "region"])
        .with(&[("signer", "media"), ("signerKind", "ClusterSigner")]);
    volume.secrets = [(TOKENS.to_owned(), tokens(TOKEN, "2099-01-01T00:00:00Z"))].into();
    volume
}

/// Publishes a volume in the background.
async fn publishing(node: &CsiNode, volume: &Mounted) -> tokio::task::JoinHandle<Result<(), tonic::Status>> {
    let (channel, volume) = (node.channel().await, volume.clone());
    tokio::spawn(async move { volume.publish(&channel).await })
}

fn refusal(reason: &str, message: &str) -> String {
    json!({"reason": reason, "message": message, "isTemporary": false}).to_string()
}

#[tokio::test]
async fn one_request_with_the_token_of_the_pod_signs_all_urls_of_a_volume() {
    let (mut node, service) = place().await;
    let volume = volume(&node, "signer").await.with(&[("in.expiresIn", "15m"), ("out.method", "PUT")]);
    volume.publish(&node.channel().await).await.unwrap();
    let first = node.read(&volume, "in/url");
    assert!(first.ends_with("number=1") && node.read(&volume, "out/url") == first);
    let [asked] = service.asked().try_into().unwrap();
    assert_eq!(asked.line, "POST /v1/sign HTTP/1.1");
    assert_eq!(asked.authorization, format!("Bearer {TOKEN}"));
    assert_eq!(asked.body["urls"]["out"]["method"], "PUT");
    let reference = json!({"kind": "ClusterSigner", "name": "media"});
    assert_eq!(asked.body["urls"]["in"]["signerRef"], reference);
    assert_eq!((&asked.body["urls"]["in"]["s3"], &asked.body["longerThan"]), (&json!(null), &json!(null)));

    // Another token is kept, and no reason to ask.
    let mut other = volume.clone();
    other.secrets.insert(TOKENS.to_owned(), tokens("a-secret-that-is-newer", "2098-01-01T00:00:00Z"));
    next_second().await;
    other.publish(&node.channel().await).await.unwrap();
    node.pass(&self::volume(&node, "control").await).await;
    assert_eq!((service.asked().len(), node.issued()), (2, 2), "once for each volume");

    // The next process renews at once what is due, with the token that was kept.
    node.stop();
    age(&node, "renewal_time");
    node.start().await;
    wait_until("a restart renews at once", || node.read(&volume, "in/url") != first).await;
    let asked = service.asked().pop().unwrap();
    assert_eq!(asked.authorization, "Bearer a-secret-that-is-newer");
    assert_eq!(asked.body["seed"], service.asked()[0].body["seed"]);
    assert!(asked.body["longerThan"].is_string(), "{}", asked.body);

    volume.unpublish(&node.channel().await).await.unwrap();
    node.expect_nothing_left(&volume);
}

#[tokio::test]
async fn an_answer_that_the_driver_could_not_have_given_is_not_written() {
    let (node, service) = place().await;
    let channel = node.channel().await;
    let changed = |place, value| Mood::SignsBut(place, value);
    for (number, (mood, code, said)) in [
        (changed("/files/0/name", json!("../../url")), Code::Internal, "another name"),
        (changed("/files/0/folder", json!("../other")), Code::Internal, "not asked for"),
        (changed("/files/1/name", json!("url")), Code::Internal, "twice"),
        (changed("/expirationTime", json!("2099-01-01T00:00:00Z")), Code::Internal, "7 days"),
        (Mood::Answers(200, "garbage".to_owned()), Code::Internal, "not the JSON"),
        (Mood::Answers(307, String::new()), Code::Internal, "HTTP 307"),
        (
            Mood::Answers(403, refusal("NotPermitted", "no rule\n\u{7}for you")),
            Code::PermissionDenied,
            "no rule  for you",
        ),
        (Mood::Answers(400, refusal("InvalidAttributes", "bad")), Code::InvalidArgument, "bad"),
    ]
    .into_iter()
    .enumerate()
    {
        service.becomes(mood.clone());
        let volume = volume(&node, &format!("odd-{number}")).await;
        let status = volume.publish(&channel).await.unwrap_err();
        assert!(status.code() == code && status.message().contains(said), "{mood:?}: {status:?}");
        node.expect_nothing_left(&volume);
    }
    let page = node.page("/metrics");
    for failed in [
        "presign_csi_failures_total{reason=\"InternalError\"} 6",
        "presign_csi_failures_total{reason=\"NotPermitted\"} 1",
    ] {
        assert!(page.lines().any(|line| line == failed), "{page}");
    }
}

#[tokio::test]
async fn a_service_that_is_away_delays_the_first_url() {
    let (node, service) = place().await;
    for (name, mood, said) in [
        ("closes", Mood::Closes, "closed the connection"),
        ("busy", Mood::Answers(429, String::new()), "HTTP 429"),
        ("down", Mood::Answers(503, refusal("InternalError", "it is starting")), "it is starting"),
        ("huge", Mood::Answers(200, "x".repeat(1024 * 1024 + 1)), "too long"),
        ("hangs", Mood::Hangs, "within 15 s"),
        ("stalls", Mood::Stalls, "within 15 s"),
    ] {
        service.becomes(mood);
        let volume = volume(&node, name).await;
        let publish = publishing(&node, &volume).await;
        let is_said = || {
            let log = node.log();
            log.lines().any(|line| line.contains(&format!("team-a/{name}: ")) && line.contains(said))
        };
        wait_until(said, is_said).await;
        assert!(!publish.is_finished(), "{name}: the kubelet waits");
        service.becomes(Mood::Signs);
        publish.await.unwrap().unwrap();
        assert!(node.read(&volume, "url").starts_with("https://store.example/"));
    }
    let page = node.page("/metrics");
    let counted = "presign_csi_failures_total{reason=\"SigningServiceUnavailable\"}";
    let count = testbed::sample::<u64>(&page, counted);
    assert!(count.is_some_and(|count| count > 0), "{page}");
}

#[tokio::test]
async fn the_certificate_authority_can_come_later_and_no_other_is_trusted() {
    let service = FakeService::start().await;
    std::fs::remove_file(service.ca()).unwrap();
    let node = node(&service).await;
    let volume = volume(&node, "roots").await;
    let publish = publishing(&node, &volume).await;
    wait_until("there is none yet", || node.log().contains("ca.crt: No such file")).await;
    std::fs::write(service.ca(), certificate().pem()).unwrap();
    wait_until("it is another", || node.log().contains("--signing-ca is the authority")).await;
    assert!(service.asked().is_empty(), "no token was sent");
    std::fs::write(service.ca(), &service.pem).unwrap();
    publish.await.unwrap().unwrap();
    assert_eq!(service.asked().len(), 1);
}

#[tokio::test]
async fn a_policy_that_denies_later_keeps_the_url_and_one_that_allows_again_renews_it() {
    let (mut node, service) = place().await;
    let volume = volume(&node, "denied").await;
    volume.publish(&node.channel().await).await.unwrap();
    let first = node.read(&volume, "url");
    service.becomes(Mood::Answers(403, refusal("NotPermitted", "the rule is gone")));
    node.stop();
    age(&node, "renewal_time");
    node.start().await;
    wait_until("it says so", || node.log().contains("the rule is gone")).await;
    volume.publish(&node.channel().await).await.unwrap();
    assert_eq!(node.read(&volume, "url"), first);
    service.becomes(Mood::Signs);
    wait_until("it asks again by itself", || node.read(&volume, "url") != first).await;
}

#[tokio::test]
async fn without_a_token_or_a_service_the_administrator_is_named() {
    let (node, service) = place().await;
    let good = volume(&node, "token").await;
    let mut none = good.clone();
    none.secrets.clear();
    let status = none.publish(&node.channel().await).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    assert!(
        status.message().contains("csi.signers.enabled") && status.message().contains("1.35"),
        "{status:?}"
    );
    node.expect_nothing_left(&good);

    // An expired one waits for the next, which the kubelet brings.
    let mut old = good.clone();
    old.secrets.insert(TOKENS.to_owned(), tokens("a-secret-that-is-old", "2001-01-01T00:00:00Z"));
    let publish = publishing(&node, &old).await;
    wait_until("it has expired", || node.log().contains("token has expired")).await;
    assert!(service.asked().is_empty());
    good.publish(&node.channel().await).await.unwrap();
    publish.await.unwrap().unwrap();
    assert_eq!(service.asked()[0].authorization, format!("Bearer {TOKEN}"));

    let without = CsiNode::new(&[]).await;
    let volume = volume(&without, "no-service").await;
    let status = volume.publish(&without.channel().await).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    assert!(status.message().contains("csi.signers.enabled"), "{status:?}");
}
