//! What the soak saw.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::harness::{Space, audit};

/// Counts, filled from many tasks.
#[derive(Default)]
pub struct Report {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    downloads: u64,
    refused: Vec<String>,
    unread: u64,
    edits: u64,
    rotations: u64,
    kills: u64,
    hangs: u64,
    restarts: u64,
    /// Resident memory in KiB.
    memory: Vec<u64>,
    /// Issue reason → how many URLs were issued for it.
    issued: BTreeMap<String, u64>,
}

impl Report {
    /// A download through a URL, and how it went.
    pub fn downloaded(&self, name: &str, answer: Result<String, String>) {
        self.with(|seen| {
            seen.downloads += 1;
            match answer {
                Ok(content) if content == "content" => {}
                Ok(_) => seen.refused.push(format!("{name}: another content")),
                Err(error) => seen.refused.push(format!("{name}: {}", error.trim())),
            }
        });
    }

    /// A Secret that could not be fetched, because the API server was away.
    pub fn unread(&self) {
        self.with(|seen| seen.unread += 1);
    }

    pub fn edited(&self) {
        self.with(|seen| seen.edits += 1);
    }

    pub fn rotated(&self) {
        self.with(|seen| seen.rotations += 1);
    }

    pub fn killed(&self) {
        self.with(|seen| seen.kills += 1);
    }

    pub fn hung(&self) {
        self.with(|seen| seen.hangs += 1);
    }

    pub fn restarted(&self) {
        self.with(|seen| seen.restarts += 1);
    }

    /// Resident memory in KiB, if the process was there.
    pub fn weighed(&self, kibibytes: Option<u64>) {
        self.with(|seen| seen.memory.extend(kibibytes));
    }

    /// Counts what an operator says in its log that it issued.
    pub fn add_log(&self, log: &str) {
        self.with(|seen| {
            for line in log.lines().filter(|line| line.contains(": issued ")) {
                let reason = line.split("reason=").nth(1).and_then(|rest| rest.split(' ').next());
                *seen.issued.entry(reason.unwrap_or("?").to_owned()).or_default() += 1;
            }
        });
    }

    /// Whether the promise was broken, or nothing was tried.
    pub fn has_failed(&self) -> bool {
        self.with(|seen| !seen.refused.is_empty() || seen.downloads == 0)
    }

    /// Prints it all.
    pub async fn print(&self, space: &Space) {
        let calls = audit(space).await;
        let count = |wanted: &str, part: &str| {
            calls.iter().filter(|call| call.starts_with(wanted) && call.contains(part)).count()
        };
        let (secrets, statuses) = (count("patch secrets/", ""), count("patch presignedurls/", "/status"));
        let (reads, events) = (count("get ", ""), count("", "events"));
        self.with(|seen| {
            let issued: u64 = seen.issued.values().sum();
            println!(
                "downloads {} (refused {}), Secrets not read {}",
                seen.downloads,
                seen.refused.len(),
                seen.unread
            );
            println!(
                "kills {}, hanging writes {}, API server restarts {}, rotations {}, edits {}",
                seen.kills, seen.hangs, seen.restarts, seen.rotations, seen.edits
            );
            println!("issued {issued}: {:?}", seen.issued);
            println!(
                "calls: {secrets} Secret writes, {statuses} status writes, {reads} reads, {events} for events"
            );
            #[allow(clippy::cast_precision_loss, reason = "a ratio for people")]
            let ratio = (secrets + statuses) as f64 / issued as f64;
            println!("writes per issued URL: {ratio:.2}");
            let (least, most) = (seen.memory.iter().min(), seen.memory.iter().max());
            println!("resident memory: {least:?} to {most:?} KiB; over time {:?}", seen.memory);
            for refused in seen.refused.iter().take(20) {
                println!("REFUSED {refused}");
            }
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
