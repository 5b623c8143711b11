//! The pods and the URLs that they use, as manifests. Each pod prints one line a request, "ok" or "failed", and
//! "renewed SEEN EXPIRES" when it sees another URL.

use serde_json::{Value, json};
use testbed::Node;

use super::{CARELESS, Scale};

/// Does REQUEST again and again. EXPIRY is the file that changes with the URL.
const CAREFUL_SCRIPT: &str = r#"
# The kubelet may delete the old files between the two steps of a read.
read_file() { cat "$1" 2> /dev/null || { echo again >&2; cat "$1"; }; }
expect() { [ "$2" = "$1" ] && echo ok || echo "failed: $2"; }
get() { expect "$2" "$(curl -fsS --max-time 10 "$(read_file "$1")" 2>&1)"; }
last= frame=0
while :; do
  now=$(read_file EXPIRY)
  [ "$now" = "$last" ] || { echo "renewed $(date +%s) $now"; last=$now; }
  REQUEST
  sleep 0.3
done"#;

const DOWNLOAD: &str = r#"get /urls/url "the third quarter""#;

const UPLOAD: &str = r#"
  frame=$((frame + 1))
  echo "frame $frame" > /tmp/frame
  expect "" "$(curl -fsS --max-time 10 -T /tmp/frame -H @/urls/headers "$(read_file /urls/url)" 2>&1)""#;

const DOWNLOAD_BOTH: &str = r#"
  get /urls/report/url "the third quarter"
  get /urls/invoice/url "to be paid""#;

/// Reads the file once, which is a mistake: it shows that these URLs do end.
const CARELESS_SCRIPT: &str = r#"
url=$(cat /urls/url)
while :; do
  got=$(curl -fsS --max-time 10 "$url" 2>&1)
  [ "$got" = "the third quarter" ] && echo ok || echo "failed: $got"
  sleep 1
done"#;

/// The manifests of the pods that take part, and of what they use.
pub fn manifests(scale: Scale) -> Value {
    let careful = |expiry, request| CAREFUL_SCRIPT.replace("EXPIRY", expiry).replace("REQUEST", request);
    let secret = |name: &str| json!({"secret": {"secretName": name}});
    let source = |name: &str| {
        let item = |key: &str| json!({"key": key, "path": format!("{name}/{key}")});
        json!({"secret": {"name": name, "items": [item("url"), item("expires-at")]}})
    };
    let both = json!({"projected": {"sources": [source("report"), source("invoice")]}});
    let pods = [
        ("download", careful("/urls/expires-at", DOWNLOAD), secret("report")),
        ("annotated", careful("/urls/expires-at", DOWNLOAD), secret("annotated")),
        ("upload", careful("/urls/expires-at", UPLOAD), secret("upload")),
        ("projected", careful("/urls/report/expires-at", DOWNLOAD_BOTH), both),
        (CARELESS, CARELESS_SCRIPT.to_owned(), secret("report")),
    ];
    let pods = pods.into_iter().filter(|(name, ..)| *name == CARELESS || scale.careful().contains(name));
    let pods = pods.map(|(name, script, volume)| deployment(name, &script, volume));

    let headers = json!({"Content-Type": "video/mp4", "x-amz-meta-camera": "7"});
    let summary = json!({"bucket": "reports", "key": "2026/q3 summary.txt"});
    let mut annotated = summary.clone();
    annotated["podRefresh"] = json!("Annotate");
    let urls = [
        ("report", summary),
        ("annotated", annotated),
        ("invoice", json!({"bucket": "reports", "key": "invoices/ä+b.txt"})),
        (
            "upload",
            json!({"method": "PUT", "bucket": "videos", "key": "incoming/camera 7.mp4", "headers": headers}),
        ),
    ];
    let urls = urls.map(|(name, spec)| presigned_url(name, spec, scale));

    let keys = json!({"access-key-id": "YOUR-ACCESS-KEY-ID", "secret-access-key": "YOUR-SECRET-ACCESS-KEY"});
    let keys =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "store"}, "stringData": keys});
    let items: Vec<Value> = [keys].into_iter().chain(urls).chain(pods).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// A `PresignedUrl` that lives as long as the scale says.
fn presigned_url(name: &str, mut spec: Value, scale: Scale) -> Value {
    let (lifetime, renew_before) = match scale {
        Scale::Whole => ("4m", "3m"),
        Scale::Short => ("1m", "45s"),
    };
    spec["expiresIn"] = json!(lifetime);
    spec["renewBefore"] = json!(renew_before);
    spec["s3"] = json!({
        "endpoint": "https://us-west.s3.qencode.com", "region": "us-west",
        "credentials": {"secretRef": {"name": "store"}},
    });
    json!({
        "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl", "metadata": {"name": name}, "spec": spec,
    })
}

/// A Deployment of one pod that runs a script beside a volume.
fn deployment(name: &str, script: &str, mut volume: Value) -> Value {
    volume["name"] = json!("urls");
    let container = json!({
        "name": name, "image": Node::CLIENT_IMAGE, "imagePullPolicy": "Never", "command": ["sh", "-c", script],
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "urls", "mountPath": "/urls", "readOnly": true}],
    });
    let nobody =
        json!({"runAsNonRoot": true, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}});
    let pod = json!({
        "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 1,
        "securityContext": nobody, "containers": [container], "volumes": [volume],
    });
    let labels = json!({"app": name});
    let template = json!({"metadata": {"labels": labels}, "spec": pod});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    })
}
