//! Puts figures on a page of the documentation.

use std::path::Path;

use presign_operator::runtime::Clock;
use testbed::page;

/// Prints a table, and puts it between two marks of `docs/performance.md`.
pub fn put(mark: &str, table: &str) {
    println!("{table}");
    let (date, machine) = (Clock::system().now().strftime("%Y-%m-%d").to_string(), page::machine());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    page::put(&file, mark, &format!("Measured on {date} ({machine}).\n\n{table}")).unwrap();
}
