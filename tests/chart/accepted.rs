//! Whatever the chart renders, the API server takes.

use super::render::{matrix, objects, template};
use super::world::kubectl_with;

fn accept(rendering: &str, what: &str) {
    let expected = objects(rendering).len();
    assert!(expected > 0, "{what}: renders nothing");
    let answers = kubectl_with(&["apply", "--dry-run=server", "-f", "-"], rendering)
        .unwrap_or_else(|refusal| panic!("{what}: {refusal}"));
    assert_eq!(answers.lines().count(), expected, "{what}: {answers}");
}

#[test]
fn every_rendering_passes_the_validation_of_the_api_server() {
    accept(&template("other", "chart-a", &[]).unwrap(), "the defaults");
    for values in matrix() {
        let what = values.display().to_string();
        accept(&template("other", "chart-a", &["--values", &what]).unwrap(), &what);
    }
}

#[test]
fn a_rendering_that_is_wrong_is_refused() {
    let right = template("other", "chart-a", &["--set", "monitoring.prometheusRule.enabled=true"]).unwrap();
    for (from, to, reason) in [
        (
            "path: /livez",
            "pfad: /livez",
            "unknown field \"spec.template.spec.containers[0].livenessProbe.httpGet.pfad\"",
        ),
        ("expr: max", "expression: max", "unknown field \"spec.groups[0].rules[0].expression\""),
        ("kind: Pod", "kind: Bot", "no matches for kind \"BotDisruptionBudget\" in version \"policy/v1\""),
    ] {
        let wrong = right.replace(from, to);
        assert_ne!(right, wrong);
        let refusal = kubectl_with(&["apply", "--dry-run=server", "-f", "-"], &wrong).expect_err(to);
        assert!(refusal.contains(reason), "{to}: {refusal}");
    }
}
