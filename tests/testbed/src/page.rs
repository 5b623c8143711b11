//! Figures on a page of the documentation, and what they were measured with.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use crate::disk;

/// Puts a text between two marks of a page.
pub fn put(page: &Path, mark: &str, text: &str) -> Result<()> {
    let (begin, end) = (format!("<!-- {mark}: begin -->\n"), format!("<!-- {mark}: end -->"));
    let old = disk::read(page)?;
    let around = old.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = around.with_context(|| format!("{} has no marks {mark}", page.display()))?;
    disk::write(page, format!("{before}{begin}{text}{end}{after}"))
}

/// The processor of this machine, and how many cores it has.
pub fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    format!("{}, {cores} cores", model.unwrap_or("unknown processor"))
}

/// The version of a crate in the text of a lock file.
pub fn locked_version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    rest.split('"').next()
}
