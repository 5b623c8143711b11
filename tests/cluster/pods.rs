//! Pods that use a Secret: who is told of a new URL, who never learns of one, and that
//! nothing of it happens unless it is granted. There is no kubelet here: pods are made by API.

mod grants;
mod never_refreshed;
mod turns;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use presign_operator::crd::PresignedUrl;
use serde_json::{Value, json};
use testbed::Match;

use super::harness::{DEADLINE, Operator, Space, audit, await_default_account, condition, ready};

const GRANTED: (&str, &str) = ("PRESIGN_PODS", "true");
const RENEWED_AT: &str = "presign.dev/url-renewed-at";

fn pods(space: &Space) -> Api<Pod> {
    Api::namespaced(space.client.clone(), &space.namespace)
}

/// A container that mounts the volume `v`, whole or a part.
fn mounting(sub_path: Option<&str>) -> Value {
    json!({"name": "c", "image": "none", "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": sub_path}]})
}

fn secret_volume(secret: &str) -> Value {
    json!([{"name": "v", "secret": {"secretName": secret}}])
}

/// The Secret in an environment variable.
fn with_env(secret: &str) -> Value {
    let from = json!({"secretKeyRef": {"name": secret, "key": "url"}});
    json!({"containers": [{"name": "app", "image": "none", "env": [{"name": "URL", "valueFrom": from}]}]})
}

/// Makes a pod and gives it a phase, as kubelet does.
async fn make(space: &Space, name: &str, spec: Value, phase: &str) -> Pod {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
    let pod = serde_json::from_value(pod).unwrap();
    pods(space).create(&PostParams::default(), &pod).await.unwrap();
    let status = Patch::Merge(json!({"status": {"phase": phase}}));
    pods(space).patch_status(name, &PatchParams::default(), &status).await.unwrap()
}

fn renewed_at(pod: &Pod) -> Option<String> {
    pod.metadata.annotations.as_ref()?.get(RENEWED_AT).cloned()
}

async fn signing_time(space: &Space, secret: &str) -> String {
    let secret = space.secrets().get(secret).await.unwrap();
    secret.metadata.annotations.unwrap()["presign.dev/signing-time"].clone()
}

async fn wait_annotated(space: &Space, pod: &str, of: &str) {
    let is_annotated = |pod: Option<&Pod>| (renewed_at(pod?)? == of).then_some(());
    space.wait_for(DEADLINE, pods(space), pod, "told of the URL", is_annotated).await;
}

fn rotation(object: &PresignedUrl) -> (&str, &str, &str) {
    let rotation = condition(object, "RotationSafe").unwrap();
    (&rotation.status, &rotation.reason, &rotation.message)
}

async fn wait_rotation(space: &Space, name: &str, reason: &str) -> PresignedUrl {
    let is_so = |object: &PresignedUrl| condition(object, "RotationSafe").is_some_and(|c| c.reason == reason);
    space.wait(name, &format!("RotationSafe {reason}"), is_so).await
}

async fn calls_about_pods(space: &Space) -> Vec<String> {
    let mut calls = audit(space).await;
    calls.retain(|call| call.contains("pods"));
    calls
}

#[tokio::test]
async fn a_new_url_touches_exactly_the_running_pods_that_mount_it() {
    let space = Space::with("annotated", &[GRANTED]).await;
    await_default_account(&space).await;
    space.apply("report", space.spec(json!({"podRefresh": "Annotate"}))).await;
    space.wait_ready("report", "True", "Issued").await;

    let projected = json!([{"name": "v", "projected": {"sources": [
        {"secret": {"name": "other"}}, {"secret": {"name": "report"}},
    ]}}]);
    let mount = |volumes: Value| json!({"volumes": volumes, "containers": [mounting(None)]});
    let part = json!({"volumes": secret_volume("report"), "containers": [mounting(Some("url"))]});
    let mut before = BTreeMap::new();
    for (name, spec, phase) in [
        ("a-done", mount(secret_volume("report")), "Succeeded"),
        ("b-other", mount(secret_volume("other")), "Running"),
        ("c-part", part, "Running"),
        ("d-env", with_env("report"), "Running"),
        ("e-pending", mount(secret_volume("report")), "Pending"),
        ("f-whole", mount(secret_volume("report")), "Running"),
        ("g-projected", mount(projected), "Running"),
    ] {
        before.insert(name, make(&space, name, spec, phase).await);
    }
    // The annotation of the first URL may have met the first of them.
    space.renew("report", "one").await;
    let signed = signing_time(&space, "report").await;
    for name in ["f-whole", "g-projected"] {
        wait_annotated(&space, name, &signed).await;
    }
    for pod in pods(&space).list(&ListParams::default()).await.unwrap() {
        let name = pod.metadata.name.clone().unwrap();
        let is_annotated = ["f-whole", "g-projected"].contains(&name.as_str());
        assert_eq!(renewed_at(&pod), is_annotated.then(|| signed.clone()), "{name}");
        let was = &before[name.as_str()];
        assert_eq!((&pod.spec, &pod.status), (&was.spec, &was.status), "{name}: nothing else is touched");
    }
    let patches: BTreeSet<_> =
        calls_about_pods(&space).await.into_iter().filter(|call| call.starts_with("patch")).collect();
    assert_eq!(
        patches,
        BTreeSet::from(["patch pods/f-whole".to_owned(), "patch pods/g-projected".to_owned()])
    );
    let is_counted = |page: &str| page.contains("presign_pods_annotated_total{result=\"done\"}");
    space.operator.wait_metrics(DEADLINE, "the annotated pods", is_counted).await;
}

#[tokio::test]
async fn a_deployment_is_not_rolled_out_by_an_annotation() {
    let space = Space::with("template", &[GRANTED]).await;
    let template = json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {"volumes": secret_volume("report"), "containers": [mounting(None)]},
    });
    let made = deploy(&space, "web", template).await;
    let pod = first_pod(&space).await;
    let name = pod.metadata.name.clone().unwrap();
    let status = Patch::Merge(json!({"status": {"phase": "Running"}}));
    pods(&space).patch_status(&name, &PatchParams::default(), &status).await.unwrap();
    space.apply("report", space.spec(json!({"podRefresh": "Annotate"}))).await;
    space.wait_ready("report", "True", "Issued").await;
    wait_annotated(&space, &name, &signing_time(&space, "report").await).await;
    let deployments = Api::<Deployment>::namespaced(space.client.clone(), &space.namespace);
    let after = deployments.get("web").await.unwrap();
    assert_eq!((after.metadata.generation, &after.spec), (made.metadata.generation, &made.spec));
    let now = pods(&space).list(&ListParams::default()).await.unwrap().items;
    assert_eq!(now.into_iter().map(|pod| pod.metadata.uid).collect::<Vec<_>>(), [pod.metadata.uid]);
}

/// Makes a Deployment of one pod.
async fn deploy(space: &Space, name: &str, template: Value) -> Deployment {
    let spec = json!({"selector": {"matchLabels": {"app": name}}, "template": template});
    let deployment =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec});
    let deployments = Api::<Deployment>::namespaced(space.client.clone(), &space.namespace);
    deployments.create(&PostParams::default(), &serde_json::from_value(deployment).unwrap()).await.unwrap()
}

/// The one pod of the namespace, once its Deployment has made it.
async fn first_pod(space: &Space) -> Pod {
    let api = pods(space);
    let mut events = std::pin::pin!(kube::runtime::watcher(api, kube::runtime::watcher::Config::default()));
    let found = async {
        use futures::StreamExt as _;
        use kube::runtime::watcher::Event;
        loop {
            if let Some(Ok(Event::InitApply(pod) | Event::Apply(pod))) = events.next().await {
                return pod;
            }
        }
    };
    tokio::time::timeout(DEADLINE, found).await.expect("the Deployment makes a pod")
}

#[tokio::test]
async fn many_pods_are_annotated_at_a_bounded_rate() {
    const PODS: usize = 60;
    let space = Space::with("rate", &[GRANTED]).await;
    await_default_account(&space).await;
    let spec = json!({"volumes": secret_volume("report"), "containers": [mounting(None)]});
    let names: Vec<String> = (0..PODS).map(|number| format!("p{number:02}")).collect();
    futures::future::join_all(names.iter().map(|name| make(&space, name, spec.clone(), "Running"))).await;
    space.apply("report", space.spec(json!({"podRefresh": "Annotate"}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let signed = signing_time(&space, "report").await;
    for name in &names {
        wait_annotated(&space, name, &signed).await;
    }

    let mut by_second: BTreeMap<i64, usize> = BTreeMap::new();
    for pod in pods(&space).list(&ListParams::default()).await.unwrap() {
        let fields = pod.metadata.managed_fields.unwrap();
        let ours = fields.iter().find(|entry| entry.manager.as_deref() == Some("presign-operator")).unwrap();
        *by_second.entry(ours.time.as_ref().unwrap().0.as_second()).or_default() += 1;
    }
    assert_eq!(by_second.values().sum::<usize>(), PODS);
    // One every 50 ms, and four that may have been under way for longer.
    assert!(by_second.values().all(|count| *count <= 25), "{by_second:?}");
    let calls = calls_about_pods(&space).await;
    let lists = calls.iter().filter(|call| call.starts_with("list")).count();
    assert!((1..=2).contains(&lists), "{lists} lists for one URL");
}

#[tokio::test]
async fn an_annotation_that_hangs_keeps_no_url_waiting() {
    let (space, proxy) = Space::behind_proxy_with("hangs", &[GRANTED]).await;
    await_default_account(&space).await;
    let spec = json!({"volumes": secret_volume("report"), "containers": [mounting(None)]});
    for name in ["first", "second"] {
        make(&space, name, spec.clone(), "Running").await;
    }
    let hold = proxy.hold(Match::new("PATCH", "/pods/first"));
    space.apply("report", space.spec(json!({"podRefresh": "Annotate"}))).await;
    assert!(hold.reached(DEADLINE).await);
    wait_annotated(&space, "second", &signing_time(&space, "report").await).await;
    space.apply("another", space.spec(json!({}))).await;
    space.wait_ready("another", "True", "Issued").await;
    assert_eq!(renewed_at(&pods(&space).get("first").await.unwrap()), None);
    hold.release();
    wait_annotated(&space, "first", &signing_time(&space, "report").await).await;
}
