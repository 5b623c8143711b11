//! What the soak saw.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::harness::{Space, audit};
use crate::sessions::{Calls, uses_session};

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
    /// Writes that were to hang, and how many of these never came.
    hangs: u64,
    not_met: u64,
    restarts: u64,
    /// Failures of the STS that a request met.
    sts_failures: u64,
    /// How often the condition Verified was True, Unknown and missing.
    verified: [u64; 3],
    /// Resident memory in KiB.
    memory: Vec<u64>,
    /// Issue reason → how many URLs were issued for it.
    issued: BTreeMap<String, u64>,
    /// The same for those that were signed with sessions.
    with_sessions: BTreeMap<String, u64>,
}

/// The least number of URLs of a kind. With fewer, edits, rotations or renewals have not reached the operator,
/// and the downloads say nothing.
struct IssuedFloor {
    what: &'static str,
    reason: &'static str,
    /// Whether only those with sessions count.
    with_sessions: bool,
    least: u64,
}

impl IssuedFloor {
    fn counts(&self, number: usize, reason: &str) -> bool {
        reason == self.reason && (!self.with_sessions || uses_session(number))
    }

    fn seen(&self, seen: &Seen) -> u64 {
        let issued = if self.with_sessions { &seen.with_sessions } else { &seen.issued };
        issued.get(self.reason).copied().unwrap_or_default()
    }
}

fn issued_floors(objects: u64, minutes: u64) -> [IssuedFloor; 4] {
    let floor = |what, reason, least| IssuedFloor { what, reason, with_sessions: false, least };
    [
        floor("renewals", "RenewalDue", objects / 3 * minutes),
        floor("URLs after an edit", "SpecChanged", 2 * minutes),
        floor("URLs with other credentials", "CredentialsChanged", objects / 4),
        IssuedFloor {
            with_sessions: true,
            ..floor("renewals with sessions", "RenewalDue", objects / 10 * minutes)
        },
    ]
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

    /// A Secret that is not there, though nobody deletes any.
    pub fn gone(&self, name: &str) {
        self.with(|seen| seen.refused.push(format!("{name}: its Secret is gone")));
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

    /// How many of the hanging writes nobody has sent.
    pub fn not_met(&self, count: usize) {
        self.with(|seen| seen.not_met = u64::try_from(count).unwrap());
    }

    pub fn restarted(&self) {
        self.with(|seen| seen.restarts += 1);
    }

    pub fn sts_failed(&self) {
        self.with(|seen| seen.sts_failures += 1);
    }

    /// What the condition Verified of an object says. The store accepts every URL.
    pub fn verified(&self, name: &str, condition: Option<&Condition>) {
        self.with(|seen| match condition.map(|condition| condition.status.as_str()) {
            Some("True") => seen.verified[0] += 1,
            Some("Unknown") => seen.verified[1] += 1,
            Some(_) => seen.refused.push(format!("{name}: Verified: {condition:?}")),
            None => seen.verified[2] += 1,
        });
    }

    /// Resident memory in KiB, if the process was there.
    pub fn weighed(&self, kibibytes: Option<u64>) {
        self.with(|seen| seen.memory.extend(kibibytes));
    }

    /// Counts what an operator says in its log that it issued.
    pub fn add_log(&self, log: &str) {
        self.with(|seen| {
            for (number, reason) in issued(log) {
                *seen.issued.entry(reason.to_owned()).or_default() += 1;
                if uses_session(number) {
                    *seen.with_sessions.entry(reason.to_owned()).or_default() += 1;
                }
            }
        });
    }

    /// Whether this log and those before have fewer URLs of a kind than must have been issued.
    pub fn lacks_urls(&self, log: &str, objects: usize, minutes: u64) -> bool {
        let objects = u64::try_from(objects).unwrap();
        self.with(|seen| {
            issued_floors(objects, minutes).into_iter().any(|floor| {
                let in_log = issued(log).filter(|(number, reason)| floor.counts(*number, reason)).count();
                floor.seen(seen) + u64::try_from(in_log).unwrap() < floor.least
            })
        })
    }

    /// Where the promise was broken, and what it was put to less often than in any soak of this size.
    pub fn failures(&self, objects: usize, minutes: u64) -> Vec<String> {
        let objects = u64::try_from(objects).unwrap();
        self.with(|seen| {
            // The first is what was seen, the second the least that must have been: a fraction of what the
            // paces in `troubles.rs` come to, because a busy machine is slower.
            let counted = [
                ("downloads", seen.downloads, 60 * minutes),
                ("edits", seen.edits, 4 * minutes),
                ("rotations", seen.rotations, (minutes / 2).max(1)),
                ("kills", seen.kills, (minutes / 2).max(1)),
                ("hanging writes", seen.met(), (minutes / 2).max(1)),
                ("restarts of the API server", seen.restarts, if minutes < 3 { 1 } else { 2 }),
                ("failures of the STS", seen.sts_failures, minutes),
                ("URLs that the store is said to accept", seen.verified[0], objects / 4 * minutes),
                ("looks at the memory", u64::try_from(seen.memory.len()).unwrap(), minutes),
            ];
            let floors = issued_floors(objects, minutes);
            let of_urls = floors.iter().map(|floor| (floor.what, floor.seen(seen), floor.least));
            let missing = counted.into_iter().chain(of_urls).filter(|(_, count, least)| count < least);
            let missing =
                missing.map(|(what, count, least)| format!("{count} {what} are fewer than {least}"));
            missing.chain(seen.refused.iter().cloned()).collect()
        })
    }

    /// Prints it all.
    pub async fn print(&self, space: &Space, asked: &Calls) {
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
                "kills {}, hanging writes {}, API server restarts {}, STS failures {}, rotations {}, edits {}",
                seen.kills,
                seen.met(),
                seen.restarts,
                seen.sts_failures,
                seen.rotations,
                seen.edits
            );
            println!("issued {issued}: {:?}", seen.issued);
            let [accepted, unknown, missing] = seen.verified;
            println!("Verified at a look: True {accepted}, Unknown {unknown}, missing {missing}");
            println!(
                "calls: {secrets} Secret writes, {statuses} status writes, {reads} reads, {events} for events"
            );
            #[allow(clippy::cast_precision_loss, reason = "a ratio for people")]
            let ratio = (secrets + statuses) as f64 / issued as f64;
            println!("writes per issued URL: {ratio:.2}");
            let Calls { all, answered } = asked;
            #[allow(clippy::cast_precision_loss, reason = "a ratio for people")]
            let ratio = *all as f64 / seen.with_sessions.values().sum::<u64>() as f64;
            println!("of them with sessions: {:?}", seen.with_sessions);
            println!("STS calls {all}, sessions {answered}, STS calls per URL with a session: {ratio:.2}");
            let (least, most) = (seen.memory.iter().min(), seen.memory.iter().max());
            println!("resident memory: {least:?} to {most:?} KiB; over time {:?}", seen.memory);
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The number of the object of each URL that was issued, and why, as a log of the operator has it.
fn issued(log: &str) -> impl Iterator<Item = (usize, &str)> {
    log.lines().filter_map(|line| {
        let (object, rest) = line.split_once(": issued ")?;
        let reason = rest.split("reason=").nth(1).and_then(|rest| rest.split(' ').next());
        Some((object.rsplit_once("/r")?.1.parse().ok()?, reason.unwrap_or("?")))
    })
}

impl Seen {
    /// Writes that hung.
    fn met(&self) -> u64 {
        self.hangs.saturating_sub(self.not_met)
    }
}
