//! Clocks that jump: the operator runs inside the test, on a clock that the test moves.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use presign_operator::controller::{Controller, Process, SecretAccess, Settings};
use presign_operator::domain::Limits;
use presign_operator::domain::limits::HostPattern;
use presign_operator::domain::limits::StsEndpoints;
use presign_operator::domain::resolve::ConnectionSettings;
use presign_operator::runtime::{Clock, ClockOffset, Leadership, MetricsRegistry, Probes, Skew};
use presign_operator::sts::{Sts, StsSettings};
use serde_json::json;
use tokio::sync::oneshot;

use super::harness::{Space, text};

/// An operator in this process, in place of the space's own.
pub struct Inside {
    offset: ClockOffset,
    stop: Option<oneshot::Sender<()>>,
    running: tokio::task::JoinHandle<()>,
}

impl Inside {
    fn start(space: &Space) -> Self {
        Self::with(space, space.client.clone(), SecretAccess::Watch)
    }

    /// One that reads Secrets in a certain way, and reaches the API server by this client.
    pub fn with(space: &Space, client: Client, secret_access: SecretAccess) -> Self {
        space.operator.stop();
        let (clock, offset) = Clock::adjustable();
        let mut metrics = MetricsRegistry::new("presign", "test");
        let namespaces = vec![space.namespace.clone()];
        let settings = Settings {
            instance: "test".to_owned(),
            namespaces,
            secret_access,
            max_in_flight: 4,
            pods: false,
            limits: Limits::new(Vec::new(), vec![HostPattern::All]),
            connection_settings: ConnectionSettings::default(),
            cluster_signers: false,
            namespace_selectors: false,
        };
        let process = Process {
            unfenced: client.clone(),
            clock,
            leadership: Leadership::unopposed(),
            registry: metrics.registry(),
            probes: Probes::new(Duration::from_secs(60)),
            limiter: Controller::limiter(),
            skew: Skew::default(),
            sts: Sts::new(StsSettings {
                endpoints: StsEndpoints::default(),
                ca_bundle: None,
                proxy: None,
                no_proxy: None,
                ambient: None,
            })
            .unwrap(),
            verifier: None,
        };
        let controller = Controller::new(settings, client, process);
        let (stop, stopped) = oneshot::channel();
        let stopped = Arc::new(tokio::sync::Mutex::new(stopped));
        let running = tokio::spawn(async move {
            let stop = async move { drop((&mut *stopped.lock().await).await) };
            controller.run(stop).await.unwrap();
        });
        Self { offset, stop: Some(stop), running }
    }

    pub async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.running.await.unwrap();
    }
}

/// When the URL in a Secret was signed.
fn signed(secret: &k8s_openapi::api::core::v1::Secret) -> jiff::Timestamp {
    secret.metadata.annotations.as_ref().unwrap()["presign.dev/signing-time"].parse().unwrap()
}

#[tokio::test]
async fn a_clock_that_jumps_forward_renews_within_seconds() {
    let space = Space::new("forward").await;
    let inside = Inside::start(&space);
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let first = space.secrets().get("report").await.unwrap();

    // Past the renewal: a laptop that slept through it.
    inside.offset.advance(2500);
    // Without the jump it would come after 40 minutes.
    let second = space.wait_secret("report", "a renewal", |secret| signed(secret) > signed(&first)).await;
    assert_ne!(text(&second, "url"), text(&first, "url"));

    // Past the expiry.
    inside.offset.advance(4000);
    space.wait_secret("report", "a new URL", |secret| signed(secret) > signed(&second)).await;
    space.wait_ready("report", "True", "Issued").await;
    inside.stop().await;
}

#[tokio::test]
async fn a_url_signed_in_the_future_is_replaced_when_the_clock_is_put_right() {
    let space = Space::new("back").await;
    let inside = Inside::start(&space);
    inside.offset.advance(1000);
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let wrong = space.secrets().get("report").await.unwrap();
    inside.offset.set(0);
    let right = space.wait_secret("report", "a URL of now", |secret| signed(secret) < signed(&wrong)).await;
    assert!(signed(&right) <= Clock::system().now());
    assert_eq!(space.download("report").await.unwrap(), "content");
    inside.stop().await;
}

#[tokio::test]
async fn a_small_skew_is_no_reason() {
    let space = Space::new("skew").await;
    let inside = Inside::start(&space);
    inside.offset.advance(200);
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let before = space.secrets().get("report").await.unwrap();
    inside.offset.set(0);
    // A later object's URL shows that the jump was noticed: it is signed by the right clock.
    space.apply("later", space.spec(json!({}))).await;
    space.wait_ready("later", "True", "Issued").await;
    space.apply("report", space.spec(json!({"secret": {"labels": {"a": "b"}}}))).await;
    let after = space
        .wait_secret("report", "the label", |secret| {
            secret.metadata.labels.as_ref().unwrap().contains_key("a")
        })
        .await;
    assert_eq!(text(&after, "url"), text(&before, "url"));
    inside.stop().await;
}
