//! The workflows, in what actionlint does not check: `make workflows` does the rest.

use serde_json::Value;

use crate::pages::{read, root};

/// The workflows by their names.
fn workflows() -> Vec<(String, Value)> {
    let entries = std::fs::read_dir(root().join(".github/workflows")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.len() >= 3, "{names:?}");
    let parsed = |name: String| {
        let text = read(format!(".github/workflows/{name}"));
        (name, serde_saphyr::from_str(&text).unwrap())
    };
    names.into_iter().map(parsed).collect()
}

#[test]
fn every_action_is_pinned_by_a_commit_and_says_its_version() {
    let mut count = 0;
    for (name, _) in workflows() {
        let text = read(format!(".github/workflows/{name}"));
        for line in text.lines().filter(|line| line.contains("uses:")) {
            count += 1;
            let (_, used) = line.split_once("uses:").unwrap();
            let (action, version) =
                used.split_once(" # v").unwrap_or_else(|| panic!("{name}: no version: {line}"));
            let (_, commit) = action.split_once('@').unwrap();
            let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_commit && version.split('.').count() == 3, "{name}: {line}");
        }
    }
    assert!(count > 0, "no action is used");
}

#[test]
fn no_job_has_permissions_that_it_did_not_ask_for() {
    for (name, workflow) in workflows() {
        assert_eq!(workflow["permissions"], serde_json::json!({}), "{name}: nothing by default");
        for (job, body) in workflow["jobs"].as_object().unwrap() {
            assert!(body["permissions"].is_object(), "{name}: {job}");
            assert!(body["timeout-minutes"].is_u64(), "{name}: {job}");
            let writes = body["permissions"].as_object().unwrap().values().any(|right| right == "write");
            let is_of_release = name == "release.yml" && (job == "publish" || job == "docs");
            assert_eq!(writes, is_of_release, "{name}: {job}");
        }
    }
}

/// The minor version of a text that begins with a version, such as `1.26.6`.
fn minor(version: &str) -> u32 {
    version.split('.').nth(1).unwrap().parse().unwrap()
}

/// What follows `key` on its line, in each line that has it.
fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| Some(line.split_once(key)?.1.trim().trim_matches('"')))
}

#[test]
fn the_workflows_have_the_versions_of_go_and_rust_that_the_repository_asks_for() {
    let toolchain = read("rust-toolchain.toml");
    let rust = minor(values(&toolchain, "channel = ").next().unwrap());
    let dockerfile = read("deploy/Dockerfile");
    assert!(values(&dockerfile, "FROM rust:").count() > 0);
    for image in values(&dockerfile, "FROM rust:") {
        assert_eq!(minor(image.split('-').next().unwrap()), rust, "deploy/Dockerfile");
    }
    let modules = std::fs::read_dir(root().join("tests/testbed/go")).unwrap();
    let modules: Vec<String> = modules.map(|entry| entry.unwrap().path().display().to_string()).collect();
    assert!(modules.len() > 5, "{modules:?}");
    let needed = modules.iter().map(|module| {
        let module = read(format!("{module}/go.mod"));
        minor(values(&module, "go ").next().unwrap())
    });
    let needed = needed.max().unwrap();
    let (mut versions, mut images) = (0, 0);
    for (name, _) in workflows() {
        let text = read(format!(".github/workflows/{name}"));
        for version in values(&text, "go-version: ") {
            versions += 1;
            assert!(
                version.strip_suffix(".x").is_some() && minor(version) >= needed,
                "{name}: {version}, needed: 1.{needed}"
            );
        }
        for image in values(&text, "image: rust:") {
            images += 1;
            assert_eq!(minor(image.split('-').next().unwrap()), rust, "{name}");
        }
    }
    assert!(versions > 0 && images > 0, "{versions} versions of Go, {images} images of Rust");
}

#[test]
fn each_older_control_plane_keeps_its_minor_version() {
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("tests/testbed/go")).unwrap() {
        let folder = entry.unwrap().file_name().into_string().unwrap();
        let Some(expected) = folder.strip_prefix("kubernetes-") else { continue };
        let module = read(format!("tests/testbed/go/{folder}/go.mod"));
        let found = values(&module, "k8s.io/kubernetes v").next().unwrap();
        assert!(found.starts_with(&format!("{expected}.")), "{folder}: {found}");
        count += 1;
    }
    assert!(count > 0, "there is no older control plane");
}
