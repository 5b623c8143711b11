//! Debian's Prometheus, scraping every second.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testbed::Program;

use super::series::INSTANCES;
use crate::render::{root, run};
use crate::world::WAIT;

/// A Prometheus with our alerts.
pub struct Prometheus {
    program: Program,
    port: u16,
    _folder: tempfile::TempDir,
}

/// Where `make tools` has put a program, or the system.
pub fn tool(name: &str) -> PathBuf {
    let own = root().join("target/prometheus/usr/bin").join(name);
    if own.is_file() { own } else { name.into() }
}

impl Prometheus {
    /// Starts one that scrapes these ports of ours.
    pub fn start(ports: &[u16]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let targets: Vec<Value> = ports
            .iter()
            .zip(INSTANCES)
            .map(|(port, name)| json!({"targets": [format!("127.0.0.1:{port}")], "labels": {"instance": name}}))
            .collect();
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [root().join("deploy/alerts.yaml")],
            "scrape_configs": [{"job_name": "presign-operator", "static_configs": targets}],
        });
        let file = folder.path().join("prometheus.yaml");
        std::fs::write(&file, config.to_string()).unwrap();
        let arguments = [
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", folder.path().join("data").display()),
            "--web.listen-address=127.0.0.1:0".to_owned(),
        ];
        let program = Program::start("prometheus", tool("prometheus"), arguments, [])
            .unwrap_or_else(|error| panic!("no Prometheus ({error}): `make tools` brings one"));
        let port = program.port("address").expect("it listens");
        Self { program, port, _folder: folder }
    }

    /// Asks it something: the field `data` of its answer.
    pub fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let mut curl = testbed::curl_command();
        curl.args(["--get", &format!("http://127.0.0.1:{}/api/v1/{path}", self.port)]);
        for (name, value) in parameters {
            curl.args(["--data-urlencode", &format!("{name}={value}")]);
        }
        let answer: Value = serde_json::from_str(&run(&mut curl)?).map_err(|error| error.to_string())?;
        if answer["status"] == "success" { Ok(answer["data"].clone()) } else { Err(answer.to_string()) }
    }

    /// Waits until it has scraped all of us once more.
    pub fn await_scrape(&self) {
        let begun = Instant::now();
        let since = jiff::Zoned::now().timestamp().as_second();
        loop {
            let query = [("query", "min(timestamp(up == 1)) and count(up == 1) == 3")];
            let found = self.ask("query", &query).ok();
            let time = found.and_then(|data| data["result"][0]["value"][1].as_str()?.parse::<f64>().ok());
            if time.is_some_and(|time| time > since as f64) {
                return;
            }
            assert!(begun.elapsed() < WAIT, "nothing is scraped:\n{}", self.program.log());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}
