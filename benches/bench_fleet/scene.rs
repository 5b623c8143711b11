//! A control plane of its own for each size of fleet.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, Config};
use serde_json::Value;
use testbed::ControlPlane;

use super::ceiling::{NAMESPACE, Sample};
use super::{bulk, plain};

/// The namespace that the operator looks after.
pub(crate) const FLEET: &str = "fleet";
/// The secret of the access keys at first.
pub(crate) const KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

pub(crate) struct Scene {
    pub(crate) plane: ControlPlane,
    pub(crate) client: Client,
    numbers: AtomicUsize,
}

impl Scene {
    pub(crate) async fn set() -> Self {
        let plane = tokio::task::spawn_blocking(ControlPlane::start);
        let plane = plane.await.unwrap().expect("the control plane starts");
        let client = client(plane.kubeconfig()).await;
        let scene = Self { plane, client, numbers: AtomicUsize::new(0) };
        scene.install().await;
        scene
    }

    async fn install(&self) {
        let api = Api::<CustomResourceDefinition>::all(self.client.clone());
        for crd in presign_operator::crd::definitions().unwrap() {
            let name = crd.metadata.name.clone().unwrap();
            api.patch(&name, &PatchParams::apply("bench").force(), &Patch::Apply(&crd)).await.unwrap();
            await_condition(api.clone(), &name, conditions::is_crd_established()).await.unwrap();
        }
        for namespace in [FLEET, NAMESPACE] {
            self.add_namespace(namespace).await;
        }
        bulk::write_keys(&self.client, FLEET, "shared-keys", KEY).await;
    }

    /// Adds a namespace with an access key.
    pub(crate) async fn add_namespace(&self, name: &str) {
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        Api::all(self.client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
        bulk::write_keys(&self.client, name, "keys", KEY).await;
    }

    /// A number that was not used before.
    pub(crate) fn next_number(&self) -> usize {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// What the operator, which has to run, writes for one object, which is left in place.
    pub(crate) async fn sample(&self) -> Sample {
        let name = "object-sample".to_owned();
        let object = |_| bulk::presigned_url(&name, "keys", &Value::Null);
        let uid = bulk::create(&self.client, FLEET, 1, object).await.remove(0).uid;
        let urls = format!("{}/{FLEET}/presignedurls/{name}", plain::GROUP);
        let object = loop {
            let object: Value = serde_json::from_slice(&plain::get(&self.client, &urls).await).unwrap();
            if object["status"]["conditions"][0]["reason"] == "Issued" {
                break object;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        let secrets = format!("{}/{FLEET}/secrets/{name}", plain::CORE);
        let secret: Value = serde_json::from_slice(&plain::get(&self.client, &secrets).await).unwrap();
        let metadata = |kept: &[&str]| -> Value {
            let kept = kept.iter().map(|field| ((*field).to_owned(), secret["metadata"][field].clone()));
            kept.chain([("namespace".to_owned(), NAMESPACE.into())]).collect()
        };
        Sample {
            secret: serde_json::json!({
                "apiVersion": "v1", "kind": "Secret", "type": secret["type"], "data": secret["data"],
                "metadata": metadata(&["name", "labels", "annotations", "ownerReferences"]),
            }),
            status: serde_json::json!({
                "apiVersion": object["apiVersion"], "kind": object["kind"], "status": object["status"],
                "metadata": {"name": name, "namespace": NAMESPACE, "uid": uid},
            }),
            name,
            uid,
        }
    }
}

/// A client for whoever the kubeconfig names.
pub(crate) async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.default_retry = false;
    Client::try_from(config).unwrap()
}
