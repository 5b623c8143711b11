//! The whole operator, with a real API server and a real store behind a front that counts and fails.

use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::DeleteParams;
use presign_operator::crd::{PresignedUrl, READY, VERIFIED, VerifyResult};
use serde_json::{Value, json};
use testbed::{Proxy, StsFault, StsFront, sample};

use crate::harness::{DEADLINE, Operator, Space, UNOPPOSED, World, condition, kept, merge, text};

/// Longer than two renewals.
const RENEWALS: Duration = Duration::from_secs(120);

/// A namespace, whose operator may ask the store behind a front.
pub struct VerifySpace {
    pub space: Space,
    pub front: StsFront,
    allowed: String,
}

impl VerifySpace {
    async fn new(story: &str) -> Self {
        let (front, allowed) = front_and_entry().await;
        let environment = [("PRESIGN_VERIFY", "true"), ("PRESIGN_VERIFY_ALLOW", allowed.as_str())];
        let space = Space::with(story, &environment).await;
        Self { space, front, allowed }
    }

    /// The same with an operator that reaches the API server through a proxy.
    pub async fn behind_proxy(story: &str) -> (Self, Proxy) {
        let (front, allowed) = front_and_entry().await;
        let environment = [("PRESIGN_VERIFY", "true"), ("PRESIGN_VERIFY_ALLOW", allowed.as_str())];
        let (space, proxy) = Space::behind_proxy_with(story, &environment).await;
        (Self { space, front, allowed }, proxy)
    }

    /// A spec for the object in the store behind the front.
    pub fn spec(&self, changes: Value) -> Value {
        behind(&self.front, &self.space, changes)
    }

    pub async fn verified(&self, name: &str, status: &str, reason: &str) -> PresignedUrl {
        wait_verified(&self.space, name, status, reason).await
    }
}

/// Waits until the condition Verified has this status and reason.
pub async fn wait_verified(space: &Space, name: &str, status: &str, reason: &str) -> PresignedUrl {
    space
        .wait(name, &format!("Verified {status} {reason}"), |object| {
            verified(object).is_some_and(|found| found.status == status && found.reason == reason)
        })
        .await
}

/// Waits until a front has been asked so often.
pub async fn wait_asked(front: &StsFront, count: usize) {
    let is_asked = testbed::eventually(DEADLINE, async || front.count(None) >= count).await;
    assert!(is_asked, "{} requests and not {count}", front.count(None));
}

/// A front of the store, and the entry that permits it with its address.
pub async fn front_and_entry() -> (StsFront, String) {
    let front = front().await;
    let address = front.endpoint().strip_prefix("http://").unwrap().to_owned();
    (front, format!("{address}=127.0.0.0/8"))
}

pub async fn front() -> StsFront {
    StsFront::start(World::get().await.store.endpoint()).unwrap()
}

fn behind(front: &StsFront, space: &Space, changes: Value) -> Value {
    let mut spec = space.spec(json!({"s3": {"endpoint": front.endpoint()}}));
    merge(&mut spec, changes);
    spec
}

pub fn verified(object: &PresignedUrl) -> Option<&Condition> {
    condition(object, VERIFIED)
}

pub fn message(object: &PresignedUrl) -> &str {
    &verified(object).unwrap().message
}

fn result(object: &PresignedUrl) -> Option<VerifyResult> {
    object.status.as_ref()?.verified.as_ref().map(|verified| verified.result)
}

/// Waits until the URL in a Secret was replaced so often.
async fn wait_urls(space: &Space, name: &str, count: usize) {
    let mut before = space.data(name, "url").await;
    for _ in 0..count {
        let is_new = |secret: Option<&_>| Some(text(secret?, "url")).filter(|url| *url != before);
        before = space.wait_for(RENEWALS, space.secrets(), name, "a new URL", is_new).await;
    }
}

#[tokio::test]
async fn no_store_is_asked_by_default() {
    let (space, front) = (Space::new("verify-off").await, front().await);
    space.apply("report", behind(&front, &space, json!({"verify": "Always"}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let is_told = |object: &PresignedUrl| verified(object).is_some_and(|found| found.reason == "Disabled");
    let object = space.wait("report", "Verified Disabled", is_told).await;
    assert!(message(&object).contains("--verify") && verified(&object).unwrap().status == "Unknown");
    space.apply("plain", behind(&front, &space, json!({}))).await;
    let object = space.wait_ready("plain", "True", "Issued").await;
    assert!(verified(&object).is_none());
    assert_eq!(front.count(None), 0);
}

#[tokio::test]
async fn a_store_that_is_not_listed_is_not_asked() {
    let (listed, unlisted) = (VerifySpace::new("verify-unlisted").await, front().await);
    let space = &listed.space;
    space.apply("report", behind(&unlisted, space, json!({"verify": "Once"}))).await;
    let object = listed.verified("report", "Unknown", "NotAsked").await;
    let address = unlisted.endpoint().strip_prefix("http://").unwrap().to_owned();
    assert!(message(&object).contains(&format!("--verify-allow {address}")), "{}", message(&object));
    assert_eq!((unlisted.count(None), result(&object)), (0, None));
    let ready = space.wait_ready("report", "True", "Issued").await;
    assert!(verified(&ready).is_some());
}

#[tokio::test]
async fn once_asks_once_and_always_asks_about_each_url() {
    let place = VerifySpace::new("verify-twice").await;
    let space = &place.space;
    let quick = json!({"expiresIn": "1m", "renewBefore": "50s"});
    let with = |verify: &str| {
        let mut changes = quick.clone();
        merge(&mut changes, json!({"verify": verify}));
        changes
    };
    space.apply("once", place.spec(with("Once"))).await;
    let object = place.verified("once", "True", "Accepted").await;
    assert_eq!(result(&object), Some(VerifyResult::Accepted));
    assert!(!message(&object).is_empty());
    space.wait_event("once", "Normal Accepted").await;
    wait_urls(space, "once", 2).await;
    let object = place.verified("once", "True", "Accepted").await;
    assert_eq!((place.front.count(None), result(&object)), (1, Some(VerifyResult::Accepted)));

    space.presigned_urls().delete("once", &DeleteParams::default()).await.unwrap();
    space.apply("always", place.spec(json!({"verify": "Always"}))).await;
    place.verified("always", "True", "Accepted").await;
    let first = place.front.count(None);
    assert_eq!(first, 2);
    for renewal in 1..=2 {
        let before = space.data("always", "url").await;
        // The next second gives another URL.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let renew = format!("presign.dev/renew={renewal}");
        space.kubectl(&["annotate", "psu", "always", "--overwrite", &renew]);
        space.wait_secret("always", "another URL", |secret| text(secret, "url") != before).await;
        wait_asked(&place.front, first + renewal).await;
    }
    // What comes later is asked about after all of that.
    space.apply("later", place.spec(json!({"verify": "Once"}))).await;
    place.verified("later", "True", "Accepted").await;
    // On a busy machine a store may not answer in time, and is asked again.
    let page = space.operator.page("/metrics");
    let unanswered = sample::<usize>(&page, "presign_verifications_total{result=\"Unreachable\"}");
    let asked = first + 3 + unanswered.expect("the metric");
    assert_eq!(place.front.count(None), asked, "each URL is asked about once; {}", space.operator.log());
    let events = space.events("always").await;
    assert_eq!(events.iter().filter(|event| *event == "Normal Accepted").count(), 1, "{events:?}");
}

#[tokio::test]
async fn each_fault_is_told_and_its_end_too() {
    let place = VerifySpace::new("verify-faults").await;
    let space = &place.space;
    let missing = format!("{}-missing", space.namespace);
    let cases = [
        (
            "region",
            json!({"s3": {"region": "eu-west-7"}}),
            "False",
            "WrongRegion",
            "correct spec.s3.region to",
        ),
        ("bucket", json!({"bucket": missing}), "False", "NoSuchBucket", "spec.bucket"),
        ("key", json!({"key": "no/such/key"}), "False", "NoSuchKey", "spec.key"),
        ("head", json!({"method": "HEAD"}), "True", "Accepted", "accepts"),
        ("put", json!({"method": "PUT", "key": "new"}), "True", "CredentialsAccepted", "was not tried"),
        ("delete", json!({"method": "DELETE"}), "True", "CredentialsAccepted", "was not tried"),
    ];
    join_all(cases.into_iter().map(async |(name, mut changes, status, reason, said)| {
        merge(&mut changes, json!({"verify": "Once"}));
        space.apply(name, place.spec(changes)).await;
        let object = place.verified(name, status, reason).await;
        assert!(message(&object).contains(said), "{name}: {}", message(&object));
        let kind = if status == "True" { "Normal" } else { "Warning" };
        space.wait_event(name, &format!("{kind} {reason}")).await;
    }))
    .await;
    assert_eq!(space.world.store.get_object(&space.namespace, "dir/a file.txt").unwrap(), b"content");
    assert!(space.world.store.get_object(&space.namespace, "new").is_err(), "nothing was written");

    space.write_keys("not-the-secret-of-this-access-key-id-00").await;
    space.apply("secret", place.spec(json!({"verify": "Once"}))).await;
    let object = place.verified("secret", "False", "SignatureDoesNotMatch").await;
    assert!(message(&object).contains("in Secret \"keys\""), "{}", message(&object));
    space.wait_ready("secret", "True", "Issued").await;
    space.write_keys(space.world.store.secret_access_key()).await;
    place.verified("secret", "True", "Accepted").await;
    let mismatches = "presign_verifications_total{result=\"SignatureDoesNotMatch\"}";
    let is_counted = |page: &str| sample::<u32>(page, mismatches).is_some_and(|count| count > 0);
    space.operator.wait_metrics(DEADLINE, "the answers", is_counted).await;
}

#[tokio::test]
async fn a_restart_asks_nothing_and_writes_nothing() {
    let place = VerifySpace::new("verify-restart").await;
    let space = &place.space;
    let cases = [
        ("good", json!({"verify": "Always"}), "True", "Accepted"),
        ("bad", json!({"verify": "Once", "key": "no/such/key"}), "False", "NoSuchKey"),
    ];
    for (name, changes, status, reason) in &cases {
        space.apply(name, place.spec(changes.clone())).await;
        place.verified(name, status, reason).await;
    }
    let asked = place.front.count(None);
    assert_eq!(asked, 2);
    let versions = async || {
        let list = space.presigned_urls().list(&kube::api::ListParams::default()).await.unwrap();
        list.items.into_iter().map(|object| object.metadata.resource_version).collect::<Vec<_>>()
    };
    let before = versions().await;
    space.operator.kill();
    let environment =
        [UNOPPOSED, ("PRESIGN_VERIFY", "true"), ("PRESIGN_VERIFY_ALLOW", place.allowed.as_str())];
    let operator = Operator::start(space.world, &space.namespace, &environment);
    operator.wait_metrics(DEADLINE, "a look at all", |page| kept(page) >= 2).await;
    assert_eq!(versions().await, before);
    // What comes later is asked about, and after what was there before.
    space.apply("later", place.spec(json!({"verify": "Once"}))).await;
    place.verified("later", "True", "Accepted").await;
    assert_eq!(place.front.count(None), asked + 1);
}

#[tokio::test]
async fn a_store_that_never_answers_delays_no_url() {
    let place = VerifySpace::new("verify-dead").await;
    let space = &place.space;
    place.front.fault(StsFault::Hang);
    let names: Vec<_> = (0..40).map(|number| format!("object-{number}")).collect();
    join_all(names.iter().map(async |name| {
        space.apply(name, place.spec(json!({"verify": "Always"}))).await;
        space.wait_ready(name, "True", "Issued").await;
    }))
    .await;
    let object = place.verified("object-0", "Unknown", "Unreachable").await;
    assert!(message(&object).contains("did not answer within 5 seconds"), "{}", message(&object));
    assert_eq!(result(&object), Some(VerifyResult::Unreachable));
    // The question took five seconds. Had the URL waited for it, both would have the same time.
    let answered = object.status.as_ref().and_then(|status| status.verified.as_ref()).unwrap().time.0;
    let ready = condition(&object, READY).unwrap().last_transition_time.0;
    assert!(answered.duration_since(ready).as_secs() >= 2, "Ready at {ready}, answered at {answered}");
    join_all(names.iter().map(|name| place.verified(name, "Unknown", "Unreachable"))).await;
    let asked = place.front.count(None);
    assert!(asked < 20, "{asked} questions to a store that never answers");
    // One that is deleted while it is asked, and comes again, has its own answer.
    space.presigned_urls().delete("object-1", &DeleteParams::default()).await.unwrap();
    place.front.heal();
    space
        .wait_for(
            DEADLINE,
            space.secrets(),
            "object-1",
            "no Secret",
            |secret: Option<&k8s_openapi::api::core::v1::Secret>| secret.is_none().then_some(()),
        )
        .await;
    space.apply("object-1", place.spec(json!({"verify": "Once", "key": "no/such/key"}))).await;
    let deadline = Duration::from_secs(240);
    let is_told = |object: Option<&PresignedUrl>| {
        verified(object?).is_some_and(|found| found.reason == "NoSuchKey").then_some(())
    };
    space.wait_for(deadline, space.presigned_urls(), "object-1", "an answer", is_told).await;
}
