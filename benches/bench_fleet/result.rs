//! What a run found out.

use std::collections::BTreeMap;

use serde::Serialize;

use super::calls::Calls;
use super::latency::Spread;

/// Everything about one size of fleet.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Fleet {
    pub(crate) objects: usize,
    pub(crate) empty_kib: u64,
    pub(crate) issuance: Writing,
    /// Resident memory after the issuance, at rest, and after a start.
    pub(crate) issued_kib: u64,
    pub(crate) started_kib: u64,
    pub(crate) start: Start,
    pub(crate) idle: Idle,
    pub(crate) rotation: Rotation,
    pub(crate) renewal: Renewal,
    pub(crate) latency: Spread,
    /// How far the renewals are spread, as a share of the lifetime.
    pub(crate) renewals_spread: f64,
    /// The latency of somebody else's write: alone, and during the issuance.
    pub(crate) others_idle: Spread,
    pub(crate) others_busy: Spread,
}

/// Many writes in a row, in turns with the plain client.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Writing {
    pub(crate) objects: u64,
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    /// The operator's, by its own count.
    pub(crate) calls: Calls,
    /// Seconds, objects done, resident KiB.
    pub(crate) timeline: Vec<(f64, u64, u64)>,
    /// The operator's turns, and the plain client's at each width.
    pub(crate) turns: Vec<Turns>,
}

impl Writing {
    /// The plain client at its best width.
    pub(crate) fn ceiling(&self) -> &Turns {
        self.turns[1..].iter().max_by(|a, b| a.rate().total_cmp(&b.rate())).unwrap()
    }

    /// Objects a second in the operator's turns.
    pub(crate) fn rate(&self) -> f64 {
        self.turns[0].rate()
    }

    pub(crate) fn over_ceiling(&self) -> f64 {
        self.rate() / self.ceiling().rate()
    }
}

/// One side's turns at the same work.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Turns {
    /// How many objects the plain client had under way at a time; 0 for the operator.
    pub(crate) width: usize,
    pub(crate) objects: u64,
    pub(crate) seconds: f64,
    /// Objects a second in each.
    pub(crate) rates: Vec<f64>,
    /// What each process on the machine used.
    pub(crate) processor_seconds: BTreeMap<&'static str, f64>,
}

impl Turns {
    pub(crate) fn rate(&self) -> f64 {
        self.objects as f64 / self.seconds
    }

    /// Processor time of all processes an object, in milliseconds.
    pub(crate) fn processor_each(&self) -> f64 {
        self.processor_seconds.values().sum::<f64>() / self.objects as f64 * 1e3
    }
}

/// A start with everything issued.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Start {
    pub(crate) ready_seconds: f64,
    /// The quicker of two: before it and after it.
    pub(crate) lists_seconds: f64,
    /// Until every object has been compared.
    pub(crate) cpu_seconds: f64,
    pub(crate) calls: Counted,
}

/// Nothing to do.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Idle {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) calls: Counted,
}

/// A shared access key changes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Rotation {
    pub(crate) writing: Writing,
    /// The share of neighbours in the order of writing that are in the order of expiry,
    /// ties and what is in flight at a time aside.
    pub(crate) in_order: f64,
}

/// Renewals that were due.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Renewal {
    pub(crate) objects: u64,
    pub(crate) calls: Counted,
}

/// What happened in a time, counted on both sides: the API server does not tell whose calls
/// they are.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Counted {
    pub(crate) by_api_server: Calls,
    pub(crate) by_operator: Calls,
}

impl Fleet {
    /// Bytes an object over the empty process: after the issuance, and after a start.
    pub(crate) fn bytes_each(&self) -> [f64; 2] {
        [self.issued_kib, self.started_kib]
            .map(|kib| (kib as f64 - self.empty_kib as f64) * 1024.0 / self.objects as f64)
    }
}

/// The renewals of one namespace beside others.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Neighbours {
    /// While another creates many objects at once.
    pub(crate) creations: Beside,
    /// While another has objects whose credentials are their own target Secret.
    pub(crate) hot: Beside,
}

/// The renewals of a while.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Renewed {
    /// Seconds from the renewal time of the URL before to the signing time.
    pub(crate) late_by: Spread,
    /// How many renewals followed a URL that no status named, so that its renewal time is not known.
    pub(crate) unknown: usize,
    /// How many URLs were still stored when they had expired.
    pub(crate) past_expiry: usize,
}

/// The renewals of one namespace beside another one.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Beside {
    /// How many objects the other one has.
    pub(crate) objects: usize,
    pub(crate) seconds: f64,
    pub(crate) renewed: Renewed,
    /// How many URLs were written for the other one meanwhile.
    pub(crate) others: u64,
}

/// Objects of one `ClusterSigner` beside as many with credentials of their own.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Signed {
    /// How many of each kind.
    pub(crate) objects: usize,
    /// How many the signer denies in the end.
    pub(crate) denied: usize,
    pub(crate) own: Sided,
    pub(crate) signer: Sided,
    /// A change of the policy that changes no verdict.
    pub(crate) same: Judging,
    /// One that denies some.
    pub(crate) denying: Judging,
}

/// Objects that are signed with sessions beside as many that are signed with an access key.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OfSessions {
    /// How many of each kind.
    pub(crate) objects: usize,
    pub(crate) key: Vec<Rotated>,
    pub(crate) session: Vec<Rotated>,
    /// How often the STS was called.
    pub(crate) calls: usize,
}

/// One of the two kinds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sided {
    /// Resident memory without objects, and after a start with them.
    pub(crate) empty_kib: u64,
    pub(crate) started_kib: u64,
    pub(crate) rotations: Vec<Rotated>,
}

/// A rotation of the access key.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Rotated {
    pub(crate) objects: u64,
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
}

/// A change of the policy, until every object is judged.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Judging {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) calls: Counted,
}

impl Sided {
    /// Bytes an object over the empty process, after a start.
    pub(crate) fn bytes_each(&self, objects: usize) -> f64 {
        (self.started_kib as f64 - self.empty_kib as f64) * 1024.0 / objects as f64
    }

    /// Objects a second in all rotations.
    pub(crate) fn rate(&self) -> f64 {
        rate(&self.rotations)
    }
}

/// Objects a second in all of them.
pub(crate) fn rate(rotations: &[Rotated]) -> f64 {
    let objects: u64 = rotations.iter().map(|rotated| rotated.objects).sum();
    objects as f64 / rotations.iter().map(|rotated| rotated.seconds).sum::<f64>()
}
