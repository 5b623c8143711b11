//! The blocks of commands in the pages. Before each stands a comment that says which guide plays it, or why
//! nobody does:
//!
//! ```text
//! <!-- run: GUIDE -->
//! <!-- not run: REASON -->
//! ```

use crate::pages::{pages, read};

/// The languages of commands.
const COMMANDS: [&str; 3] = ["sh", "bash", "console"];

/// What the comment before a block says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mark {
    /// A guide plays it.
    Run { guide: String },
    /// Nobody plays it.
    NotRun { reason: String },
}

/// A block of commands.
#[derive(Debug)]
pub struct Block {
    /// The page and the line.
    pub place: String,
    /// The commands.
    pub text: String,
    /// `None` if there is no comment.
    pub mark: Option<Mark>,
}

fn mark(line: &str) -> Option<Mark> {
    let comment = line.trim().strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    let (what, rest) = comment.split_once(": ")?;
    let rest = rest.trim().to_owned();
    match what {
        "run" => Some(Mark::Run { guide: rest }),
        "not run" => Some(Mark::NotRun { reason: rest }),
        _ => None,
    }
}

/// The blocks of a page.
fn blocks_of(page: &str, text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut before = "";
    let mut fence = None;
    for (number, line) in text.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &fence) {
            (Some(kind), None) => {
                fence = Some(kind);
                if COMMANDS.contains(&kind) {
                    let place = format!("{page}:{}", number + 1);
                    blocks.push(Block { place, text: String::new(), mark: mark(before) });
                }
            }
            (Some(_), Some(_)) => fence = None,
            (None, Some(kind)) if COMMANDS.contains(kind) => {
                let text = &mut blocks.last_mut().unwrap().text;
                text.push_str(line);
                text.push('\n');
            }
            (None, _) => {}
        }
        before = line;
    }
    blocks
}

/// The blocks of all pages, in the order of the pages.
pub fn blocks() -> Vec<Block> {
    let of_page = |page: &std::path::PathBuf| blocks_of(page.to_str().unwrap(), &read(page));
    pages().iter().flat_map(of_page).collect()
}

#[test]
fn every_block_is_played_or_says_why_not() {
    let blocks = blocks();
    assert!(blocks.len() > 50, "only {} blocks", blocks.len());
    let bare: Vec<&str> =
        blocks.iter().filter(|block| block.mark.is_none()).map(|block| block.place.as_str()).collect();
    assert!(
        bare.is_empty(),
        "write <!-- run: GUIDE --> or <!-- not run: REASON --> on the line before the block:\n{}",
        bare.join("\n")
    );
    for block in &blocks {
        if let Some(Mark::NotRun { reason }) = &block.mark {
            assert!(reason.len() > 10, "{}: a reason is a sentence: {reason}", block.place);
        }
    }
}

#[test]
fn every_block_says_what_is_in_it() {
    // So that no command escapes by the name of its language.
    let known = [&COMMANDS[..], &["yaml", "json", "text", ""]].concat();
    for page in pages() {
        let text = read(&page);
        let fences = text.lines().filter_map(|line| line.trim_start().strip_prefix("```"));
        for kind in fences.step_by(2) {
            assert!(known.contains(&kind), "{}: ```{kind}: must be one of {known:?}", page.display());
        }
    }
}

#[test]
fn reads_the_comment_before_a_block() {
    let text = "<!-- run: a -->\n```sh\none\ntwo\n```\ntext\n```yaml\nthree: 3\n```\n   <!-- not run: b -->\n   ```sh\n   four\n   ```\n```sh\nfive\n```\n";
    let blocks = blocks_of("p.md", text);
    let marks: Vec<_> = blocks.iter().map(|block| block.mark.clone()).collect();
    let first = Mark::Run { guide: "a".to_owned() };
    let second = Mark::NotRun { reason: "b".to_owned() };
    assert_eq!(marks, [Some(first), Some(second), None]);
    assert_eq!(blocks[0].text, "one\ntwo\n");
    assert_eq!(blocks[2].place, "p.md:14");
}
