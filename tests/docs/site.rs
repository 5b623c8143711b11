//! The links of the built site. `make book` builds it and asks for this.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// All HTML pages of a folder.
fn html(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            html(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "html") {
            found.push(path);
        }
    }
}

/// The values of an attribute in a page.
fn values<'a>(text: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!(" {attribute}=\"");
    text.split(&start).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// A path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

#[test]
#[ignore = "needs the site: make book"]
#[expect(clippy::disallowed_methods, reason = "make asks through the environment")]
fn every_link_of_the_site_leads_somewhere() {
    let site =
        PathBuf::from(std::env::var("PRESIGN_BOOK").expect("PRESIGN_BOOK names the folder of the site"));
    let mut pages = Vec::new();
    html(&site, &mut pages);
    // Two are for printing and for pages that do not exist: their links are those of other pages.
    pages.retain(|page| {
        !page.ends_with("print.html") && !page.ends_with("404.html") && !page.ends_with("toc.html")
    });
    assert!(pages.len() > 20, "only {} pages", pages.len());
    let texts: BTreeMap<PathBuf, String> =
        pages.iter().map(|page| (page.clone(), fs::read_to_string(page).unwrap())).collect();
    let ids: BTreeMap<&PathBuf, BTreeSet<&str>> =
        texts.iter().map(|(page, text)| (page, values(text, "id").into_iter().collect())).collect();
    let mut broken = Vec::new();
    for (page, text) in &texts {
        for link in values(text, "href").into_iter().chain(values(text, "src")) {
            if link.contains("://") || link.starts_with("data:") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let mut target =
                normal(&if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) });
            if target.is_dir() {
                target.push("index.html");
            }
            let is_anchor = |anchor: &str| ids.get(&target).is_none_or(|ids| ids.contains(anchor));
            if !target.is_file() || !(anchor.is_empty() || is_anchor(anchor)) {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
