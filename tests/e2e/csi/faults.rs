//! What happens to nodes: the driver is killed at any moment, or away; the kubelet is killed; memory is full;
//! a Secret is changed or deleted. Pods start and end all the same, and nothing is left of them.

use std::time::{Duration, Instant};

use testbed::{sample, wait_until};

use super::pod::{self, CsiPod, kubectl};
use super::steady::SteadyReaders;
use super::{LIFETIME, burst, node};
use crate::cluster::{Cluster, file};
use crate::totals::ReadTotals;

/// How long the driver is away. URLs that are renewed with 80 percent left live on.
const ABSENCE: Duration = Duration::from_secs(120);
/// How many times the driver is killed while pods start and end.
const KILLS: u64 = 8;
/// The kubelet brings a changed Secret within this time.
const REPUBLISHED: Duration = Duration::from_secs(200);
/// Another access key. No request is made with it.
const OTHER_KEY: &str = "ANOTHERKEYOFVOLUMES";

/// Runs all of them, with readers meanwhile, and says whether all is well. `CSI_MINUTES` is the time of the
/// readers that go on after that (20 by default).
pub fn run_all(cluster: &Cluster) -> bool {
    let before = prepare(cluster);
    // Renewed each minute, so that they live through the absence of the driver.
    CsiPod::reader("through-all", Some(80)).create(cluster);
    pod::await_ready(cluster, &["through-all"]);
    step("driver away", || driver_away(cluster));
    let steady = SteadyReaders::start(cluster);
    step("50 pods at once", || {
        println!("e2e: all were ready after {:.1} s", burst::start_at_once(cluster, 50));
    });
    step("driver killed while pods come and go", || kill_at_any_moment(cluster, KILLS));
    step("kubelet killed", || kubelet_killed(cluster));
    step("Secret changed, unusable, deleted", || secret_changed(cluster));
    step("memory of the node full", || memory_full(cluster));
    step("driver replaced", || node::roll(cluster));
    let minutes = testbed::number("CSI_MINUTES", 20);
    let is_steady = steady.end(cluster, Duration::from_secs(60 * minutes));
    finish(cluster, before, "through-all") && is_steady
}

/// The ones that take a moment. The namespace and its Secret are there.
pub fn run_short(cluster: &Cluster) {
    step("kubelet and driver killed", || kubelet_killed(cluster));
}

fn step(what: &str, run: impl FnOnce()) {
    let begun = Instant::now();
    run();
    println!("e2e: {what}: well after {} s", begun.elapsed().as_secs());
}

/// Makes the namespace and its Secret, and returns the mounts of the node.
pub(super) fn prepare(cluster: &Cluster) -> usize {
    cluster.store.put_object("reports", "2026/q3 summary.txt", "the third quarter").unwrap();
    cluster.kubectl(&["create", "namespace", pod::NAMESPACE]);
    let manifests = std::fs::read_to_string(file("tests/e2e/csi/readers.yaml")).unwrap();
    let secret = manifests.split("\n---\n").next().unwrap().to_owned();
    cluster.apply(pod::NAMESPACE, &secret);
    node::count_mounts(cluster)
}

/// Nothing was refused, and nothing is left.
fn finish(cluster: &Cluster, before: usize, reader: &str) -> bool {
    let mut totals = ReadTotals::of_urls_that_live(LIFETIME);
    kubectl(cluster, &["logs", reader]).lines().for_each(|line| totals.add(line));
    println!("e2e: {reader}: {totals}");
    pod::delete(cluster, &["--all"]);
    let left = node::mounts(cluster);
    // Those of containers go a moment later.
    wait_until("the mounts of the pods are gone", REPUBLISHED, || node::count_mounts(cluster) <= before);
    let after = node::count_mounts(cluster);
    println!("e2e: mounts of the node: {before} before, {after} after; of CSI volumes: {left:?}");
    let signatures = node::stored(cluster, "X-Amz-Signature");
    // Only to see that such a search finds what is there.
    let keys = node::stored(cluster, cluster.store.access_key_id());
    println!("e2e: files of etcd with a signature: {signatures}; with the access key of the Secret: {keys}");
    let is_clean = left.is_empty() && signatures == 0 && keys > 0;
    is_clean && totals.failures.is_empty() && totals.requests > 10
}

/// The driver is away for two minutes: readers go on, a pod that is deleted meanwhile goes when the driver is
/// back, and one that is made meanwhile starts then.
fn driver_away(cluster: &Cluster) {
    CsiPod::new("deleted").create(cluster);
    pod::await_ready(cluster, &["deleted"]);
    node::take_driver_away(cluster);
    let since = Instant::now();
    kubectl(cluster, &["delete", "pod", "deleted", "--wait=false"]);
    CsiPod::new("made").create(cluster);
    std::thread::sleep(ABSENCE.saturating_sub(since.elapsed()));
    assert_eq!(phase(cluster, "made"), "Pending", "no pod starts without a URL");
    node::bring_driver_back(cluster);
    let back = Instant::now();
    kubectl(cluster, &["wait", "--for=delete", "pod/deleted", "--timeout=240s"]);
    println!("e2e: the deleted pod was gone {} s after the driver was back", back.elapsed().as_secs());
    pod::await_ready(cluster, &["made"]);
    println!("e2e: the new pod was ready {} s after the driver was back", back.elapsed().as_secs());
    pod::delete(cluster, &["made"]);
}

/// The driver is killed again and again, each time a little later after pods were made and others deleted.
fn kill_at_any_moment(cluster: &Cluster, kills: u64) {
    let batch = |round: u64| -> Vec<CsiPod> {
        (0..4).map(|number| CsiPod::new(&format!("killed-{round}-{number}"))).collect()
    };
    let names = |pods: &[CsiPod]| pods.iter().map(|pod| pod.name.clone()).collect::<Vec<_>>();
    for round in 0..kills {
        let pods = batch(round);
        if round > 0 {
            let old = names(&batch(round - 1));
            let old: Vec<&str> = old.iter().map(String::as_str).collect();
            kubectl(cluster, &[&["delete", "pod", "--wait=false"], &old[..]].concat());
        }
        pod::create(cluster, &pods);
        std::thread::sleep(Duration::from_millis(150 * round));
        // The pod of the driver goes too: a new one starts at once, where a crashed container would wait.
        node::kill_driver(cluster);
        node::replace_driver(cluster);
        let new = names(&pods);
        pod::await_ready(cluster, &new.iter().map(String::as_str).collect::<Vec<_>>());
        let url = pod::read(cluster, &new[0], "/urls/url");
        assert!(url.contains("X-Amz-Signature"), "round {round}");
    }
    let last = names(&batch(kills - 1));
    pod::delete(cluster, &last.iter().map(String::as_str).collect::<Vec<_>>());
    let is_of_round = |name: &String| name.starts_with("killed-");
    wait_until("no pod is stuck", REPUBLISHED, || !names_of_pods(cluster).iter().any(is_of_round));
}

/// The kubelet and the driver are killed, and a pod is deleted while both are away.
fn kubelet_killed(cluster: &Cluster) {
    let pods = ["stays", "goes"].map(CsiPod::new);
    pod::create(cluster, &pods);
    pod::await_ready(cluster, &["stays", "goes"]);
    let url = pod::read(cluster, "stays", "/urls/url");
    cluster.node.kill_kubelet().unwrap();
    node::kill_driver(cluster);
    kubectl(cluster, &["delete", "pod", "goes", "--wait=false"]);
    cluster.node.start_kubelet(&cluster.plane).unwrap();
    kubectl(cluster, &["wait", "--for=delete", "pod/goes", "--timeout=120s"]);
    node::await_driver(cluster);
    assert_eq!(pod::read(cluster, "stays", "/urls/url"), url, "a restart is no reason to sign");
    let after = CsiPod::new("after");
    after.create(cluster);
    pod::await_ready(cluster, &["after"]);
    pod::delete(cluster, &["stays", "after"]);
}

/// A Secret is changed, made unusable, and deleted under a pod.
fn secret_changed(cluster: &Cluster) {
    let patch = |data: &str| {
        let patch = format!(r#"{{"stringData": {data}}}"#);
        kubectl(cluster, &["patch", "secret", "changed", "--patch", &patch]);
    };
    kubectl(cluster, &["create", "secret", "generic", "changed"]);
    patch(r#"{"access-key-id": "FIRSTKEYOFVOLUMES", "secret-access-key": "a-secret"}"#);
    let pod = CsiPod { secret: "changed".to_owned(), ..CsiPod::new("changed") };
    pod.create(cluster);
    pod::await_ready(cluster, &["changed"]);
    let url = || pod::read(cluster, "changed", "/urls/url");
    assert!(url().contains("FIRSTKEYOFVOLUMES"));
    patch(&format!(r#"{{"access-key-id": "{OTHER_KEY}"}}"#));
    let begun = Instant::now();
    wait_until("the new key signs", REPUBLISHED, || url().contains(OTHER_KEY));
    println!("e2e: a changed Secret signed after {} s", begun.elapsed().as_secs());
    // Unusable, and then gone: the last key signs on.
    patch(r#"{"access-key-id": ""}"#);
    let calls = kept(cluster);
    wait_until("the kubelet brings it", REPUBLISHED, || kept(cluster) > calls);
    assert!(url().contains(OTHER_KEY));
    kubectl(cluster, &["delete", "secret", "changed"]);
    let first = url();
    wait_until("a URL after the Secret is gone", Duration::from_secs(240), || url() != first);
    assert!(url().contains(OTHER_KEY));
    pod::delete(cluster, &["changed"]);
}

/// What the driver counts of Secrets that cannot be used.
fn kept(cluster: &Cluster) -> u64 {
    sample(&node::metrics(cluster), "presign_csi_kept_total").unwrap_or_default()
}

/// The file system in memory that the driver keeps its records in is full: pods start and end, and a restart
/// of the driver loses nothing.
fn memory_full(cluster: &Cluster) {
    node::shell(
        cluster,
        "mount -o remount,size=1m /run; ! dd if=/dev/zero of=/run/fill bs=4096 2> /dev/null",
    );
    let full = CsiPod::new("full");
    full.create(cluster);
    let begun = Instant::now();
    // The runtime may need that memory too. The driver must not make it worse.
    while begun.elapsed() < Duration::from_secs(20) && phase(cluster, "full") != "Running" {
        std::thread::sleep(Duration::from_millis(500));
    }
    println!("e2e: a pod is {} while /run is full", phase(cluster, "full"));
    node::shell(cluster, "rm /run/fill; mount -o remount,size=50% /run");
    pod::await_ready(cluster, &["full"]);
    pod::delete(cluster, &["full"]);
}

fn phase(cluster: &Cluster, name: &str) -> String {
    kubectl(cluster, &["get", "pod", name, "--output=jsonpath={.status.phase}"])
}

fn names_of_pods(cluster: &Cluster) -> Vec<String> {
    let names = kubectl(cluster, &["get", "pods", "--output=jsonpath={.items[*].metadata.name}"]);
    names.split_whitespace().map(str::to_owned).collect()
}
