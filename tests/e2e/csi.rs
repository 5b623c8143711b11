//! Pods that get their URLs in CSI volumes, as root and as another user, from a `DaemonSet` that is replaced
//! meanwhile. A pod that cannot have a URL says why in its events.

mod burst;
mod faults;
mod node;
mod pod;
mod signed;
mod steady;

use std::time::{Duration, Instant};

use self::pod::{NAMESPACE, kubectl};
use crate::cluster::{Cluster, file};
use crate::installation;
use crate::totals::ReadTotals;

pub use self::burst::measure;
pub use self::faults::{run_all, run_short};
pub use self::signed::route;

const PODS: [&str; 3] = ["group", "root", signed::SIGNED];
/// How long the URLs live, in seconds.
const LIFETIME: i64 = 300;
/// The longest time from signing to a request with the new URL, in seconds. These pods look at the file between
/// requests, and the machine may be busy.
const LAG: i64 = 20;
/// After this time, each volume has been renewed twice at least.
const RENEWALS: Duration = Duration::from_secs(130);

/// Starts the pods, and returns since when they read their URLs.
pub fn start(cluster: &Cluster) -> Instant {
    // One of them runs as root.
    cluster.kubectl(&["create", "namespace", NAMESPACE]);
    cluster.apply(NAMESPACE, &std::fs::read_to_string(file("tests/e2e/csi/readers.yaml")).unwrap());
    kubectl(
        cluster,
        &["wait", "--for=condition=Available", "--timeout=90s", "deployment/group", "deployment/root"],
    );
    signed::start(cluster);
    let since = Instant::now();
    refuse(cluster);
    // What the pods use was signed on the node, and none of it is stored in the cluster.
    let stored = kubectl(cluster, &["get", "secrets,pods,events", "--output=yaml"]);
    assert!(!stored.contains("X-Amz-Signature"), "{stored}");
    since
}

/// Pods that cannot have a URL do not start, and say why.
fn refuse(cluster: &Cluster) {
    let secret = r#""nodePublishSecretRef": {"name": "store"},"#;
    let brief = r#""endpoint": "https://us-west.s3.qencode.com", "region": "us-west", "expiresIn": "1m""#;
    create_refused(cluster, "brief", secret, brief);
    // The kubelet brings a token for it. AWS, which does not know the issuer, cannot be reached from here.
    let role = r#""region": "eu-central-1", "roleARN": "arn:aws:iam::123456789012:role/reports""#;
    create_refused(cluster, "role", "", role);
    await_event(cluster, "brief", "volumeAttributes.expiresIn: must be at least 5m");
    await_event(cluster, "role", "issued no session");
    kubectl(cluster, &["delete", "pod", "brief", "role", "--wait", "--timeout=60s"]);
}

fn create_refused(cluster: &Cluster, name: &str, secret: &str, attributes: &str) {
    let pod = format!(
        r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{name}"}}, "spec": {{
        "containers": [{{"name": "c", "image": "localhost/testbed-client:1", "imagePullPolicy": "Never",
          "volumeMounts": [{{"name": "urls", "mountPath": "/urls"}}]}}],
        "volumes": [{{"name": "urls", "csi": {{"driver": "url.presign.dev", "readOnly": true, {secret}
          "volumeAttributes": {{"bucket": "reports", "key": "a", {attributes}}}}}}}]}}}}"#
    );
    cluster.apply(NAMESPACE, &pod);
}

fn await_event(cluster: &Cluster, pod: &str, said: &str) {
    let of_pod = format!("--field-selector=involvedObject.name={pod}");
    let events = || kubectl(cluster, &["get", "events", &of_pod, "--output=yaml"]);
    let begun = Instant::now();
    while !events().contains(said) {
        assert!(begun.elapsed().as_secs() < 120, "no event says {said:?}: {}", events());
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Starts the pods, replaces the driver, and ends the pods when they have seen several renewals.
pub fn run_alone(cluster: &Cluster) -> bool {
    cluster.store.put_object("reports", "2026/q3 summary.txt", "the third quarter").unwrap();
    let since = start(cluster);
    println!("e2e: pods use CSI volumes");
    // The driver is replaced, too.
    installation::roll(cluster);
    route(cluster);
    run_short(cluster);
    end(cluster, since)
}

/// Waits for renewals, reports what the pods did, deletes them, and says whether all is well.
pub fn end(cluster: &Cluster, since: Instant) -> bool {
    std::thread::sleep(RENEWALS.saturating_sub(since.elapsed()));
    let mut is_kept = true;
    for name in PODS {
        let mut totals = ReadTotals::of_urls_that_live(LIFETIME);
        let log = kubectl(cluster, &["logs", "--tail=-1", &format!("deployment/{name}")]);
        log.lines().for_each(|line| totals.add(line));
        println!("e2e: csi volume of {name}: {totals}");
        let is_prompt = totals.lags.iter().all(|lag| *lag <= LAG);
        is_kept &= is_prompt && totals.failures.is_empty() && totals.requests > 50 && totals.lags.len() >= 2;
    }
    kubectl(cluster, &["delete", "deployment", "--all", "--wait", "--cascade=foreground", "--timeout=120s"]);
    kubectl(cluster, &["wait", "--for=delete", "pod", "--all", "--timeout=120s"]);
    let left = node::mounts(cluster);
    println!("e2e: {} mounts of CSI volumes are left", left.len());
    is_kept && left.is_empty()
}
