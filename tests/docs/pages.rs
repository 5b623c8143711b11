//! The pages and their order, and the diagrams.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Folders with pages, below the root.
const FOLDERS: [&str; 5] = ["", "docs", "docs/adr", "docs/reference", "charts/presign-operator"];
/// Where the order of the site is.
const SUMMARY: &str = "docs/SUMMARY.md";

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file by its path below the root.
pub fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The paths of files with an extension in a folder, below the root.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let paths = entries.map(|entry| Path::new(folder).join(entry.unwrap().file_name()));
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    paths.sort();
    paths
}

/// All pages of the project, below the root.
pub fn pages() -> Vec<PathBuf> {
    FOLDERS.iter().flat_map(|folder| files(folder, "md")).collect()
}

/// The targets of the links of a text.
pub fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

#[test]
fn every_page_has_its_place_on_the_site() {
    let summary = read(SUMMARY);
    let normal = |link: &str| match link.strip_prefix("../") {
        Some(outside) => outside.to_owned(),
        None => format!("docs/{link}"),
    };
    let listed: Vec<String> = targets(&summary).map(normal).collect();
    let expected: BTreeSet<String> =
        pages().iter().map(|page| page.to_str().unwrap().to_owned()).filter(|page| page != SUMMARY).collect();
    assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), expected);
    assert_eq!(listed.len(), expected.len(), "a page is listed twice");
}

#[test]
fn every_page_begins_with_one_heading() {
    for page in pages().iter().filter(|page| !page.ends_with("SUMMARY.md")) {
        let text = read(page);
        assert!(text.starts_with("# "), "{}", page.display());
        let mut is_code = false;
        let headings = text.lines().filter(|line| {
            is_code ^= line.trim_start().starts_with("```");
            !is_code && line.starts_with("# ")
        });
        assert_eq!(headings.count(), 1, "{}", page.display());
    }
}

#[test]
fn every_diagram_is_drawn_from_its_current_text() {
    let sources = files("docs/diagrams", "dot");
    assert!(!sources.is_empty());
    for source in sources {
        let name = source.file_stem().unwrap().to_str().unwrap();
        let digest = Sha256::digest(read(&source));
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let drawing = read(format!("docs/images/{name}.svg"));
        let is_current = drawing.contains(&format!("sha256 {digest} "));
        assert!(is_current, "docs/images/{name}.svg is of another text: run `make diagrams`");
    }
}
