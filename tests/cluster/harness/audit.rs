//! What the operator really asked of the API server, from the API server's own audit log.

use serde_json::Value;

use super::Space;

/// The operator's calls in a namespace so far, in order: "verb resource/name/subresource".
pub fn audit(space: &Space) -> Vec<String> {
    let log = std::fs::read_to_string(space.world.plane.audit_log()).unwrap();
    log.lines()
        .filter(|line| line.contains(&space.namespace) && line.contains("presign-operator"))
        // The last line may still be being written.
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|entry| {
            entry["userAgent"].as_str().is_some_and(|agent| agent.starts_with("presign-operator"))
        })
        .filter(|entry| entry["objectRef"]["namespace"] == space.namespace.as_str())
        .map(|entry| {
            let part = |name: &str| entry["objectRef"][name].as_str().map(str::to_owned);
            let parts = ["resource", "name", "subresource"].into_iter().filter_map(part);
            format!("{} {}", entry["verb"].as_str().unwrap(), parts.collect::<Vec<_>>().join("/"))
        })
        .collect()
}
