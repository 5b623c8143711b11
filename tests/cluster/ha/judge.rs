//! Who led when, and whether anybody else wrote.
//!
//! The Lease's history comes from a watch, which misses nothing and is in the order of the
//! API server; who wrote, when, and with what success is in its audit log, where each
//! replica is known by its User-Agent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::runtime::watcher;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::harness::{DEADLINE, Space, operators_log};

/// Follows the Lease and the Secrets of a space until the verdict.
pub struct Judge {
    /// Who held the lease, one entry a change; "" for nobody.
    holders: watch::Receiver<Vec<String>>,
    following: JoinHandle<()>,
    /// Secret → the signing times of its URLs, in order.
    signed: watch::Receiver<BTreeMap<String, Vec<String>>>,
    reading: JoinHandle<()>,
}

impl Judge {
    pub fn begin(space: &Space) -> Self {
        let (told, holders) = watch::channel(Vec::new());
        let leases = Api::<Lease>::namespaced(space.client.clone(), &space.namespace);
        let following = tokio::spawn(follow(leases, told));
        let (read, signed) = watch::channel(BTreeMap::new());
        let reading = tokio::spawn(read_secrets(space.secrets(), read));
        Self { holders, following, signed, reading }
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
                    |call: &&Call| call.replica == replica && call.resource == resource && call.code == 409;
                if calls.iter().any(|call| is_it(&call)) {
                    return;
                }
            }
        };
        tokio::time::timeout(DEADLINE, refused).await.expect("the late write is refused");
    }

    /// No write was accepted but from who held the lease at that time, no URL was replaced by
    /// one that was signed earlier, and the lead changed at least `changes` times.
    pub async fn verdict(self, space: &Space, changes: usize) {
        let calls: Vec<Call> = calls(space).await.into_iter().filter(Call::is_accepted_write).collect();
        let (leases, writes): (Vec<&Call>, Vec<&Call>) =
            calls.iter().partition(|call| call.resource == "leases");
        for write in &writes {
            let before =
                leases.iter().filter(|lease| lease.ended <= write.began).max_by_key(|lease| &lease.ended);
            let during = leases.iter().filter(|lease| lease.ended > write.began && lease.began < write.ended);
            let holders: BTreeSet<&str> =
                before.into_iter().chain(during).map(|lease| lease.replica.as_str()).collect();
            assert!(
                holders == BTreeSet::from([write.replica.as_str()]),
                "{write:?} while {holders:?} held the lease"
            );
        }
        let holders = self.holders.borrow().clone();
        let leaders: BTreeSet<_> = holders.iter().filter(|holder| !holder.is_empty()).collect();
        let taken = holders.iter().filter(|holder| !holder.is_empty()).count();
        assert!(taken > changes && leaders.len() > 1, "{holders:?}");
        assert!(writes.len() > changes, "there was work: {}", writes.len());
        for (secret, times) in self.signed.borrow().iter() {
            assert!(times.is_sorted(), "{secret}: {times:?}");
        }
        println!("{} writes by {} leaders, none by anybody else", writes.len(), leaders.len());
        self.following.abort();
        self.reading.abort();
    }
}

/// Tells of each change of the holder.
async fn follow(leases: Api<Lease>, holders: watch::Sender<Vec<String>>) {
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

/// A call of a replica that was answered.
#[derive(Debug)]
struct Call {
    replica: String,
    verb: String,
    resource: String,
    code: u64,
    /// RFC 3339 in UTC with microseconds, so these sort as text.
    began: String,
    ended: String,
}

impl Call {
    fn is_accepted_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch") && self.code < 300
    }
}

/// The calls of all replicas so far.
async fn calls(space: &Space) -> Vec<Call> {
    let entries = operators_log(space).await;
    entries.iter().filter_map(call).collect()
}

fn call(entry: &Value) -> Option<Call> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let agent = entry["userAgent"].as_str()?;
    let replica = agent.split_once('(')?.1.split_once('_')?.0.to_owned();
    if !replica.starts_with("replica-") || entry["stage"] != "ResponseComplete" {
        return None;
    }
    Some(Call {
        replica,
        verb: text(&entry["verb"])?,
        resource: text(&entry["objectRef"]["resource"])?,
        code: entry["responseStatus"]["code"].as_u64()?,
        began: text(&entry["requestReceivedTimestamp"])?,
        ended: text(&entry["stageTimestamp"])?,
    })
}
