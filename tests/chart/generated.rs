//! Files that are made from others. `make manifests` writes them; here they are compared. The table of
//! identities is made by `identities`.

use super::render::{read, root, template};
use super::values;

const NAMESPACE: &str = "\
# Made from charts/presign-operator by `make manifests`. Replace the image with yours.
apiVersion: v1
kind: Namespace
metadata:
  name: presign-system
  labels:
    pod-security.kubernetes.io/enforce: restricted
";
const README: &str = "charts/presign-operator/README.md";
const MARKS: (&str, &str) = ("<!-- values: begin -->\n", "<!-- values: end -->\n");

/// Compares, or writes where that was asked for.
#[expect(clippy::disallowed_methods, reason = "make asks through the environment")]
pub fn settle(path: &str, expected: &str) {
    if std::env::var("PRESIGN_WRITE_MANIFESTS").is_ok() {
        std::fs::write(root().join(path), expected).unwrap();
    }
    let is_same = std::fs::read_to_string(root().join(path)).is_ok_and(|found| found == expected);
    assert!(is_same, "{path} is not what it is made from: run `make manifests`");
}

#[test]
fn the_plain_manifest_is_the_chart_s() {
    let rendering = template("presign-operator", "presign-system", &["--set", "crds.keep=false"]).unwrap();
    // Nobody but Helm manages by Helm.
    let rendering = rendering.replace("managed-by: Helm\n", "managed-by: kubectl\n");
    let lines = rendering
        .lines()
        .filter(|line| !line.starts_with("# Source: ") && !line.trim_start().starts_with("helm.sh/chart:"));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    settle("deploy/install.yaml", &format!("{NAMESPACE}{text}"));
}

#[test]
fn alerts_and_dashboard_are_the_chart_s() {
    for file in ["alerts.yaml", "dashboard.json"] {
        settle(&format!("deploy/{file}"), &read(&format!("charts/presign-operator/files/{file}")));
    }
}

#[test]
fn the_table_of_values_is_that_of_the_values() {
    let readme = read(README);
    let (before, rest) = readme.split_once(MARKS.0).expect("the README has the mark");
    let (_, after) = rest.split_once(MARKS.1).expect("the README has the other mark");
    let table = values::table(&read("charts/presign-operator/values.yaml"));
    settle(README, &format!("{before}{}{table}{}{after}", MARKS.0, MARKS.1));
}
