//! What helm and helm-unittest say to the chart, without an API server.

use std::collections::BTreeSet;
use std::process::Command;

use testbed::{Binary, locate};

use super::render::{chart, helm, matrix, objects, run, template};

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
fn every_variable_of_the_container_is_one_that_the_operator_reads() {
    let operators = variables("Deployment");
    assert!(operators.contains("PRESIGN_STS_ENDPOINTS"), "{operators:?}");
    assert!(operators.contains("PRESIGN_NAMESPACE") && operators.contains("PRESIGN_NAMESPACE_SELECTORS"));
    let drivers = variables("DaemonSet");
    assert!(drivers.contains("PRESIGN_NODE_NAME") && drivers.contains("PRESIGN_CA_BUNDLE"), "{drivers:?}");
    for (command, names) in [("run", operators), ("node", drivers)] {
        let help =
            run(Command::new(env!("CARGO_BIN_EXE_presign-operator")).args([command, "--help"])).unwrap();
        for name in names {
            // The value of one that can hold a password is not shown.
            let is_known = ["=", "]"].iter().any(|end| help.contains(&format!("[env: {name}{end}")));
            assert!(is_known, "{name} is no flag's: {help}");
        }
    }
}

/// The variables of ours that the container of a kind has, with any values.
fn variables(kind: &str) -> BTreeSet<String> {
    let mut ours = BTreeSet::new();
    // What is for the whole cluster cannot be set together with what is for some namespaces.
    let files = ["everything", "signers", "sessions", "csi"];
    for file in files.map(|name| format!("ci/{name}-values.yaml")) {
        let file = chart().join(file);
        let values = ["--values", file.to_str().unwrap(), "--set", "rbac.minimal=true"];
        let rendering = objects(&template("a", "b", &values).unwrap());
        let Some(workload) = rendering.iter().find(|object| object["kind"] == kind) else { continue };
        let variables = workload["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
        let names = variables.iter().filter_map(|variable| variable["name"].as_str());
        ours.extend(names.filter(|name| name.starts_with("PRESIGN_")).map(str::to_owned));
    }
    ours
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
        ("limits.allowEndpoints={https://a.b}", "at '/limits/allowEndpoints/0'"),
        ("limits.allowEndpoints={}", "at '/limits/allowEndpoints"),
        ("limits.denySecretMetadata={a b}", "at '/limits/denySecretMetadata/0'"),
        ("signers.namespace=A_", "at '/signers/namespace'"),
        ("signers.clusterSigners=some", "at '/signers/clusterSigners'"),
        ("webIdentity.namespaces={A_}", "at '/webIdentity/namespaces/0'"),
        ("webIdentity.serviceAccounts.a=b", "at '/webIdentity/serviceAccounts/a'"),
        ("webIdentity.serviceAccounts.A_={b}", "'A_' not allowed"),
        ("webIdentity.audiences={a'b}", "at '/webIdentity/audiences/0'"),
        ("sts.endpoints={https://a.b}", "at '/sts/endpoints/0'"),
        ("sts.httpsProxy=proxy.example", "at '/sts/httpsProxy'"),
        ("ambientCredentials=some", "at '/ambientCredentials'"),
        ("inlineCredentials=deny", "at '/inlineCredentials'"),
        ("deleteExpired=24h", "at '/deleteExpired'"),
        ("csi.enabled=some", "at '/csi/enabled'"),
        ("csi.kubeletDir=kubelet", "at '/csi/kubeletDir'"),
        ("csi.signers.enabled=some", "at '/csi/signers/enabled'"),
        ("csi.signers.certManager.issuerRef.name=A_", "at '/csi/signers/certManager/issuerRef/name'"),
        ("csi.audiences={a'b}", "at '/csi/audiences/0'"),
        ("policies.requireUse=some", "at '/policies/requireUse'"),
        ("policies.secretTypes=some", "at '/policies/secretTypes'"),
        ("leaderElection.leaseDuration=1", "at '/leaderElection/leaseDuration'"),
        ("image.digest=sha256:1", "at '/image/digest'"),
        ("terminationGracePeriodSeconds=5", "at '/terminationGracePeriodSeconds'"),
        ("networkPolicy.apiServerPorts={0}", "at '/networkPolicy/apiServerPorts/0'"),
        ("networkPolicy.stsPorts={0}", "at '/networkPolicy/stsPorts/0'"),
        ("podDisruptionBudget.maxUnavailable=0", "at '/podDisruptionBudget/maxUnavailable'"),
    ] {
        let refusal = template("a", "b", &["--set", value]).unwrap_err();
        assert!(refusal.contains(complaint), "{value}: {refusal}");
    }
}
