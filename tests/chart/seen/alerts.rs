//! Each alert, against what the operators really exposed: a healthy moment, a moment of
//! trouble, and the healthy one again, held long enough and judged by promtool.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use super::prometheus::tool;
use super::scene::scene;
use super::series::{INSTANCES, Snapshot, name};
use crate::render::{read, root, run};

/// The moment of trouble for each alert: the first at which this series of this replica is
/// there and not zero.
const TROUBLES: [(&str, &str, &str); 7] = [
    ("PresignUrlExpired", "presign_expired_objects", "leader"),
    ("PresignUrlExpiring", "presign_expiring_objects", "leader"),
    ("PresignRenewalsLate", "presign_overdue_objects", "leader"),
    ("PresignFailing", r#"presign_objects_by_reason{reason="RenewalFailing"}"#, "leader"),
    ("PresignUrlRefused", r#"presign_refused_objects{reason="UnknownKey"}"#, "leader"),
    ("PresignCredentialsExpiring", r#"presign_objects_by_reason{reason="AwaitingCredentials"}"#, "leader"),
    ("PresignWatchStale", r#"presign_failing_watches{resource="secrets"}"#, "cut-off"),
];
/// This one is about a replica that is not there: the leader.
const NO_LEADER: &str = "PresignNoLeader";

/// The rules about the operator.
fn rules() -> Vec<Value> {
    group(0)
}

/// The rules of a group: those about the operator, and those about the CSI driver.
pub fn group(number: usize) -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(&read("deploy/alerts.yaml")).unwrap();
    let groups = file["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2);
    groups[number]["rules"].as_array().unwrap().clone()
}

/// The first moment without any trouble.
fn healthy() -> &'static Snapshot {
    scene().snapshots.iter().find(|now| now.is_healthy()).unwrap()
}

/// The alerts of one rule that this moment calls for: what differs between them, and values.
fn called_for(alert: &str, now: &Snapshot) -> Vec<(Option<(&'static str, String)>, f64)> {
    let largest = |wanted: &str| {
        let values = now.values.iter().filter(|(series, _)| series.starts_with(wanted));
        values.map(|(_, value)| *value).fold(0.0, f64::max)
    };
    let by_label = |metric: &str, label: &'static str, ignored: &[&str]| {
        let marker = format!("{label}=\"");
        let words: BTreeSet<&str> = now
            .values
            .keys()
            .filter(|series| name(series) == metric)
            .filter_map(|series| series.split(marker.as_str()).nth(1)?.split('"').next())
            .filter(|word| !ignored.contains(word))
            .collect();
        let value = |word: &str| largest(&format!("{metric}{{{label}=\"{word}\""));
        words
            .into_iter()
            .map(|word| (Some((label, word.to_owned())), value(word)))
            .filter(|(_, value)| *value > 0.0)
            .collect()
    };
    match alert {
        "PresignFailing" => {
            by_label("presign_objects_by_reason", "reason", &["Issued", "AwaitingCredentials", "Suspended"])
        }
        "PresignUrlRefused" => by_label("presign_refused_objects", "reason", &[]),
        "PresignWatchStale" => by_label("presign_failing_watches", "resource", &[]),
        NO_LEADER => vec![(None, 0.0)],
        _ => {
            let (_, series, _) = TROUBLES.iter().find(|(name, ..)| *name == alert).unwrap();
            vec![(None, largest(series.trim_end_matches('}')))]
        }
    }
}

/// The alert as promtool expects it, its texts filled in.
fn expected(rule: &Value, label: Option<&(&str, String)>, value: f64) -> Value {
    let labels: Vec<_> = label.iter().map(|(label, word)| (*label, word.as_str())).collect();
    filled(rule, &labels, &value.to_string())
}

/// The same with any labels.
pub fn filled(rule: &Value, differing: &[(&str, &str)], value: &str) -> Value {
    let mut labels = rule["labels"].clone();
    let mut annotations = rule["annotations"].clone();
    for text in annotations.as_object_mut().unwrap().values_mut() {
        let mut filled = text.as_str().unwrap().replace("{{ $value }}", value);
        for (label, word) in differing {
            filled = filled.replace(&format!("{{{{ $labels.{label} }}}}"), word);
        }
        *text = filled.into();
    }
    for (label, word) in differing {
        labels[*label] = (*word).into();
    }
    json!({"exp_labels": labels, "exp_annotations": annotations})
}

/// Healthy for ten minutes, in trouble for twenty, and healthy again.
fn played(trouble: &Snapshot, is_there: impl Fn(&str) -> bool) -> Vec<Value> {
    let healthy = &healthy().values;
    let series: BTreeSet<&String> = healthy.keys().chain(trouble.values.keys()).collect();
    let part = |value: Option<&f64>, times: usize| match value {
        Some(value) => format!("{value}+0x{times}"),
        None => format!("_x{times}"),
    };
    let ours = series.into_iter().filter(|series| series.starts_with("presign_"));
    ours.filter(|series| !series.contains("_bucket"))
        .map(|series| {
            let meanwhile = trouble.values.get(series).filter(|_| is_there(series));
            let values = [part(healthy.get(series), 9), part(meanwhile, 19), part(healthy.get(series), 20)];
            json!({"series": series, "values": values.join(" ")})
        })
        .collect()
}

fn case(rule: &Value) -> Value {
    let alert = rule["alert"].as_str().unwrap();
    let is_of_leader = |series: &str| series.contains(&format!("instance=\"{}\"", INSTANCES[0]));
    let (series, trouble) = if alert == NO_LEADER {
        // The cut-off one leads its own lease, so it is not part of this story.
        let is_standby = |series: &str| series.contains(&format!("instance=\"{}\"", INSTANCES[1]));
        let now = scene().snapshots.last().unwrap();
        assert!(now.of("presign_leader", INSTANCES[0]) > now.of("presign_leader", INSTANCES[1]));
        let mut played = played(now, is_standby);
        played.retain(|entry| {
            let series = entry["series"].as_str().unwrap();
            is_of_leader(series) || is_standby(series)
        });
        (played, now)
    } else {
        let (_, series, instance) = TROUBLES
            .iter()
            .find(|(name, ..)| *name == alert)
            .unwrap_or_else(|| panic!("{alert}: no trouble is known for it"));
        let now = scene().snapshots.iter().find(|now| now.of(series, instance) > 0.0);
        let now = now.unwrap_or_else(|| panic!("{alert}: {series} of the {instance} was never above zero"));
        (played(now, |_| true), now)
    };
    let alerts: Vec<Value> = called_for(alert, trouble)
        .iter()
        .map(|(label, value)| expected(rule, label.as_ref(), *value))
        .collect();
    assert!(!alerts.is_empty(), "{alert}");
    let at =
        |time: &str, alerts: Vec<Value>| json!({"eval_time": time, "alertname": alert, "exp_alerts": alerts});
    json!({
        "name": alert, "interval": "1m", "input_series": series,
        "alert_rule_test": [at("9m", vec![]), at("10m", vec![]), at("25m", alerts), at("45m", vec![])],
    })
}

/// Plays what promtool calls unit tests of the rules.
pub fn expect_alerts(tests: &[Value]) {
    let file = json!({
        "rule_files": [root().join("deploy/alerts.yaml")], "evaluation_interval": "1m", "tests": tests,
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alerts.json");
    std::fs::write(&path, file.to_string()).unwrap();
    let output = Command::new(tool("promtool")).args(["test", "rules"]).arg(&path).output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}", said.join("\n"));
}

#[test]
fn each_alert_comes_with_its_trouble_and_goes_with_it() {
    let rules = rules();
    assert_eq!(rules.len(), TROUBLES.len() + 1);
    let tests: Vec<Value> = rules.iter().map(case).collect();
    expect_alerts(&tests);
}

#[test]
fn prometheus_and_promtool_take_the_rules() {
    run(Command::new(tool("promtool"))
        .args(["check", "rules", "--lint-fatal"])
        .arg(root().join("deploy/alerts.yaml")))
    .unwrap();
    let groups = scene().prometheus.ask("rules", &[]).unwrap();
    for number in [0, 1] {
        let loaded = groups["groups"][number]["rules"].as_array().unwrap();
        assert_eq!(loaded.len(), group(number).len());
        for rule in loaded {
            assert_eq!(rule["health"], "ok", "{rule}");
        }
    }
}

#[test]
fn each_alert_has_its_page() {
    let page = read("docs/alerts.md");
    for rule in rules().into_iter().chain(group(1)) {
        let alert = rule["alert"].as_str().unwrap();
        let link = format!("docs/alerts.md#{}", alert.to_lowercase());
        assert_eq!(rule["annotations"]["runbook_url"], link.as_str());
        assert!(page.contains(&format!("\n### {alert}\n")), "{alert}");
    }
}
