//! The reference page of the metrics, from what running processes expose. `make manifests` writes it; here it
//! is compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::generated::settle;
use crate::guide_cluster::GuideCluster;
use crate::guides::{OBJECTS, S3};

const HEAD: &str = "\
# Metrics

<!-- Made from the pages of running processes by `make manifests`. -->

Every metric that `/metrics` serves, in the order of that page. No label holds the name of an object. [Metrics and
alerts](../alerts.md) says how to scrape them, how to add them up over the replicas, and what to watch.
";

/// What belongs to one metric.
#[derive(Default)]
struct Metric {
    kind: String,
    help: String,
    /// The values of each label.
    labels: BTreeMap<String, BTreeSet<String>>,
}

/// The metrics of a page in the `OpenMetrics` format, in its order.
fn metrics(page: &str) -> Vec<(String, Metric)> {
    let mut found: Vec<(String, Metric)> = Vec::new();
    for line in page.lines() {
        if let Some(line) = line.strip_prefix("# HELP ") {
            let (name, help) = line.split_once(' ').unwrap();
            let help = help.trim_end_matches('.').to_owned();
            found.push((name.to_owned(), Metric { help, ..Metric::default() }));
        } else if let Some(line) = line.strip_prefix("# TYPE ") {
            let (name, kind) = line.split_once(' ').unwrap();
            let (of, metric) = found.last_mut().unwrap();
            assert_eq!(of, name, "the type follows the help");
            kind.clone_into(&mut metric.kind);
        } else if let Some((_, labels)) = line.split_once('{') {
            let (labels, _) = labels.rsplit_once('}').unwrap();
            // No value has a comma or a quote in it.
            for label in labels.split(',') {
                let (name, value) = label.split_once('=').unwrap();
                let values = found.last_mut().unwrap().1.labels.entry(name.to_owned()).or_default();
                values.insert(value.trim_matches('"').to_owned());
            }
        }
    }
    found
}

/// Labels whose values are all there from the start, so that the page can list them.
fn is_listed(metric: &str, label: &str) -> bool {
    match label {
        "reason" | "source" | "state" | "call" | "ready" | "kind" => true,
        "result" => !metric.contains("reconcile"),
        _ => false,
    }
}

fn table(page: &str) -> String {
    let mut text = String::from("| metric | type | labels | meaning |\n|---|---|---|---|\n");
    let metrics = metrics(page);
    let of_sessions = metrics.iter().find(|(name, _)| name == "presign_sessions");
    let sources = of_sessions.map(|(_, metric)| metric.labels["source"].clone());
    for (name, Metric { kind, help, mut labels }) in metrics {
        let suffix = match kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        // No session is there yet, and so no label: it has the sources of the requests for sessions.
        if name == "presign_session_expiration_timestamp_seconds" {
            labels.insert("source".to_owned(), sources.clone().expect("requests are counted from the start"));
        }
        let labels = labels.iter().filter(|(label, _)| *label != "le").map(|(label, values)| {
            if is_listed(&name, label) {
                format!("`{label}`: {}", values.iter().cloned().collect::<Vec<_>>().join(", "))
            } else {
                format!("`{label}`")
            }
        });
        let labels = labels.collect::<Vec<_>>().join("; ");
        let _ = writeln!(text, "| `{name}{suffix}` | {kind} | {labels} | {help} |");
    }
    text
}

#[test]
fn the_page_of_metrics_is_what_the_processes_expose() {
    let stage = GuideCluster::get();
    let desk = stage.desk("metrics");
    // What is there only after the first object.
    desk.run(&format!("{S3}\n{OBJECTS}"));
    let operator = table(&stage.metrics());
    let driver = table(&stage.metrics_of_driver());
    let page =
        format!("{HEAD}\n## Operator\n\n{operator}\n## CSI driver\n\nThe driver of each node:\n\n{driver}");
    settle("docs/reference/metrics.md", &page);
}

#[test]
fn reads_a_page() {
    let page = "# HELP a Things.\n# TYPE a counter\na_total{reason=\"X\",code=\"200\"} 1\na_total{reason=\"Y\",code=\"1\"} 1\n# HELP b B\n# TYPE b gauge\nb 1\n# EOF\n";
    let table = table(page);
    let rows: Vec<&str> = table.lines().skip(2).collect();
    assert_eq!(rows, ["| `a_total` | counter | `code`; `reason`: X, Y | Things |", "| `b` | gauge |  | B |"]);
}
