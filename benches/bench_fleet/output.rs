//! Where the results go: always below `target/`, into the documentation when asked.

use std::fs;
use std::path::{Path, PathBuf};

use presign_operator::runtime::Clock;
use serde::Serialize;
use serde_json::{Value, json};
use testbed::page;

use super::result::Fleet;
use super::{operator, plot, table};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");

/// Prints the table, and writes it, the plots and the figures.
pub(crate) fn write(fleets: &[Fleet], into_docs: bool) {
    let about = About::read();
    let text = table::render(fleets, &about);
    println!("\n{text}");
    let folder = folder(into_docs);
    let figures = json!({"about": about.text(), "fleets": fleets});
    fs::write(folder.join("fleet.json"), format!("{figures}\n")).unwrap();
    draw(&folder);
    println!("figures and plots are in {}", folder.display());
    if into_docs {
        page::put(Path::new(PAGE), "bench", &text).unwrap();
    }
}

/// Draws the plots of the documentation again, from the figures that are there.
pub(crate) fn redraw() {
    draw(&folder(true));
}

/// Draws the plots of a folder from its figures.
fn draw(folder: &Path) {
    let figures: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("fleet.json")).unwrap()).unwrap();
    let fleets = figures["fleets"].as_array().unwrap();
    fs::write(folder.join("issuance.svg"), plot::issuance(fleets)).unwrap();
    fs::write(folder.join("memory.svg"), plot::memory(fleets)).unwrap();
}

/// Prints the table of one part, and writes it and its figures under the name of the part.
pub(crate) fn write_part<T: Serialize>(
    name: &str,
    part: &T,
    render: fn(&T, &About) -> String,
    into_docs: bool,
) {
    let about = About::read();
    let text = render(part, &about);
    println!("\n{text}");
    let figures = json!({"about": about.text(), name: part});
    fs::write(folder(into_docs).join(format!("{name}.json")), format!("{figures}\n")).unwrap();
    if into_docs {
        page::put(Path::new(PAGE), &format!("bench-{name}"), &text).unwrap();
    }
}

fn folder(into_docs: bool) -> PathBuf {
    let folder = Path::new(ROOT).join(if into_docs { "docs/performance" } else { "target/bench-fleet" });
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// What was measured, where and when.
pub(crate) struct About {
    pub(crate) date: String,
    pub(crate) machine: String,
    pub(crate) versions: String,
    pub(crate) binary_mib: f64,
}

impl About {
    fn read() -> Self {
        Self {
            date: Clock::system().now().strftime("%Y-%m-%d").to_string(),
            machine: page::machine(),
            versions: format!(
                "Kubernetes {}, etcd {} without fsync; kube {}",
                module_version(
                    include_str!("../../tests/testbed/go/kubernetes/go.mod"),
                    "k8s.io/kubernetes "
                ),
                module_version(
                    include_str!("../../tests/testbed/go/etcd/go.mod"),
                    "go.etcd.io/etcd/server/v3 "
                ),
                page::locked_version(include_str!("../../Cargo.lock"), "kube").unwrap(),
            ),
            binary_mib: operator::binary_size() as f64 / f64::from(1 << 20),
        }
    }

    pub(crate) fn text(&self) -> String {
        format!("Measured on {} ({}; {}).", self.date, self.machine, self.versions)
    }
}

/// The version of a module that a `go.mod` requires.
fn module_version<'a>(text: &'a str, module: &str) -> &'a str {
    let (_, rest) = text.split_once(module).unwrap();
    rest.split_whitespace().next().unwrap().trim_start_matches('v')
}
