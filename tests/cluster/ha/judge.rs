//! Who led when, and whether anybody else wrote.
//!
//! Who leads is told by a watch of the Lease; who wrote what, and what came late, is judged
//! in the end from the API server's audit log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::runtime::watcher;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::harness::{DEADLINE, Space};
use super::calls::{Call, calls};
use super::late::{Arrival, Term, arrival, terms};

/// Follows the Lease and the Secrets of a space until the verdict.
pub struct Judge {
    /// Who held the lease, one entry a change; "" for nobody.
    holders: watch::Receiver<Vec<String>>,
    following: JoinHandle<()>,
    /// Secret → the signing times of its URLs, in order.
    signed: watch::Receiver<BTreeMap<String, Vec<String>>>,
    reading: JoinHandle<()>,
    /// What was done to whom, and when.
    notes: Mutex<Vec<(String, String)>>,
}

impl Judge {
    pub fn begin(space: &Space) -> Self {
        let (sender, holders) = watch::channel(Vec::new());
        let leases = Api::<Lease>::namespaced(space.client.clone(), &space.namespace);
        let following = tokio::spawn(watch_holder(leases, sender));
        let (read, signed) = watch::channel(BTreeMap::new());
        let reading = tokio::spawn(read_secrets(space.secrets(), read));
        Self { holders, following, signed, reading, notes: Mutex::default() }
    }

    /// Who leads, as soon as somebody does.
    pub async fn holder(&self) -> String {
        self.wait("a leader", DEADLINE, |holder| !holder.is_empty()).await
    }

    /// The identity of the one that leads after `old`; in time.
    pub async fn another_than(&self, old: &str, deadline: Duration) -> String {
        self.wait("another leader", deadline, |holder| !holder.is_empty() && holder != old).await
    }

    async fn wait(&self, wanted: &str, deadline: Duration, is_so: impl Fn(&str) -> bool) -> String {
        let mut holders = self.holders.clone();
        let found = holders.wait_for(|holders| holders.last().is_some_and(|holder| is_so(holder)));
        let Ok(found) = tokio::time::timeout(deadline, found).await else {
            panic!("no {wanted} within {deadline:?}: {:?}", self.holders.borrow());
        };
        found.expect("the watch goes on").last().unwrap().clone()
    }

    /// Waits until a write of this replica has been refused as outdated.
    pub async fn refused(&self, space: &Space, replica: &str, resource: &str) {
        let refused = async {
            loop {
                let calls = calls(space).await;
                let is_it =
                    |call: &Call| call.replica == replica && call.resource == resource && call.code == 409;
                if calls.iter().any(is_it) {
                    return;
                }
            }
        };
        tokio::time::timeout(DEADLINE, refused).await.expect("the late write is refused");
    }

    /// Whether the lease was nobody's right after it was that of `old`.
    pub fn gave_back(&self, old: &str) -> bool {
        let holders = self.holders.borrow();
        holders.windows(2).any(|pair| pair[0] == old && pair[1].is_empty())
    }

    /// How many Secrets were created by other replicas than this one.
    pub async fn created_by_others(&self, space: &Space, replica: &str) -> usize {
        let is_it = |call: &&Call| call.resource == "secrets" && call.verb == "create" && call.is_accepted();
        calls(space).await.iter().filter(is_it).filter(|call| call.replica != replica).count()
    }

    /// Notes what is done to a replica, for whoever reads a failure.
    #[expect(clippy::disallowed_methods, reason = "it stands beside the times of the audit log")]
    pub fn note(&self, what: &str, replica: &str) {
        let now = format!("{:.6}", jiff::Timestamp::now());
        self.notes.lock().unwrap().push((now, format!("{what} {replica}")));
    }

    /// No write was accepted that came late and did harm (see `late.rs`), no URL was replaced
    /// by one that was signed earlier, and the lead changed at least `changes` times.
    pub async fn verdict(self, space: &Space, changes: usize) {
        let calls = calls(space).await;
        let terms = terms(&calls);
        let writes: Vec<&Call> = calls
            .iter()
            .filter(|call| call.is_write() && call.is_accepted() && !call.is_of_lease())
            .collect();
        let mut failures = Vec::new();
        let mut arrivals = BTreeMap::<String, usize>::new();
        for write in &writes {
            let arrival = arrival(write, &terms, &calls);
            *arrivals.entry(format!("{arrival:?}")).or_default() += 1;
            if let Arrival::Harmful(why) = arrival {
                failures.push(format!("{why}: {write:#?}\n{}", self.around(write, &terms, &calls)));
            }
        }
        let refused = calls.iter().filter(|call| call.is_write() && call.code == 409 && !call.is_of_lease());
        println!("{} writes: {arrivals:?}, {} refused", writes.len(), refused.count());
        assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));

        let holders = self.holders.borrow().clone();
        let leaders: BTreeSet<_> = holders.iter().filter(|holder| !holder.is_empty()).collect();
        let taken = holders.iter().filter(|holder| !holder.is_empty()).count();
        assert!(taken > changes && leaders.len() > 1, "{holders:?}");
        assert!(writes.len() > changes, "there was work: {}", writes.len());
        assert!(!self.following.is_finished() && !self.reading.is_finished(), "both were watched to the end");
        assert!(!self.signed.borrow().is_empty(), "no URL was seen");
        for (secret, times) in self.signed.borrow().iter() {
            assert!(times.is_sorted(), "{secret}: {times:?}");
        }
        println!("{} processes led one after the other", leaders.len());
        self.following.abort();
        self.reading.abort();
    }

    /// What is needed to judge a write: the lease, the object, and what was done to replicas
    /// before and after it.
    fn around(&self, write: &Call, terms: &[Term], calls: &[Call]) -> String {
        let (mut text, version) = (String::new(), write.version.unwrap_or_default());
        let place = terms.partition_point(|term| term.since < version);
        for Term { since, holder, at } in &terms[place.saturating_sub(3)..terms.len().min(place + 2)] {
            let _ = writeln!(text, "  {at} the lease at version {since} is held by {holder:?}");
        }
        let mut others: Vec<&Call> =
            calls.iter().filter(|call| call.is_write() && call.is_about_same(write)).collect();
        others.sort_by(|one, other| one.began.cmp(&other.began));
        let place = others.partition_point(|other| other.began < write.began);
        for other in &others[place.saturating_sub(4)..others.len().min(place + 3)] {
            let Call { replica, verb, subresource, code, began, ended, asked, version, .. } = other;
            let versions = format!("{} → {}", show(*asked), show(*version));
            let _ = writeln!(text, "  {began} to {ended} {replica} {verb} {subresource} {code}, {versions}");
        }
        let notes = self.notes.lock().unwrap();
        let place = notes.partition_point(|(at, _)| *at < write.began);
        for (at, what) in &notes[place.saturating_sub(4)..notes.len().min(place + 2)] {
            let _ = writeln!(text, "  {at} {what}");
        }
        text
    }
}

fn show(version: Option<u64>) -> String {
    version.map_or_else(|| "no version".to_owned(), |version| version.to_string())
}

/// Tells of each change of the holder.
async fn watch_holder(leases: Api<Lease>, holders: watch::Sender<Vec<String>>) {
    let mut events = std::pin::pin!(watcher(leases, watcher::Config::default()));
    while let Some(event) = events.next().await {
        let Ok(watcher::Event::Apply(lease) | watcher::Event::InitApply(lease)) = event else { continue };
        let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
        holders.send_if_modified(|holders| {
            let is_new = holders.last() != Some(&holder);
            if is_new {
                holders.push(holder);
            }
            is_new
        });
    }
}

/// Notes when the URLs of each Secret were signed.
async fn read_secrets(secrets: Api<Secret>, signed: watch::Sender<BTreeMap<String, Vec<String>>>) {
    let mut events = std::pin::pin!(watcher(secrets, watcher::Config::default()));
    while let Some(event) = events.next().await {
        let Ok(watcher::Event::Apply(secret) | watcher::Event::InitApply(secret)) = event else { continue };
        let time = secret.metadata.annotations.and_then(|mut all| all.remove("presign.dev/signing-time"));
        if let (Some(time), Some(name)) = (time, secret.metadata.name) {
            signed.send_modify(|signed| signed.entry(name).or_default().push(time));
        }
    }
}
