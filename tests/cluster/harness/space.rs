//! A namespace for one story, with everything in it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Event, Namespace, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, Resource};
use presign_operator::crd::{PresignedUrl, READY};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use testbed::{Proxy, curl, eventually, output};

use super::{DEADLINE, Operator, UNOPPOSED, World, leaks};

/// A namespace for one story.
pub struct Space {
    pub world: &'static World,
    pub client: Client,
    pub namespace: String,
    pub operator: Operator,
}

impl Space {
    /// A fresh namespace, an operator for it, and a Secret `keys` with the store's access
    /// key.
    pub async fn new(story: &str) -> Self {
        Self::with(story, &[]).await
    }

    /// The same with further environment variables for the operator.
    pub async fn with(story: &str, environment: &[(&'static str, &str)]) -> Self {
        Self::in_world(World::get().await, story, environment).await
    }

    /// The same in another world.
    pub async fn in_world(world: &'static World, story: &str, environment: &[(&'static str, &str)]) -> Self {
        let client = world.client().await;
        let namespace = make_namespace(&client, &format!("{story}-")).await;
        let operator = Operator::start(world, &namespace, environment);
        let space = Self { world, client, namespace, operator };
        space.write_keys(space.world.store.secret_access_key()).await;
        space
    }

    /// A namespace whose operator reaches the API server through a proxy.
    pub async fn behind_proxy(story: &str) -> (Self, Proxy) {
        Self::behind_proxy_with(story, &[]).await
    }

    /// The same with further environment variables for the operator.
    pub async fn behind_proxy_with(story: &str, environment: &[(&'static str, &str)]) -> (Self, Proxy) {
        let proxy = tokio::task::spawn_blocking(|| Proxy::start(&World::get_blocking().plane))
            .await
            .unwrap()
            .unwrap();
        let kubeconfig = ("KUBECONFIG", proxy.kubeconfig().to_str().unwrap());
        let space = Self::with(story, &[&[kubeconfig], environment].concat()).await;
        (space, proxy)
    }

    /// Another operator for the same namespace, on the straight way to the API server. It
    /// works at once, whoever leads.
    pub fn another_operator(&self) -> Operator {
        Operator::start(self.world, &self.namespace, &[UNOPPOSED])
    }

    /// Writes the Secret `keys`: the store's key id with this secret key.
    pub async fn write_keys(&self, secret_access_key: &str) {
        let id = self.world.store.access_key_id();
        self.write_secret("keys", &[("access-key-id", id), ("secret-access-key", secret_access_key)]).await;
    }

    /// Writes a Secret as a person would.
    pub async fn write_secret(&self, name: &str, data: &[(&str, &str)]) {
        let data: BTreeMap<_, _> = data.iter().copied().collect();
        let body =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
        self.secrets().patch(name, &PatchParams::apply("person").force(), &Patch::Apply(body)).await.unwrap();
    }

    /// The Secrets of the namespace.
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The `PresignedUrl`s of the namespace.
    pub fn presigned_urls(&self) -> Api<PresignedUrl> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// A spec for an object in the store that is there to be downloaded, with `changes` on
    /// top (a JSON merge patch).
    pub fn spec(&self, changes: Value) -> Value {
        let bucket = self.namespace.clone();
        self.world.store.put_object(&bucket, "dir/a file.txt", b"content").unwrap();
        let mut spec = json!({
            "bucket": bucket,
            "key": "dir/a file.txt",
            "s3": {
                "endpoint": self.world.store.endpoint(),
                "region": self.world.store.region(),
                "credentials": {"secretRef": {"name": "keys"}},
            },
        });
        merge(&mut spec, changes);
        spec
    }

    /// Applies a `PresignedUrl` as a person does.
    pub async fn apply(&self, name: &str, spec: Value) -> PresignedUrl {
        self.try_apply(name, spec).await.unwrap()
    }

    /// Applies a `PresignedUrl`, which may be refused.
    pub async fn try_apply(&self, name: &str, spec: Value) -> Result<PresignedUrl, kube::Error> {
        let body = json!({
            "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl", "metadata": {"name": name}, "spec": spec,
        });
        self.presigned_urls().patch(name, &PatchParams::apply("person").force(), &Patch::Apply(body)).await
    }

    /// Waits until a `PresignedUrl` is as wanted.
    pub async fn wait(
        &self,
        name: &str,
        wanted: &str,
        is_so: impl Fn(&PresignedUrl) -> bool,
    ) -> PresignedUrl {
        self.wait_for(DEADLINE, self.presigned_urls(), name, wanted, |object| {
            object.filter(|o| is_so(o)).cloned()
        })
        .await
    }

    /// Waits until the Ready condition of the current generation has this status and reason.
    pub async fn wait_ready(&self, name: &str, status: &str, reason: &str) -> PresignedUrl {
        self.wait(name, &format!("Ready {status} {reason}"), |object| {
            let is_current =
                ready(object).is_some_and(|c| c.observed_generation == object.metadata.generation);
            is_current && ready(object).is_some_and(|c| c.status == status && c.reason == reason)
        })
        .await
    }

    /// Waits until a Secret is as wanted.
    pub async fn wait_secret(&self, name: &str, wanted: &str, is_so: impl Fn(&Secret) -> bool) -> Secret {
        self.wait_for(DEADLINE, self.secrets(), name, wanted, |secret| secret.filter(|s| is_so(s)).cloned())
            .await
    }

    /// Waits, by a watch and with a deadline, until `select` finds what it wants in an object
    /// that may be absent; otherwise fails with what there is.
    pub async fn wait_for<K, T>(
        &self,
        deadline: Duration,
        api: Api<K>,
        name: &str,
        wanted: &str,
        select: impl Fn(Option<&K>) -> Option<T>,
    ) -> T
    where
        K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut events = std::pin::pin!(watcher(api, config).default_backoff());
        let (mut last, mut is_listed) = (None, false);
        let found = tokio::time::timeout(deadline, async {
            loop {
                match events.next().await.expect("watches do not end") {
                    Ok(watcher::Event::Init) => (last, is_listed) = (None, false),
                    Ok(watcher::Event::InitDone) => is_listed = true,
                    Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object)) => {
                        last = Some(object);
                    }
                    Ok(watcher::Event::Delete(_)) => last = None,
                    Err(_) => continue,
                }
                if is_listed && let Some(found) = select(last.as_ref()) {
                    return found;
                }
            }
        })
        .await;
        found.unwrap_or_else(|_| {
            panic!(
                "{name}: waited for {wanted}; there is {:?}; the operator says:\n{}",
                last.map(|object| object.meta().clone()),
                self.operator.log()
            )
        })
    }

    /// The text of a data key of a Secret.
    pub async fn data(&self, secret: &str, key: &str) -> String {
        text(&self.secrets().get(secret).await.unwrap(), key)
    }

    /// Events about a `PresignedUrl`, as "Type Reason".
    pub async fn events(&self, name: &str) -> Vec<String> {
        let api = Api::<Event>::namespaced(self.client.clone(), &self.namespace);
        let selector = format!("involvedObject.name={name},involvedObject.kind=PresignedUrl");
        let events = api.list(&ListParams::default().fields(&selector)).await.unwrap();
        events
            .items
            .into_iter()
            .map(|event| format!("{} {}", event.type_.unwrap_or_default(), event.reason.unwrap_or_default()))
            .collect()
    }

    /// Waits for an event about a `PresignedUrl`, as "Type Reason": they are written behind
    /// the status, one after the other.
    pub async fn wait_event(&self, name: &str, wanted: &str) {
        let is_there = async || self.events(name).await.iter().any(|event| event == wanted);
        let is_in_time = eventually(DEADLINE, is_there).await;
        assert!(is_in_time, "{name}: no event {wanted:?}; {}", self.operator.log());
    }

    /// What curl gets through the URL in a Secret.
    pub async fn download(&self, secret: &str) -> Result<String, String> {
        curl(&[&self.data(secret, "url").await])
    }

    /// Asks for a new URL of a `PresignedUrl`.
    pub fn ask_for_renewal(&self, name: &str, token: &str) {
        let annotation = format!("presign.dev/renew={token}");
        self.kubectl(&["annotate", "--overwrite", "presignedurl", name, &annotation]);
    }

    /// Asks for a new URL of a `PresignedUrl`, and waits until it is reported.
    pub async fn renew(&self, name: &str, token: &str) {
        self.ask_for_renewal(name, token);
        let is_done = |object: &PresignedUrl| {
            object.status.as_ref().is_some_and(|status| status.last_handled_renew.as_deref() == Some(token))
        };
        self.wait(name, "the new URL", is_done).await;
    }

    /// Runs kubectl in the namespace, which has to succeed, and returns what it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let mut command = self.world.plane.kubectl();
        let done = output(command.args(["-n", &self.namespace]).args(arguments));
        done.unwrap_or_else(|said| panic!("kubectl {arguments:?}: {said}"))
    }
}

impl Drop for Space {
    /// Every story ends with a search of what a reader without access to Secrets can see.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let shown = self.kubectl(&["get", "presignedurls,events", "-o", "yaml"]);
            leaks::assert_none(self.world, &self.namespace, "status or events", &shown);
            // One that was killed or stopped shows nothing.
            if self.operator.is_running() {
                let metrics = self.operator.page("/metrics");
                assert!(metrics.ends_with("# EOF\n"), "the metrics cannot be searched: {metrics:?}");
                leaks::assert_none(self.world, &self.namespace, "the metrics", &metrics);
            }
        }
    }
}

/// Makes a namespace whose name begins so, and returns its name.
pub async fn make_namespace(client: &Client, prefix: &str) -> String {
    create(client, ObjectMeta { generate_name: Some(prefix.to_owned()), ..ObjectMeta::default() }).await
}

/// Makes a namespace of this name.
#[allow(dead_code, reason = "not every test binary names namespaces")]
pub async fn make_namespace_named(client: &Client, name: &str) {
    create(client, ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }).await;
}

async fn create(client: &Client, metadata: ObjectMeta) -> String {
    let namespace = Namespace { metadata, ..Namespace::default() };
    let made = Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
    made.metadata.name.unwrap()
}

/// The text of a data key of a Secret.
pub fn text(secret: &Secret, key: &str) -> String {
    let data = secret.data.as_ref().expect("the Secret has data");
    String::from_utf8(data[key].0.clone()).unwrap()
}

/// A condition of a `PresignedUrl`.
pub fn condition<'a>(object: &'a PresignedUrl, kind: &str) -> Option<&'a Condition> {
    object.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == kind)
}

/// The Ready condition.
pub fn ready(object: &PresignedUrl) -> Option<&Condition> {
    condition(object, READY)
}

/// Applies changes as a JSON merge patch (RFC 7386).
#[allow(clippy::needless_pass_by_value, reason = "callers write the changes in place")]
pub fn merge(target: &mut Value, changes: Value) {
    json_patch::merge(target, &changes);
}
