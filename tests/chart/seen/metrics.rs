//! The metrics of the contract, and the queries of the dashboard, in a real Prometheus.

use serde_json::Value;

use super::scene::scene;
use super::series::name;
use crate::render::read;

/// Name and type of everything that is promised.
const PROMISED: [(&str, &str); 23] = [
    ("presign_objects", "gauge"),
    ("presign_objects_by_reason", "gauge"),
    ("presign_refused_objects", "gauge"),
    ("presign_overdue_objects", "gauge"),
    ("presign_expiring_objects", "gauge"),
    ("presign_expired_objects", "gauge"),
    ("presign_next_expiration_timestamp_seconds", "gauge"),
    ("presign_issued", "counter"),
    ("presign_repaired", "counter"),
    ("presign_verifications", "counter"),
    ("presign_failures", "counter"),
    ("presign_reconcile_panics", "counter"),
    ("presign_renewal_lag_seconds", "histogram"),
    ("presign_sign_duration_seconds", "histogram"),
    ("presign_reconcile_duration_seconds", "histogram"),
    ("presign_leader", "gauge"),
    ("presign_failing_watches", "gauge"),
    ("presign_clock_skew_seconds", "gauge"),
    ("presign_api_requests", "counter"),
    ("presign_build", "info"),
    ("process_cpu_seconds", "counter"),
    ("process_resident_memory_bytes", "gauge"),
    ("process_start_time_seconds", "gauge"),
];

#[test]
fn every_metric_of_the_contract_is_there_and_described() {
    let metadata = scene().prometheus.ask("targets/metadata", &[]).unwrap();
    for (metric, kind) in PROMISED {
        let found = metadata.as_array().unwrap().iter().find(|found| found["metric"] == metric);
        let found = found.unwrap_or_else(|| panic!("{metric} is not exposed"));
        assert_eq!(found["type"], kind, "{metric}");
        assert!(found["help"].as_str().is_some_and(|help| help.len() > 10), "{metric}: {found}");
    }
}

#[test]
fn whatever_is_exposed_is_documented() {
    let documentation = read("docs/reference/metrics.md");
    let last = scene().snapshots.last().unwrap();
    for series in last.values.keys().filter(|series| series.starts_with("presign_")) {
        let parts = ["_bucket", "_sum", "_count"];
        let metric = parts.iter().find_map(|part| name(series).strip_suffix(part)).unwrap_or(name(series));
        assert!(documentation.contains(&format!("`{metric}")), "{metric}: docs/reference/metrics.md");
    }
}

#[test]
fn no_label_holds_a_name_and_the_number_of_series_is_bounded() {
    let last = scene().snapshots.last().unwrap();
    let ours: Vec<&String> =
        last.values.keys().filter(|series| series.contains("instance=\"leader\"")).collect();
    assert!((50..300).contains(&ours.len()), "{}", ours.len());
    for series in ours {
        for secret in ["chart-seen", "good", "awaiting", "KEYID", "bucket=", "X-Amz"] {
            assert!(!series.contains(secret), "{series}");
        }
    }
}

/// One panel of the dashboard.
pub struct Panel {
    pub title: String,
    /// Each query, and how its lines are called.
    pub queries: Vec<(String, String)>,
    pub definition: Value,
}

impl Panel {
    pub fn is_stat(&self) -> bool {
        self.definition["type"] == "stat"
    }

    pub fn unit(&self) -> &str {
        self.definition["fieldConfig"]["defaults"]["unit"].as_str().unwrap_or_default()
    }
}

/// The panels of the dashboard.
pub fn panels() -> Vec<Panel> {
    let dashboard: Value = serde_json::from_str(&read("deploy/dashboard.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let panels = dashboard["panels"].as_array().unwrap().iter().map(|panel| {
        let targets = panel["targets"].as_array().unwrap().iter();
        // Grafana chooses the interval by what is scraped, which is every second here.
        let query = |target: &Value| text(&target["expr"]).replace("$__rate_interval", "15s");
        Panel {
            title: text(&panel["title"]),
            queries: targets.map(|target| (query(target), text(&target["legendFormat"]))).collect(),
            definition: panel.clone(),
        }
    });
    panels.collect()
}

#[test]
fn every_query_of_the_dashboard_finds_something() {
    let panels = panels();
    assert!(panels.len() > 10);
    for Panel { title, queries, .. } in panels {
        for (query, _) in queries {
            let data = scene().prometheus.ask("query", &[("query", &query)]);
            let data = data.unwrap_or_else(|complaint| panic!("{title}: {query}: {complaint}"));
            assert!(data["result"].as_array().is_some_and(|result| !result.is_empty()), "{title}: {query}");
        }
    }
}

#[test]
fn the_dashboard_shows_every_metric_of_ours() {
    let dashboard = read("deploy/dashboard.json");
    for (metric, _) in PROMISED.iter().filter(|(metric, _)| metric.starts_with("presign_")) {
        assert!(dashboard.contains(name(metric)), "{metric}");
    }
}
