//! The result as Markdown, and its place in the documentation.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use presign_operator::runtime::Clock;
use testbed::page;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");

/// What was measured of a case: seconds for a URL, and allocations with their bytes.
pub(crate) struct Row {
    pub(crate) case: &'static str,
    pub(crate) ours: f64,
    pub(crate) theirs: f64,
    pub(crate) bare: f64,
    pub(crate) allocations: (f64, f64),
}

/// The table, with all that a reader needs to judge it.
pub(crate) fn render(rows: &[Row], boto3: &str) -> String {
    let mut text = format!(
        "Measured on {} ({}; {}; aws-sdk-s3 {}; {boto3}), {}.\n\n",
        Clock::system().now().strftime("%Y-%m-%d"),
        page::machine(),
        rustc(),
        page::locked_version(include_str!("../../Cargo.lock"), "aws-sdk-s3").unwrap(),
        "one core, processor time, median of seven rounds",
    );
    text +=
        "| URL | presign-operator | boto3 | times as many | bare HMAC and SHA-256 | allocations per URL |\n";
    text += "|---|---:|---:|---:|---:|---:|\n";
    for Row { case, ours, theirs, bare, allocations: (count, bytes) } in rows {
        let _ = writeln!(
            text,
            "| {case} | {} URLs/s | {} URLs/s | {:.1} | {} /s ({:.0} % of our time) | {count:.0} ({:.1} KiB) |",
            per_second(*ours),
            per_second(*theirs),
            theirs / ours,
            per_second(*bare),
            100.0 * bare / ours,
            bytes / 1024.0,
        );
    }
    text
}

/// Puts the table between its marks.
pub(crate) fn write(table: &str) {
    page::put(Path::new(PAGE), "bench-sign", table).unwrap();
}

/// Rounded to what can be told apart: `43 200`.
fn per_second(seconds: f64) -> String {
    let hundreds = (0.01 / seconds).round();
    let thousands = (hundreds / 10.0).floor();
    let rest = format!("{:03.0}", (hundreds - thousands * 10.0) * 100.0);
    if thousands < 1.0 { rest } else { format!("{thousands:.0} {rest}") }
}

fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}
