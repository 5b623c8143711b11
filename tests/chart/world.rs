//! The one control plane of this test binary, with the chart installed on it.

use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use testbed::{ControlPlane, output_of};

use super::render::{chart, helm, run};

/// The longest that anything is waited for.
pub const DEADLINE: &str = "--timeout=40s";
/// The same as a duration.
pub const WAIT: Duration = Duration::from_secs(40);
/// How long to wait until the API server serves the schemas of `OpenAPI`.
const OPENAPI: Duration = Duration::from_secs(300);
/// The release that stays while the tests run, and its namespace.
pub const RELEASE: (&str, &str) = ("urls", "chart-home");

/// Stand-ins for the kinds of the Prometheus operator: enough to refuse what has no such form.
const MONITORING: [(&str, &str, &str); 2] = [
    (
        "PodMonitor",
        "podmonitors",
        "{type: object, required: [selector, podMetricsEndpoints], properties: {selector: {type: object, properties: {matchLabels: {type: object, additionalProperties: {type: string}}}}, podMetricsEndpoints: {type: array, items: {type: object, properties: {port: {type: string}, interval: {type: string, pattern: '^[0-9]+(ms|s|m|h)$'}, scheme: {type: string, enum: [http, https]}, relabelings: {type: array, items: {type: object, properties: {targetLabel: {type: string}, replacement: {type: string}}}}, tlsConfig: {type: object, properties: {serverName: {type: string}, ca: {type: object, properties: {secret: {type: object, required: [key], properties: {name: {type: string}, key: {type: string}}}}}}}, authorization: {type: object, properties: {credentials: {type: object, required: [key], properties: {name: {type: string}, key: {type: string}}}}}}}}}}",
    ),
    (
        "PrometheusRule",
        "prometheusrules",
        "{type: object, required: [groups], properties: {groups: {type: array, items: {type: object, required: [name, rules], properties: {name: {type: string}, rules: {type: array, minItems: 1, items: {type: object, required: [alert, expr], properties: {alert: {type: string}, expr: {type: string}, for: {type: string, pattern: '^[0-9]+[smh]$'}, labels: {type: object, additionalProperties: {type: string}}, annotations: {type: object, additionalProperties: {type: string}}}}}}}}}}",
    ),
];

static PLANE: LazyLock<ControlPlane> = LazyLock::new(|| {
    let plane = ControlPlane::start().expect("the control plane starts");
    apply(&plane, &monitoring());
    let namespaces = ["chart-a", "chart-b", RELEASE.1]
        .map(|name| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"));
    apply(&plane, &namespaces.join("---\n"));
    run(helm_on(&plane).args(["install", RELEASE.0, "--namespace", RELEASE.1]).arg(chart())).unwrap();
    let is_established = ["wait", "--for=condition=Established", DEADLINE, "crd/presignedurls.presign.dev"];
    run(plane.kubectl().args(is_established)).unwrap();
    // The API server compiles this for the first who asks. On a busy machine that takes longer than the 32 s for
    // which kubectl waits before it validates a manifest.
    let is_served =
        || run(plane.kubectl().args(["get", "--raw", "/openapi/v2", "--request-timeout=60s"])).is_ok();
    testbed::wait_until("the schemas are served", OPENAPI, is_served);
    plane
});

/// The control plane, with the chart on it.
pub fn plane() -> &'static ControlPlane {
    &PLANE
}

/// Runs kubectl with all rights.
pub fn kubectl(arguments: &[&str]) -> Result<String, String> {
    run(plane().kubectl().args(arguments))
}

/// Runs kubectl with a manifest on its standard input.
pub fn kubectl_with(arguments: &[&str], manifest: &str) -> Result<String, String> {
    feed(plane(), arguments, manifest)
}

/// Whether somebody may do something, in the words of `kubectl auth can-i`. An answer that is neither
/// yes nor no is an error.
pub fn may(who: &str, namespace: &str, what: &[&str]) -> Result<bool, String> {
    let mut kubectl = plane().kubectl();
    kubectl.args(["auth", "can-i", "--as", who, "--namespace", namespace]).args(what);
    // It fails when the answer is no, and may give a reason behind that.
    let output = kubectl.output().unwrap();
    match String::from_utf8_lossy(&output.stdout).split_whitespace().next() {
        Some("yes") => Ok(true),
        Some("no") => Ok(false),
        _ => Err(format!("{output:?}")),
    }
}

/// Waits for what the API server takes in a moment after it was written, such as policies and roles.
/// `what` is said if it does not.
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    testbed::wait_until(what, WAIT, is_so);
}

/// Runs helm with all rights.
pub fn helm_with(arguments: &[&str]) -> Result<String, String> {
    run(helm_on(plane()).args(arguments))
}

fn helm_on(plane: &ControlPlane) -> Command {
    let mut helm = helm();
    helm.env("KUBECONFIG", plane.kubeconfig());
    helm
}

fn apply(plane: &ControlPlane, manifest: &str) {
    feed(plane, &["apply", "-f", "-"], manifest).unwrap();
}

fn feed(plane: &ControlPlane, arguments: &[&str], manifest: &str) -> Result<String, String> {
    output_of(plane.kubectl().args(arguments), manifest)
}

fn monitoring() -> String {
    let definition = |(kind, plural, spec): &(&str, &str, &str)| {
        format!(
            "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.monitoring.coreos.com}}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {{kind: {kind}, plural: {plural}}}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {{openAPIV3Schema: {{type: object, properties: {{spec: {spec}}}}}}}
"
        )
    };
    MONITORING.iter().map(definition).collect::<Vec<_>>().join("---\n")
}
