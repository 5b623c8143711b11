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
    for (name, _) in workflows() {
        let text = read(format!(".github/workflows/{name}"));
        for line in text.lines().filter(|line| line.contains("uses: ")) {
            let (_, used) = line.split_once("uses: ").unwrap();
            let (action, version) =
                used.split_once(" # v").unwrap_or_else(|| panic!("{name}: no version: {line}"));
            let (_, commit) = action.split_once('@').unwrap();
            let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_commit && version.split('.').count() == 3, "{name}: {line}");
        }
    }
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
