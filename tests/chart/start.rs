//! How soon a fresh process leads. Not a part of `cargo test`, since a debug build says nothing
//! about it: `make image-check` runs it with the binary of the image.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testbed::http_get;

use crate::world::{WAIT, kubectl, plane};

const LIMIT: Duration = Duration::from_millis(200);
const NAMESPACE: &str = "chart-b";

/// From the start of the process to its word that it leads.
fn start(binary: &Path, number: usize) -> Duration {
    let begun = Instant::now();
    let mut operator = Command::new(binary)
        .args(["run", "--listen=127.0.0.1:0", &format!("--lease-name=start-{number}")])
        .args(["--lease-namespace", NAMESPACE])
        .env("KUBECONFIG", plane().kubeconfig())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(operator.stderr.take().unwrap()).lines().map_while(Result::ok);
    let port = log.find_map(|line| {
        let address = line.split(" listen=").nth(1)?.split(' ').next()?;
        address.rsplit_once(':')?.1.parse().ok()
    });
    let port = port.expect("it says where it listens");
    // It must not wait for somebody to read its log.
    let reading = std::thread::spawn(move || log.for_each(drop));
    while !metrics(port).is_some_and(|text| text.contains("\npresign_leader 1\n")) {
        assert!(begun.elapsed() < WAIT, "it does not lead");
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = begun.elapsed();
    let _ = operator.kill();
    operator.wait().unwrap();
    reading.join().unwrap();
    took
}

/// Without curl, whose own start would count.
fn metrics(port: u16) -> Option<String> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    String::from_utf8(http_get(address, "/metrics", WAIT).ok()?.body).ok()
}

#[test]
#[ignore = "needs a release binary and an idle machine: `make image-check`"]
#[expect(clippy::disallowed_methods, reason = "make names the binary in the environment")]
fn a_fresh_process_leads_at_once() {
    let binary = std::env::var_os("PRESIGN_BINARY");
    let binary = binary.expect("PRESIGN_BINARY names the binary of the image");
    kubectl(&["get", "namespace", NAMESPACE]).unwrap();
    let mut times: Vec<Duration> = (0..9).map(|number| start(Path::new(&binary), number)).collect();
    times.sort();
    println!("leads after {:?} (median of {}; {:?} to {:?})", times[4], times.len(), times[0], times[8]);
    assert!(times[4] < LIMIT, "{times:?}");
}
