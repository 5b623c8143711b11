//! What an operator is for, in steps of which each can fail, and which first.

use std::time::{Duration, Instant};

use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use super::chart::Mode;
use super::harness::{SECOND_KEY, ready, text};
use super::place::Place;

/// How long a step is waited for. On an idle machine each takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than a leader can go on without renewing.
const TERM: Duration = Duration::from_millis(2500);

/// What is seen from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// It leads, and goes on leading.
    Leads,
    /// `/readyz` is ok.
    IsReady,
    /// An object has its Secret.
    Issues,
    /// Its status says so.
    Reports,
    /// So does an event.
    Tells,
    /// A later object has its Secret.
    NoticesObjects,
    /// A rotated key is in the URL; in the minimal mode when a new one is asked for.
    NoticesKeys,
    /// The Secret of an earlier name goes.
    Prunes,
    /// The same event again is counted.
    CountsEvents,
}

const STORY: [Step; 9] = [
    Step::Leads,
    Step::IsReady,
    Step::Issues,
    Step::Reports,
    Step::Tells,
    Step::NoticesObjects,
    Step::NoticesKeys,
    Step::Prunes,
    Step::CountsEvents,
];

/// The first step that fails, if any does.
pub async fn first_failure(place: &Place, mode: Mode) -> Option<Step> {
    for step in STORY {
        let is_promised = step != Step::Prunes || mode != Mode::Minimal;
        if is_promised && !happens(place, mode, step).await {
            return Some(step);
        }
    }
    None
}

async fn happens(place: &Place, mode: Mode, step: Step) -> bool {
    let space = &place.space;
    match step {
        Step::Leads => {
            let leads = async || place.page("/metrics").contains("presign_leader 1\n");
            if !eventually(leads).await {
                return false;
            }
            tokio::time::sleep(TERM).await;
            leads().await
        }
        Step::IsReady => eventually(async || place.page("/readyz").trim() == "ok").await,
        Step::Issues => eventually(async || url(place, "report").await.is_some()).await,
        Step::Reports => {
            let is_issued = async || {
                let object = space.presigned_urls().get("report").await.unwrap();
                ready(&object).is_some_and(|ready| ready.reason == "Issued")
            };
            eventually(is_issued).await
        }
        Step::Tells => eventually(async || !events(place, "Missing").await.is_empty()).await,
        Step::NoticesObjects => {
            space.apply("later", space.spec(json!({}))).await;
            eventually(async || url(place, "later").await.is_some()).await
        }
        Step::NoticesKeys => {
            let keys = [("access-key-id", SECOND_KEY.0), ("secret-access-key", SECOND_KEY.1)];
            space.write_secret("keys", &keys).await;
            if mode == Mode::Minimal {
                ask(place, "rotated").await;
            }
            let is_rotated = |url: String| url.contains(SECOND_KEY.0);
            eventually(async || url(place, "report").await.is_some_and(is_rotated)).await
        }
        Step::Prunes => prunes(place).await,
        Step::CountsEvents => {
            for token in ["one", "two"] {
                if !asked_and_answered(place, token).await {
                    return false;
                }
            }
            let is_counted = |event: &Event| event.series.as_ref().is_some_and(|series| series.count >= 2);
            eventually(async || events(place, "Requested").await.iter().any(is_counted)).await
        }
    }
}

/// A Secret of an earlier name goes at once when there is no URL in it to be kept for pods.
async fn prunes(place: &Place) -> bool {
    let space = &place.space;
    space.apply("later", space.spec(json!({"secret": {"name": "renamed"}}))).await;
    if !eventually(async || url(place, "renamed").await.is_some()).await {
        return false;
    }
    let broken = Patch::Merge(json!({"stringData": {"url": "none"}}));
    space.secrets().patch("later", &PatchParams::default(), &broken).await.unwrap();
    eventually(async || space.secrets().get_opt("later").await.unwrap().is_none()).await
}

async fn ask(place: &Place, token: &str) {
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"presign.dev/renew": token}}}));
    place.space.presigned_urls().patch("report", &PatchParams::default(), &patch).await.unwrap();
}

async fn asked_and_answered(place: &Place, token: &str) -> bool {
    ask(place, token).await;
    let is_answered = async || {
        let object = place.space.presigned_urls().get("report").await.unwrap();
        object.status.and_then(|status| status.last_handled_renew).as_deref() == Some(token)
    };
    eventually(is_answered).await
}

/// The URL in a Secret, if both are there.
async fn url(place: &Place, secret: &str) -> Option<String> {
    let secret = place.space.secrets().get_opt(secret).await.unwrap()?;
    Some(text(&secret, "url"))
}

/// Events of a URL that was written for a reason.
async fn events(place: &Place, action: &str) -> Vec<Event> {
    let api = Api::<Event>::namespaced(place.space.client.clone(), &place.space.namespace);
    let mut events = api.list(&ListParams::default()).await.unwrap().items;
    events.retain(|event| event.action.as_deref() == Some(action));
    events
}

/// Polls, since much of this can be seen nowhere but from outside.
async fn eventually(is_so: impl AsyncFn() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if is_so().await {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
