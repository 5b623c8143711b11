//! Links between the pages, and to files of the repository.

use std::collections::BTreeSet;

use crate::pages::{pages, read, root, targets};

/// A text without its blocks of code.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let lines = text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The same without spans of code.
fn without_spans(prose: &str) -> String {
    // A span ends with its paragraph or its row, so that one without an end hides no more than that.
    let of_paragraph = |text: &str| text.split('`').step_by(2).collect::<String>();
    prose.replace("|\n", "|\n\n").split("\n\n").map(of_paragraph).collect::<Vec<_>>().join("\n\n")
}

/// The anchors of a page's headings, as GitHub and mdBook make them. A heading that comes again gets a number.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for heading in prose(text).lines().filter(|line| line.starts_with('#')) {
        let words = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        let anchor: String =
            words.chars().filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).collect();
        let numbered = (1..).map(|number| format!("{anchor}-{number}"));
        let free = std::iter::once(anchor.clone()).chain(numbered).find(|name| !found.contains(name));
        found.extend(free);
    }
    found
}

#[test]
fn every_link_leads_somewhere() {
    let mut count = 0;
    for page in pages() {
        let text = without_spans(&prose(&read(&page)));
        for link in targets(&text).filter(|link| !link.contains("://")) {
            count += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(root().join(&target).exists(), "{}: {link}", page.display());
            let is_there = anchor.is_empty() || anchors(&read(&target)).contains(anchor);
            assert!(is_there, "{}: {link}", page.display());
        }
    }
    assert!(count > 100, "only {count} links were found");
}

#[test]
fn a_heading_that_comes_again_gets_a_number() {
    let text = "# A `b` c!\n```\n# no\n```\n## Same\n## Same\n";
    let expected = ["a-b-c", "same", "same-1"].map(str::to_owned);
    assert_eq!(anchors(text), expected.into());
}
