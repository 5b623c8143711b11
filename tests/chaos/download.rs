//! Whether URLs work, all of them in one run of curl.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::history::Violation;
use crate::invariants::READY_WORKS;
use crate::tenant::CONTENT;

/// A URL that has to work.
pub struct Download {
    pub namespace: String,
    pub object: String,
    pub method: String,
    pub url: String,
}

/// Uses the URLs as they are meant, and tells of those that the store refused.
pub async fn download(downloads: Vec<Download>) -> Vec<Violation> {
    tokio::task::spawn_blocking(move || refused(&downloads)).await.unwrap()
}

fn refused(downloads: &[Download]) -> Vec<Violation> {
    let orders: Vec<String> = downloads.iter().map(order).collect();
    // From standard input, so that no URL shows in the list of processes.
    let mut curl = Command::new("curl")
        .args(["--noproxy", "*", "--config", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = curl.stdin.take().unwrap();
    let orders = orders.join("next\n");
    let writing = std::thread::spawn(move || stdin.write_all(orders.as_bytes()));
    let output = curl.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    let codes = String::from_utf8_lossy(&output.stdout);
    let mut codes = codes.lines();
    let mut refused = Vec::new();
    for download in downloads {
        let code = codes.next().unwrap_or("none");
        if code != "200" {
            let detail = format!("{} through its URL is answered {code}", download.method);
            refused.push(Violation::new(READY_WORKS, &download.namespace, &download.object, detail));
        }
    }
    refused
}

fn order(download: &Download) -> String {
    let how = match download.method.as_str() {
        "HEAD" => "head\n".to_owned(),
        "PUT" => format!("request = PUT\ndata = \"{CONTENT}\"\n"),
        _ => String::new(),
    };
    let url = &download.url;
    format!(
        "url = \"{url}\"\n{how}output = /dev/null\nwrite-out = \"%{{http_code}}\\n\"\nsilent\nmax-time = 10\n"
    )
}
