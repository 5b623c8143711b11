//! The table of values in the chart's README, made from the comments in `values.yaml`.

use std::fmt::Write as _;

use serde_json::Value;

/// One row for each value: its path, what it is by default, and its comment.
pub fn table(values: &str) -> String {
    let mut table = "| value | default | meaning |\n|---|---|---|\n".to_owned();
    for row in rows(values) {
        let Row { path, default, meaning } = row;
        assert!(!meaning.is_empty(), "values.yaml: {path} has no comment");
        let _ = writeln!(table, "| `{path}` | {default} | {meaning} |");
    }
    table
}

struct Row {
    path: String,
    default: String,
    meaning: String,
}

/// Reads the layout that `values.yaml` keeps to: a comment over each key, two spaces a level.
fn rows(text: &str) -> Vec<Row> {
    let values: Value = serde_saphyr::from_str(text).unwrap();
    let (mut path, mut comment, mut rows) = (Vec::<&str>::new(), Vec::new(), Vec::new());
    let mut taken_until = None;
    for line in text.lines() {
        let depth = (line.len() - line.trim_start().len()) / 2;
        if line.trim().is_empty() {
            comment.clear();
            continue;
        }
        // What is below a value that was printed whole.
        if taken_until.is_some_and(|level| depth > level) {
            continue;
        }
        taken_until = None;
        if let Some(words) = line.trim().strip_prefix('#') {
            comment.push(words.trim());
        } else if let Some((key, _)) = line.trim().split_once(':') {
            path.truncate(depth);
            path.push(key);
            let value = path.iter().fold(&values, |value, key| &value[*key]);
            let is_group = value.as_object().is_some_and(|map| !map.is_empty()) && comment.is_empty();
            if !is_group {
                let default = format!("`{value}`");
                rows.push(Row { path: path.join("."), default, meaning: comment.join(" ") });
                taken_until = Some(depth);
            }
            comment.clear();
        }
    }
    rows
}

#[test]
fn a_row_knows_its_path_its_default_and_its_comment() {
    let table = table("# The\n# first.\na: 1\n\nb:\n  # Second.\n  c:\n    d: [x]\n  # Third.\n  e: \"\"\n");
    let expected =
        "| `a` | `1` | The first. |\n| `b.c` | `{\"d\":[\"x\"]}` | Second. |\n| `b.e` | `\"\"` | Third. |\n";
    assert!(table.ends_with(expected), "{table}");
}
