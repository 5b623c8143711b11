//! Calls of helm that need no API server.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use testbed::{Binary, locate};

pub use testbed::output as run;

/// The folder of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the chart.
pub fn chart() -> PathBuf {
    root().join("charts/presign-operator")
}

/// What a file of the project holds.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A helm that has no configuration of the user's.
pub fn helm() -> Command {
    let mut helm = Command::new(locate(Binary::Helm).unwrap());
    for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        helm.env(variable, root().join("target/helm"));
    }
    helm
}

/// Renders the chart as release `name` in `namespace`.
pub fn template(name: &str, namespace: &str, arguments: &[&str]) -> Result<String, String> {
    let mut helm = helm();
    run(helm.args(["template", name]).arg(chart()).args(["--namespace", namespace]).args(arguments))
}

/// The objects in a rendering.
pub fn objects(rendering: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(rendering).unwrap();
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

/// The sets of values that stand for all others, by their files.
pub fn matrix() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(chart().join("ci")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    files
}
