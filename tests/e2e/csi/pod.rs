//! A pod with a CSI volume, as a manifest.

use serde_json::{Value, json};
use testbed::Node;

use crate::cluster::Cluster;

/// The namespace of all of them. Some run as root.
pub const NAMESPACE: &str = "csi-team";

/// Reads the URL each second, and says at once when there is another one.
const READER: &str = r#"
(
  last=
  while :; do
    now=$(cat /urls/expires-at)
    [ "$now" = "$last" ] || { echo "renewed $(date +%s) $now"; last=$now; }
    sleep 0.1
  done
) &
while :; do
  got=$(curl -fsS --max-time 10 "$(cat /urls/url)" 2>&1)
  [ "$got" = "the third quarter" ] && echo ok || echo "failed: $(date +%s) $got"
  sleep 1
done"#;

/// A pod with a volume that has one URL.
#[derive(Clone)]
pub struct CsiPod {
    pub name: String,
    /// What its shell runs.
    pub script: String,
    pub attributes: Vec<(&'static str, String)>,
    /// The Secret with its access key.
    pub secret: String,
    /// A file of the volume that is mounted alone, at `/url`.
    pub sub_path: Option<&'static str>,
    /// Whether the volume is that Secret itself, for comparison.
    pub has_secret_volume: bool,
}

impl CsiPod {
    /// Nothing but a process that sleeps.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            script: "sleep 100000".to_owned(),
            attributes: Vec::new(),
            secret: "store".to_owned(),
            sub_path: None,
            has_secret_volume: false,
        }
    }

    /// A pod that reads its URL each second. `percentage` of its life are left when it is renewed.
    pub fn reader(name: &str, percentage: Option<u32>) -> Self {
        let attributes = percentage.map(|number| ("renewBeforePercentage", number.to_string()));
        Self { script: READER.to_owned(), attributes: attributes.into_iter().collect(), ..Self::new(name) }
    }

    /// The object.
    pub fn manifest(&self) -> Value {
        let mut attributes = json!({
            "endpoint": "https://us-west.s3.qencode.com",
            "region": "us-west",
            "bucket": "reports",
            "key": "2026/q3 summary.txt",
            "expiresIn": "5m",
        });
        for (name, value) in &self.attributes {
            attributes[name] = json!(value);
        }
        let volume = if self.has_secret_volume {
            json!({"name": "urls", "secret": {"secretName": self.secret}})
        } else {
            json!({"name": "urls", "csi": {
                "driver": "url.presign.dev",
                "readOnly": true,
                "nodePublishSecretRef": {"name": self.secret},
                "volumeAttributes": attributes,
            }})
        };
        let mut mounts = vec![json!({"name": "urls", "mountPath": "/urls"})];
        mounts
            .extend(self.sub_path.map(|path| json!({"name": "urls", "mountPath": "/url", "subPath": path})));
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name, "labels": {"app": "csi"}},
            "spec": {
                "automountServiceAccountToken": false,
                "enableServiceLinks": false,
                // With none, the API server would not wait until the kubelet has unmounted everything.
                "terminationGracePeriodSeconds": 1,
                "restartPolicy": "Never",
                "containers": [{
                    "name": "reader",
                    "image": Node::CLIENT_IMAGE,
                    "imagePullPolicy": "Never",
                    "command": ["sh", "-c", self.script],
                    "volumeMounts": mounts,
                }],
                "volumes": [volume],
            },
        })
    }

    /// Makes the pod.
    pub fn create(&self, cluster: &Cluster) {
        create(cluster, std::slice::from_ref(self));
    }
}

/// Makes pods, all in one request.
pub fn create(cluster: &Cluster, pods: &[CsiPod]) {
    let items: Vec<Value> = pods.iter().map(CsiPod::manifest).collect();
    cluster.apply(NAMESPACE, &json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string());
}

/// Runs kubectl in the namespace.
pub fn kubectl(cluster: &Cluster, arguments: &[&str]) -> String {
    cluster.kubectl(&[&["--namespace", NAMESPACE], arguments].concat())
}

/// Waits until pods are ready.
pub fn await_ready(cluster: &Cluster, names: &[&str]) {
    let names: Vec<String> = names.iter().map(|name| format!("pod/{name}")).collect();
    let mut arguments = vec!["wait", "--for=condition=Ready", "--timeout=180s"];
    arguments.extend(names.iter().map(String::as_str));
    kubectl(cluster, &arguments);
}

/// Deletes pods, and waits until they are gone.
pub fn delete(cluster: &Cluster, names: &[&str]) {
    kubectl(cluster, &[&["delete", "pod", "--wait=true", "--timeout=240s"], names].concat());
}

/// A file of the volume of a pod.
pub fn read(cluster: &Cluster, name: &str, path: &str) -> String {
    kubectl(cluster, &["exec", name, "--", "cat", path])
}
