//! Puts figures on a page of the documentation.

use std::path::Path;

use presign_operator::runtime::Clock;

/// Prints a table, and puts it between two marks of `docs/performance.md`.
pub fn put(mark: &str, table: &str) {
    println!("{table}");
    let (begin, end) = (format!("<!-- {mark}: begin -->\n"), format!("<!-- {mark}: end -->"));
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    let old = std::fs::read_to_string(&page).unwrap();
    let (before, rest) = old.split_once(&begin).expect("the page has the mark");
    let (_, after) = rest.split_once(&end).expect("the page has the other mark");
    std::fs::write(page, format!("{before}{begin}Measured on {}.\n\n{table}{end}{after}", about())).unwrap();
}

/// When and where.
fn about() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let date = Clock::system().now().strftime("%Y-%m-%d").to_string();
    format!("{date} ({}, {cores} cores)", model.unwrap_or("unknown processor"))
}
