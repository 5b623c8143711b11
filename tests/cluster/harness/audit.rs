//! What the operator really asked of the API server, from the API server's own audit log.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::Value;
use testbed::eventually;

use super::{DEADLINE, Space};

/// The operator's calls in a namespace so far, in order: "verb resource/name/subresource".
pub async fn audit(space: &Space) -> Vec<String> {
    let entries = operators_log(space).await;
    entries
        .iter()
        // What an election costs is told in docs/high-availability.md.
        .filter(|entry| entry["objectRef"]["resource"] != "leases")
        .map(|entry| {
            let part = |name: &str| entry["objectRef"][name].as_str().map(str::to_owned);
            let parts = ["resource", "name", "subresource"].into_iter().filter_map(part);
            format!("{} {}", entry["verb"].as_str().unwrap(), parts.collect::<Vec<_>>().join("/"))
        })
        .collect()
}

/// Everything that operators asked for in a namespace so far, as the log has it.
pub async fn operators_log(space: &Space) -> Vec<Value> {
    audit_log(space, |entry| {
        entry["userAgent"].as_str().is_some_and(|agent| agent.starts_with("presign-operator"))
            && entry["objectRef"]["namespace"] == space.namespace.as_str()
    })
    .await
}

/// What the log holds so far about a namespace or somebody in it.
pub async fn audit_log(space: &Space, is_wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let log = settled(space).await;
    log.lines()
        .filter(|line| line.contains(&space.namespace) && line.contains("presign-operator"))
        // The last line may still be being written.
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(is_wanted)
        .collect()
}

/// The log once it holds everything that was answered before now: a line is written shortly
/// after its answer, so a call of our own marks the place.
async fn settled(space: &Space) -> String {
    static MARKS: AtomicU64 = AtomicU64::new(0);
    let mark = format!("{}-mark-{}", space.namespace, MARKS.fetch_add(1, Ordering::Relaxed));
    let maps = Api::<ConfigMap>::namespaced(space.client.clone(), &space.namespace);
    let path = space.world.plane.audit_log();
    // The log of a whole test program is long, so the mark is looked for only in what is new.
    let before = std::fs::metadata(&path).unwrap().len();
    maps.get_opt(&mark).await.unwrap();
    let is_marked = async || {
        let mut file = File::open(&path).unwrap();
        file.seek(SeekFrom::Start(before)).unwrap();
        let mut new = Vec::new();
        file.read_to_end(&mut new).unwrap();
        String::from_utf8_lossy(&new).contains(&mark)
    };
    assert!(eventually(DEADLINE, is_marked).await, "the audit log is written");
    std::fs::read_to_string(path).unwrap()
}
