//! What helm and helm-unittest say to the chart, without an API server.

use std::process::Command;

use testbed::{Binary, locate};

use super::render::{chart, helm, matrix, run, template};

#[test]
fn helm_lint_finds_nothing() {
    let lint = |arguments: &[&str]| run(helm().args(["lint", "--strict"]).arg(chart()).args(arguments));
    lint(&[]).unwrap();
    for values in matrix() {
        lint(&["--values", values.to_str().unwrap()])
            .unwrap_or_else(|complaint| panic!("{}: {complaint}", values.display()));
    }
}

#[test]
fn the_unit_tests_of_the_chart_pass() {
    let mut unittest = Command::new(locate(Binary::HelmUnittest).unwrap());
    let output = unittest.arg("--strict").arg(chart()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let tests = said.lines().find_map(|line| line.strip_prefix("Tests:")).unwrap_or_default().trim();
    assert!(!tests.is_empty() && !tests.starts_with("0 "), "{said}");
}

#[test]
fn values_that_are_none_are_refused_by_name() {
    for (value, complaint) in [
        ("replica=3", "'replica' not allowed"),
        ("image.tags=x", "'tags' not allowed"),
        ("namespaces={A_}", "at '/namespaces/0'"),
        ("namespaces=a", "at '/namespaces'"),
        ("logFormat=xml", "at '/logFormat'"),
        ("maxInFlight=0", "at '/maxInFlight'"),
        ("leaderElection.leaseDuration=1", "at '/leaderElection/leaseDuration'"),
        ("image.digest=sha256:1", "at '/image/digest'"),
        ("terminationGracePeriodSeconds=5", "at '/terminationGracePeriodSeconds'"),
        ("networkPolicy.apiServerPorts={0}", "at '/networkPolicy/apiServerPorts/0'"),
        ("podDisruptionBudget.maxUnavailable=0", "at '/podDisruptionBudget/maxUnavailable'"),
    ] {
        let refusal = template("a", "b", &["--set", value]).unwrap_err();
        assert!(refusal.contains(complaint), "{value}: {refusal}");
    }
}
