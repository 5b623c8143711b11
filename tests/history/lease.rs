//! The Lease in the model, and the other replica that takes it when it may.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::http::{Answer, failure, found};

/// How long a holder may be silent before the other one takes over.
pub const DURATION: Duration = Duration::from_secs(15);
const OTHER: &str = "another";

/// Who leads.
pub struct Election {
    /// Until when the operator's calls about the Lease hang; then the other one is gone.
    out_until: Option<Instant>,
    /// When the operator renewed it last.
    renewed: Option<Instant>,
    /// The newest version of the Lease that the operator was shown.
    pub shown: u64,
    /// Whether it was shown it since the last restore.
    pub has_noticed: bool,
}

impl Default for Election {
    fn default() -> Self {
        Self { out_until: None, renewed: None, shown: 0, has_noticed: true }
    }
}

impl Election {
    /// Lets calls about the Lease hang for so long.
    pub fn cut_off(&mut self, outage: Duration) {
        self.out_until = Some(Instant::now() + outage);
    }

    /// Ends that.
    pub fn mend(&mut self) {
        self.out_until = self.out_until.map(|until| until.min(Instant::now()));
    }

    /// Whether calls about the Lease hang.
    pub fn is_out(&self) -> bool {
        self.out_until.is_some_and(|until| Instant::now() < until)
    }

    /// Whether the other one has taken over, which it does as soon as it may.
    pub fn another_leads(&self) -> bool {
        self.is_out() && self.renewed.is_none_or(|renewed| renewed.elapsed() >= DURATION)
    }

    /// Whether it took over in the outage that is past.
    pub fn took_over(&self) -> bool {
        let end = self.out_until.filter(|_| !self.is_out());
        end.is_some_and(|end| self.renewed.is_none_or(|renewed| renewed + DURATION <= end))
    }

    /// Answers a call about the Lease.
    pub fn answer(&mut self, cluster: &mut Cluster, method: &Method, body: &Value) -> Answer {
        if self.took_over() && cluster.stored.lease.is_some() {
            let mut lease = cluster.stored.lease.take().unwrap_or_default();
            lease["spec"]["holderIdentity"] = json!(OTHER);
            put(cluster, lease);
        }
        self.out_until = None;
        if *method != Method::GET {
            let there = cluster.stored.lease.as_ref();
            let version = there.map(|lease| lease["metadata"]["resourceVersion"].clone()).unwrap_or_default();
            if body["metadata"]["resourceVersion"] != version {
                return failure(409, "Conflict");
            }
            put(cluster, body.clone());
            self.renewed = Some(Instant::now());
        }
        let lease = cluster.stored.lease.clone();
        let version = lease.as_ref().and_then(|lease| lease["metadata"]["resourceVersion"].as_str());
        if let Some(version) = version {
            (self.shown, self.has_noticed) = (version.parse().unwrap(), true);
        }
        found(lease)
    }
}

fn put(cluster: &mut Cluster, mut lease: Value) {
    cluster.version += 1;
    lease["metadata"]["resourceVersion"] = json!(cluster.version.to_string());
    cluster.stored.lease = Some(lease);
}
