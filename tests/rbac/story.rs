//! What an operator is for, in steps of which each can fail, and which first.

use std::cell::Cell;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use presign_operator::crd::{ClusterSigner, READY, Signer, SignerStatus};
use serde_json::{Value, json};

use super::chart::{Mode, Permission};
use super::harness::{DEADLINE, SECOND_KEY, ready, text};
use super::place::RestrictedOperator;
use super::{needed_for, sessions};

/// How long the step that needs a permission is waited for once that was refused; a step takes at most
/// 4 s on an idle machine. The other steps have all the time that anything has.
const PATIENCE: Duration = Duration::from_secs(8);
/// How often the audit log is read for that.
const LOOK: Duration = Duration::from_secs(1);

/// What is seen from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// It leads, and goes on leading when its lease was renewed.
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
    /// So has one whose spec is too large for the cache.
    ReadsLargeSpecs,
    /// So has one that names a `Signer`.
    UsesSigners,
    /// The status of that `Signer` says that it can sign.
    ReportsSigners,
    /// An object that names a `ClusterSigner` has its Secret.
    UsesClusterSigners,
    /// The status of that `ClusterSigner` says that it can sign.
    ReportsClusterSigners,
    /// An object that is signed with a session of a `ServiceAccount` has its Secret.
    UsesSessions,
    /// A rotated key is in the URL; in the minimal mode when a new one is asked for.
    NoticesKeys,
    /// The Secret of an earlier name goes.
    Prunes,
    /// The same event again is counted.
    CountsEvents,
}

const STORY: [Step; 15] = [
    Step::Leads,
    Step::IsReady,
    Step::Issues,
    Step::Reports,
    Step::Tells,
    Step::NoticesObjects,
    Step::ReadsLargeSpecs,
    Step::UsesSigners,
    Step::ReportsSigners,
    Step::UsesClusterSigners,
    Step::ReportsClusterSigners,
    Step::UsesSessions,
    Step::NoticesKeys,
    Step::Prunes,
    Step::CountsEvents,
];

/// The first step that fails, if any does, `without` a permission.
pub async fn first_failure(
    place: &RestrictedOperator,
    mode: Mode,
    without: Option<&Permission>,
) -> Option<Step> {
    for step in STORY {
        let without = without.filter(|without| needed_for(without) == step);
        let lack = Lack { place, without };
        let is_promised = match step {
            Step::Prunes => mode != Mode::Minimal,
            Step::UsesClusterSigners | Step::ReportsClusterSigners => mode == Mode::Cluster,
            Step::UsesSessions => mode == Mode::WebIdentity,
            _ => true,
        };
        if is_promised && !happens(&lack, mode, step).await {
            return Some(step);
        }
    }
    None
}

/// The permission that a step needs, if it lacks.
struct Lack<'a> {
    place: &'a RestrictedOperator,
    without: Option<&'a Permission>,
}

impl Lack<'_> {
    /// Polls until something is so, since much of this can be seen nowhere but from outside. It is
    /// waited for as long as in any test, unless the permission for it was refused: then what does not
    /// happen soon does not happen.
    async fn eventually(&self, is_so: impl AsyncFn() -> bool) -> bool {
        let deadline = Instant::now() + DEADLINE;
        let (mut looked_at, mut refused_at) = (Instant::now(), None::<Instant>);
        loop {
            if is_so().await {
                return true;
            }
            if let Some(without) = self.without
                && refused_at.is_none()
                && looked_at.elapsed() >= LOOK
            {
                looked_at = Instant::now();
                refused_at = self.place.was_refused(without).await.then_some(looked_at);
            }
            let is_hopeless = refused_at.is_some_and(|at| at.elapsed() >= PATIENCE);
            if is_hopeless || Instant::now() > deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn happens(lack: &Lack<'_>, mode: Mode, step: Step) -> bool {
    let place = lack.place;
    let space = &place.space;
    match step {
        Step::Leads => {
            let leads = async || place.page("/metrics").contains("presign_leader 1\n");
            if !lack.eventually(leads).await {
                return false;
            }
            let renewed = renewal(place).await;
            lack.eventually(async || leads().await && renewal(place).await != renewed).await
        }
        Step::IsReady => lack.eventually(async || place.page("/readyz").trim() == "ok").await,
        Step::Issues => lack.eventually(async || url(place, "report").await.is_some()).await,
        Step::Reports => {
            let is_issued = async || {
                let object = space.presigned_urls().get("report").await.unwrap();
                ready(&object).is_some_and(|ready| ready.reason == "Issued")
            };
            lack.eventually(is_issued).await
        }
        Step::Tells => {
            told(lack, "told", async || !events(place, &["Missing", "Requested"]).await.is_empty()).await
        }
        Step::NoticesObjects => {
            space.apply("later", space.spec(json!({}))).await;
            lack.eventually(async || url(place, "later").await.is_some()).await
        }
        Step::ReadsLargeSpecs => {
            let [a, b, c] = [(); 3].map(|()| "x".repeat(2000));
            let headers = json!({"x-amz-meta-a": a, "x-amz-meta-b": b, "x-amz-meta-c": c});
            space.apply("large", space.spec(json!({"method": "PUT", "headers": headers}))).await;
            lack.eventually(async || url(place, "large").await.is_some()).await
        }
        Step::UsesSigners => {
            place.make_signer();
            space.apply("signed", spec_with_signer(place, &json!({"name": "own"}))).await;
            lack.eventually(async || url(place, "signed").await.is_some()).await
        }
        Step::ReportsSigners => {
            let signers = Api::<Signer>::namespaced(space.client.clone(), &space.namespace);
            lack.eventually(async || can_sign(signers.get("own").await.unwrap().status)).await
        }
        Step::UsesClusterSigners => {
            place.make_cluster_signer();
            let signer = json!({"kind": "ClusterSigner", "name": space.namespace});
            space.apply("signed-for-all", spec_with_signer(place, &signer)).await;
            lack.eventually(async || url(place, "signed-for-all").await.is_some()).await
        }
        Step::ReportsClusterSigners => {
            let signers = Api::<ClusterSigner>::all(space.client.clone());
            lack.eventually(async || can_sign(signers.get(&space.namespace).await.unwrap().status)).await
        }
        Step::UsesSessions => {
            sessions::ask_for_one(space).await;
            lack.eventually(async || url(place, sessions::OBJECT).await.is_some()).await
        }
        Step::NoticesKeys => {
            let keys = [("access-key-id", SECOND_KEY.0), ("secret-access-key", SECOND_KEY.1)];
            space.write_secret("keys", &keys).await;
            if mode == Mode::Minimal {
                ask(place, "rotated").await;
            }
            let is_rotated = |url: String| url.contains(SECOND_KEY.0);
            lack.eventually(async || url(place, "report").await.is_some_and(is_rotated)).await
        }
        Step::Prunes => prunes(lack).await,
        Step::CountsEvents => {
            for token in ["one", "two"] {
                if !asked_and_answered(lack, token).await {
                    return false;
                }
            }
            let is_counted = |event: &Event| event.series.as_ref().is_some_and(|series| series.count >= 2);
            told(lack, "counted", async || events(place, &["Requested"]).await.iter().any(is_counted)).await
        }
    }
}

/// When the lease was renewed.
async fn renewal(place: &RestrictedOperator) -> Option<MicroTime> {
    let leases = Api::<Lease>::namespaced(place.space.client.clone(), &place.space.namespace);
    leases.get_opt(place.account()).await.unwrap()?.spec?.renew_time
}

/// A spec with a signer instead of a connection.
fn spec_with_signer(place: &RestrictedOperator, signer: &Value) -> Value {
    let mut spec = place.space.spec(json!({"signerRef": signer}));
    spec.as_object_mut().unwrap().remove("s3");
    spec
}

fn can_sign(status: Option<SignerStatus>) -> bool {
    let conditions = status.unwrap_or_default().conditions;
    conditions.iter().any(|condition| condition.type_ == READY && condition.status == "True")
}

/// A Secret of an earlier name goes at once when there is no URL in it to be kept for pods.
async fn prunes(lack: &Lack<'_>) -> bool {
    let place = lack.place;
    let space = &place.space;
    space.apply("later", space.spec(json!({"secret": {"name": "renamed"}}))).await;
    if !lack.eventually(async || url(place, "renamed").await.is_some()).await {
        return false;
    }
    let broken = Patch::Merge(json!({"stringData": {"url": "none"}}));
    space.secrets().patch("later", &PatchParams::default(), &broken).await.unwrap();
    lack.eventually(async || space.secrets().get_opt("later").await.unwrap().is_none()).await
}

async fn ask(place: &RestrictedOperator, token: &str) {
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"presign.dev/renew": token}}}));
    place.space.presigned_urls().patch("report", &PatchParams::default(), &patch).await.unwrap();
}

async fn asked_and_answered(lack: &Lack<'_>, token: &str) -> bool {
    let place = lack.place;
    ask(place, token).await;
    let is_answered = async || {
        let object = place.space.presigned_urls().get("report").await.unwrap();
        object.status.and_then(|status| status.last_handled_renew).as_deref() == Some(token)
    };
    lack.eventually(is_answered).await
}

/// The URL in a Secret, if both are there.
async fn url(place: &RestrictedOperator, secret: &str) -> Option<String> {
    let secret = place.space.secrets().get_opt(secret).await.unwrap()?;
    Some(text(&secret, "url"))
}

/// Waits for an event. An operator that does not lead for more than 30 s drops its event, so another URL is asked for
/// every 10 s.
async fn told(lack: &Lack<'_>, token: &str, is_told: impl AsyncFn() -> bool) -> bool {
    let (begun, asked) = (Instant::now(), Cell::new(0));
    let asks_and_looks = async || {
        let tries = begun.elapsed().as_secs() / 10;
        if tries > asked.replace(tries) {
            ask(lack.place, &format!("{token}-{tries}")).await;
        }
        is_told().await
    };
    lack.eventually(asks_and_looks).await
}

/// Events of a URL that was written for one of these reasons.
async fn events(place: &RestrictedOperator, actions: &[&str]) -> Vec<Event> {
    let api = Api::<Event>::namespaced(place.space.client.clone(), &place.space.namespace);
    let mut events = api.list(&ListParams::default()).await.unwrap().items;
    events.retain(|event| event.action.as_deref().is_some_and(|action| actions.contains(&action)));
    events
}
