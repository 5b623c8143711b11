//! Where the results go: always below `target/`, into the documentation when asked.

use std::fs;
use std::path::Path;

use presign_operator::runtime::Clock;
use serde_json::json;

use super::result::Fleet;
use super::{operator, plot, table};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const BEGIN: &str = "<!-- bench: begin -->\n";
const END: &str = "<!-- bench: end -->";

/// Prints the table, and writes it, the plots and the figures.
pub(crate) fn write(fleets: &[Fleet], into_docs: bool) {
    let about = About::read();
    let text = table::render(fleets, &about);
    println!("\n{text}");
    let root = Path::new(ROOT);
    let folder = if into_docs { root.join("docs/performance") } else { root.join("target/bench-fleet") };
    fs::create_dir_all(&folder).unwrap();
    let figures = json!({"about": about.text(), "fleets": fleets});
    fs::write(folder.join("fleet.json"), format!("{figures}\n")).unwrap();
    fs::write(folder.join("issuance.svg"), plot::issuance(fleets)).unwrap();
    fs::write(folder.join("memory.svg"), plot::memory(fleets)).unwrap();
    println!("figures and plots are in {}", folder.display());
    if into_docs {
        let page = root.join("docs/performance.md");
        let old = fs::read_to_string(&page).unwrap();
        let (before, rest) = old.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        fs::write(page, format!("{before}{BEGIN}{text}{END}{after}")).unwrap();
    }
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
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
        let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
        Self {
            date: Clock::system().now().strftime("%Y-%m-%d").to_string(),
            machine: format!("{}, {cores} cores", model.unwrap_or("unknown processor")),
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
                kube_version(),
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

fn kube_version() -> &'static str {
    let (_, rest) = include_str!("../../Cargo.lock").split_once("name = \"kube\"\nversion = \"").unwrap();
    rest.split('"').next().unwrap()
}
