//! Two pods that mount a URL: one URL is withdrawn by its signer, the Secret of the other is deleted. The
//! first file becomes empty. The second one keeps its URL, because a kubelet that finds no Secret leaves
//! the file as it is: that is why the operator empties a Secret instead of deleting it.

use std::time::{Duration, Instant};

use crate::cluster::{Cluster, file};

/// The namespace that `withdrawal/signer.yaml` allows.
const NAMESPACE: &str = "withdrawal";
/// Each is the name of a pod, of its `PresignedUrl` and of its Secret.
const WITHDRAWN: &str = "withdrawn";
const DELETED: &str = "deleted";
/// The kubelet looks at the Secrets of a pod every one to two minutes.
const LIMIT: Duration = Duration::from_secs(240);

fn kubectl(cluster: &Cluster, arguments: &[&str]) -> String {
    cluster.kubectl(&[&["--namespace", NAMESPACE], arguments].concat())
}

fn read(name: &str) -> String {
    std::fs::read_to_string(file("tests/e2e/withdrawal").join(name)).unwrap()
}

/// Starts the pods; then denies the one URL, and deletes the other with its `PresignedUrl`.
pub fn start(cluster: &Cluster) {
    cluster.create_namespace(NAMESPACE);
    cluster.apply("presign-system", &read("signer.yaml"));
    cluster.apply(NAMESPACE, &read("urls.yaml"));
    let urls = [format!("psu/{WITHDRAWN}"), format!("psu/{DELETED}")];
    kubectl(cluster, &["wait", "--for=condition=Ready", "--timeout=60s", &urls[0], &urls[1]]);
    // A kubelet that finds no Secret at first would tell that, too.
    cluster.apply(NAMESPACE, &read("pods.yaml"));
    for pod in [WITHDRAWN, DELETED] {
        kubectl(cluster, &["wait", "--for=condition=Ready", "--timeout=90s", &format!("pod/{pod}")]);
        let first = cluster.log_lines(NAMESPACE, &format!("pod/{pod}")).next().unwrap_or_default();
        assert!(Seen::read(&first).is_some_and(|seen| seen.size > 0), "{pod} has no URL: {first:?}");
    }
    let rules = "/spec/policy/rules/0/keyPrefixes";
    let denial = format!(r#"[{{"op":"replace","path":"{rules}","value":["others/"]}}]"#);
    cluster.kubectl(&["patch", "clustersigner", "withdrawing", "--type=json", "--patch", &denial]);
    let ended = r"--for=jsonpath={.metadata.annotations.presign\.dev/ended}=Denied";
    kubectl(cluster, &["wait", ended, "--timeout=60s", &format!("secret/{WITHDRAWN}")]);
    kubectl(cluster, &["delete", "presignedurl", DELETED]);
    kubectl(cluster, &["wait", "--for=delete", "--timeout=60s", &format!("secret/{DELETED}")]);
}

/// Waits until the kubelet has looked at both Secrets; reports, and says whether the files hold what they
/// should.
pub fn end(cluster: &Cluster) -> bool {
    let is_emptied = becomes_empty(cluster) && all_seen(cluster, WITHDRAWN).is_some();
    println!("e2e: the file of a withdrawn URL {}", if is_emptied { "is empty" } else { "is NOT empty" });
    let has_looked = kubelet_missed_the_secret(cluster);
    let is_left = has_looked && is_unchanged(cluster);
    println!(
        "e2e: the file of a deleted Secret {}",
        match (has_looked, is_left) {
            (false, _) => "was NOT looked at by the kubelet",
            (true, false) => "was CHANGED by the kubelet",
            (true, true) => "still holds its URL",
        }
    );
    is_emptied && is_left
}

/// What a pod saw in its file: a digest and the size.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Seen {
    digest: String,
    size: usize,
}

impl Seen {
    /// Reads a line of a pod; `None` if there was no file.
    fn read(line: &str) -> Option<Self> {
        let (digest, size) = line.split_once(' ')?;
        Some(Self { digest: digest.to_owned(), size: size.trim().parse().ok()? })
    }
}

/// Follows the pod whose URL is withdrawn until its file is empty.
fn becomes_empty(cluster: &Cluster) -> bool {
    let ends = Instant::now() + LIMIT;
    for line in cluster.log_lines(NAMESPACE, &format!("pod/{WITHDRAWN}")) {
        if Seen::read(&line).is_some_and(|seen| seen.size == 0) {
            return true;
        }
        if Instant::now() > ends {
            break;
        }
    }
    false
}

/// All that a pod has seen so far; `None` if its file was missing for a moment.
fn all_seen(cluster: &Cluster, pod: &str) -> Option<Vec<Seen>> {
    let log = kubectl(cluster, &["logs", "--tail=-1", &format!("pod/{pod}")]);
    log.lines().map(Seen::read).collect()
}

/// Waits for the event of a kubelet that looked for the Secret that is gone.
fn kubelet_missed_the_secret(cluster: &Cluster) -> bool {
    let ends = Instant::now() + LIMIT;
    let selector = format!("--field-selector=reason=FailedMount,involvedObject.name={DELETED}");
    loop {
        let messages =
            kubectl(cluster, &["get", "events", &selector, "--output=jsonpath={.items[*].message}"]);
        if messages.contains(&format!("\"{DELETED}\" not found")) {
            return true;
        }
        if Instant::now() > ends {
            return false;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Whether the file of the Secret that is gone is as it was, also after the kubelet looked for it.
fn is_unchanged(cluster: &Cluster) -> bool {
    // What the pod sees from now on, and not only what it has told already.
    let before = all_seen(cluster, DELETED).map_or(0, |seen| seen.len());
    let lines = cluster.log_lines(NAMESPACE, &format!("pod/{DELETED}")).take(before + 3);
    let seen: Option<Vec<Seen>> = lines.map(|line| Seen::read(&line)).collect();
    let seen = seen.unwrap_or_default();
    let is_as_before = |first: &Seen| first.size > 0 && seen.iter().all(|later| later == first);
    seen.len() > before && seen.first().is_some_and(is_as_before)
}
