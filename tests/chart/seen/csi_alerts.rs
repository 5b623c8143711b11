//! The alerts about the CSI driver, judged by promtool. The series are written by hand, because a driver needs
//! root; `tests/csi` reads the same names from a real one.

use serde_json::{Value, json};

use super::alerts::{expect_alerts, filled, group};
use crate::render::read;

/// Each alert, the series that it looks at, its values a minute apart, and whether it fires after 30 minutes
/// and again after an hour. Two nodes have the same values.
const CASES: [(&str, &str, &str, [bool; 2]); 11] = [
    ("PresignVolumeExpired", r#"presign_csi_volumes{state="Expired"}"#, "1x40 0x30", [true, false]),
    ("PresignVolumeExpired", r#"presign_csi_volumes{state="Late"}"#, "1x70", [false, false]),
    ("PresignVolumeLate", r#"presign_csi_volumes{state="Late"}"#, "1x40 0x30", [true, false]),
    ("PresignVolumeLate", r#"presign_csi_volumes{state="Serving"}"#, "1x70", [false, false]),
    (
        "PresignPublishFailing",
        r#"presign_csi_calls_total{call="NodePublishVolume",result="Failed"}"#,
        "0+1x40 40x30",
        [true, false],
    ),
    // A single failure, as of a pod whose Secret came a moment later.
    (
        "PresignPublishFailing",
        r#"presign_csi_calls_total{call="NodePublishVolume",result="Failed"}"#,
        "0x28 1x42",
        [false, false],
    ),
    (
        "PresignPublishFailing",
        r#"presign_csi_calls_total{call="NodePublishVolume",result="OK"}"#,
        "0+1x70",
        [false, false],
    ),
    ("PresignVolumeKept", "presign_csi_kept_total", "0+1x40 40x30", [true, false]),
    ("PresignVolumeKept", "presign_csi_kept_total", "7x70", [false, false]),
    ("PresignDriverDown", r#"up{job="presign-operator-csi"}"#, "0x40 1x30", [true, false]),
    ("PresignDriverDown", r#"up{job="monitoring/another-csi"}"#, "0x70", [false, false]),
];
const NODES: [&str; 2] = ["node-a", "node-b"];

fn on(series: &str, node: &str) -> String {
    match series.strip_suffix('}') {
        Some(series) => format!("{series},instance=\"{node}\"}}"),
        None => format!("{series}{{instance=\"{node}\"}}"),
    }
}

fn case(rules: &[Value], number: usize) -> Value {
    let (alert, series, values, fires) = CASES[number];
    let rule = rules.iter().find(|rule| rule["alert"] == alert).unwrap_or_else(|| panic!("{alert}"));
    // One alert for all nodes, or one for each.
    let expected = if rule["expr"].as_str().unwrap().starts_with("up{") {
        let job = r#"job="presign-operator-csi""#;
        assert!(!fires[0] || series.contains(job));
        let of = |node: &&str| {
            let mut alert = filled(rule, &[("instance", node)], "0");
            alert["exp_labels"]["job"] = "presign-operator-csi".into();
            alert
        };
        NODES.iter().map(of).collect()
    } else {
        vec![filled(rule, &[], "2")]
    };
    let at = |time: &str, fires: bool| {
        let alerts = if fires { expected.clone() } else { Vec::new() };
        json!({"eval_time": time, "alertname": alert, "exp_alerts": alerts})
    };
    let series: Vec<Value> =
        NODES.iter().map(|node| json!({"series": on(series, node), "values": values})).collect();
    json!({
        "name": format!("{alert} {number}"), "interval": "1m", "input_series": series,
        "alert_rule_test": [at("30m", fires[0]), at("65m", fires[1])],
    })
}

#[test]
fn each_alert_about_the_driver_comes_with_its_trouble_and_goes_with_it() {
    let rules = group(1);
    for rule in &rules {
        assert!(CASES.iter().any(|(alert, _, _, [fires, _])| rule["alert"] == *alert && *fires), "{rule}");
    }
    let tests: Vec<Value> = (0..CASES.len()).map(|number| case(&rules, number)).collect();
    expect_alerts(&tests);
}

#[test]
fn the_alerts_look_at_what_the_documentation_of_the_driver_names() {
    let page = read("docs/csi.md");
    for metric in ["presign_csi_volumes", "presign_csi_calls_total", "presign_csi_kept_total"] {
        assert!(group(1).iter().any(|rule| rule["expr"].as_str().unwrap().contains(metric)), "{metric}");
        assert!(page.contains(metric), "{metric}: docs/csi.md");
    }
}
