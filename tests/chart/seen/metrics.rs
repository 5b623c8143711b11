//! The metrics of the contract, and the queries of the dashboard, in a real Prometheus.

use std::collections::BTreeSet;

use serde_json::Value;

use super::scene::scene;
use super::series::name;
use crate::render::read;

/// A metric as the reference page has it, which `tests/docs` compares with the pages of running processes.
struct Promised {
    /// As series are called, without the suffixes of a histogram.
    series: String,
    kind: String,
    help: String,
}

/// The metrics of the operator and of the CSI driver.
fn promised() -> [Vec<Promised>; 2] {
    let page = read("docs/reference/metrics.md");
    let (of_operator, of_driver) = page.split_once("\n## CSI driver\n").unwrap();
    [of_operator, of_driver].map(|part| {
        let rows = part.lines().filter(|line| line.starts_with("| `"));
        let row = |line: &str| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [series, kind, _, help] = cells[..] else { panic!("{line}") };
            let [series, kind, help] = [series.trim_matches('`'), kind, help].map(str::to_owned);
            Promised { series, kind, help }
        };
        let rows: Vec<_> = rows.map(row).collect();
        assert!(rows.len() > 10, "{part}");
        rows
    })
}

/// The metrics of ours that a query or a rule names.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let series = words.filter(|word| word.starts_with("presign_"));
    series.map(without_suffix).collect()
}

fn without_suffix(series: &str) -> &str {
    ["_bucket", "_sum", "_count"].iter().find_map(|part| series.strip_suffix(part)).unwrap_or(series)
}

#[test]
fn every_metric_of_the_contract_is_there_and_described() {
    let metadata = scene().prometheus.ask("targets/metadata", &[]).unwrap();
    let [of_operator, _] = promised();
    for Promised { series, kind, help } in of_operator {
        let metric = series.trim_end_matches("_total").trim_end_matches("_info");
        let found = metadata.as_array().unwrap().iter().find(|found| found["metric"] == metric);
        let found = found.unwrap_or_else(|| panic!("{metric} is not exposed"));
        assert_eq!(found["type"], kind.as_str(), "{metric}");
        assert_eq!(found["help"].as_str().unwrap().trim_end_matches('.'), help, "{metric}");
        assert!(help.len() > 10, "{metric}: {help}");
    }
}

#[test]
fn whatever_is_exposed_is_documented() {
    let [of_operator, _] = promised();
    let last = scene().snapshots.last().unwrap();
    for series in last.values.keys().map(|series| without_suffix(name(series))) {
        assert!(of_operator.iter().any(|promised| promised.series == series), "{series}");
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
fn the_dashboard_shows_every_metric_of_the_operator() {
    let queries: Vec<String> =
        panels().into_iter().flat_map(|panel| panel.queries).map(|(query, _)| query).collect();
    let queries = queries.join("\n");
    let shown = named(&queries);
    let [of_operator, _] = promised();
    let ours = of_operator.iter().filter(|promised| promised.series.starts_with("presign_"));
    let names = ours.map(|promised| promised.series.as_str());
    let hidden: Vec<&str> = names.filter(|series| !shown.contains(series)).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

#[test]
fn the_alerts_are_about_metrics_that_exist() {
    let file: Value = serde_saphyr::from_str(&read("deploy/alerts.yaml")).unwrap();
    let groups = file["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2, "those about the operator, and those about the driver");
    for (group, promised) in groups.iter().zip(promised()) {
        for rule in group["rules"].as_array().unwrap() {
            let expression = rule["expr"].as_str().unwrap();
            let metrics = named(expression);
            assert!(!metrics.is_empty() || expression.starts_with("up{"), "{rule}");
            for metric in metrics {
                assert!(promised.iter().any(|promised| promised.series == metric), "{metric}: {rule}");
            }
        }
    }
}
