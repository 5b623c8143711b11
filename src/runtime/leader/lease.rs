//! What a Lease contains, and what to write into it. Pure functions; the calls are in `elector.rs`.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::ObjectMeta;

use crate::runtime::leader::rivals::Party;

/// The lease, and how this process takes part in its election.
#[derive(Clone, Debug)]
pub struct LeaseSettings {
    /// Name of the Lease.
    pub name: String,
    /// Namespace of the Lease.
    pub namespace: String,
    /// The name of this process in the Lease. No two processes may share one.
    pub identity: String,
    /// How long a holder may be silent before another process takes over, in whole seconds.
    pub duration: Duration,
    /// How to recognise other operators of this kind, and the namespaces of this one.
    pub party: Party,
}

impl LeaseSettings {
    /// A new lease that we hold, for when there is none.
    pub(super) fn first(&self, now: Timestamp) -> Lease {
        let name = Some(self.name.clone());
        let metadata = ObjectMeta { name, namespace: Some(self.namespace.clone()), ..ObjectMeta::default() };
        self.claim(Lease { metadata, spec: None }, now)
    }

    /// The lease, acquired or renewed by us. Fields that other clients wrote stay.
    pub(super) fn claim(&self, mut lease: Lease, now: Timestamp) -> Lease {
        let is_ours = holder(&lease) == Some(&self.identity);
        let before = lease.spec.take().unwrap_or_default();
        let transitions =
            before.lease_transitions.map_or(0, |count| count.saturating_add(i32::from(!is_ours)));
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.duration.as_secs()).ok(),
            acquire_time: before.acquire_time.filter(|_| is_ours).or(Some(MicroTime(now))),
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(transitions),
            ..before
        });
        self.party.mark(&mut lease);
        lease
    }
}

/// The lease without a holder, so that a standby can take it at once.
pub(super) fn released(mut lease: Lease, now: Timestamp) -> Lease {
    let before = lease.spec.take().unwrap_or_default();
    let renew_time = Some(MicroTime(now));
    lease.spec = Some(LeaseSpec { holder_identity: Some(String::new()), renew_time, ..before });
    lease
}

/// The holder of a lease; `None` when it was released.
pub(super) fn holder(lease: &Lease) -> Option<&String> {
    lease.spec.as_ref()?.holder_identity.as_ref().filter(|holder| !holder.is_empty())
}

/// How long the holder may be silent, by the duration that it wrote into the lease.
pub(super) fn lease_duration(lease: &Lease) -> Option<Duration> {
    let seconds = lease.spec.as_ref()?.lease_duration_seconds?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

/// The newest version of the lease that an answer has shown.
///
/// Every answer is read from the store itself, and the calls are made one after the other. An older
/// version than before therefore means that the store was restored to an earlier state.
#[derive(Debug, Default)]
pub(super) struct Newest(Option<u64>);

impl Newest {
    /// Notes an answer, and returns whether it is older than the one before. An older answer counts as
    /// the newest from then on, so that each restore is reported once.
    pub(super) fn shows_restore(&mut self, lease: &Lease) -> bool {
        let shown = lease.metadata.resource_version.as_deref().and_then(|version| version.parse().ok());
        let Some(shown) = shown else { return false };
        self.0.replace(shown).is_some_and(|newest| shown < newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(identity: &str) -> LeaseSettings {
        LeaseSettings {
            name: "lease".to_owned(),
            namespace: "n".to_owned(),
            identity: identity.to_owned(),
            duration: Duration::from_secs(15),
            party: Party {
                label: ("kind", "operator"),
                annotation: "namespaces",
                namespaces: vec!["a".to_owned(), "b".to_owned()],
            },
        }
    }

    #[test]
    fn a_renewal_moves_one_time_and_a_takeover_counts() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let first = settings("a").first(at(1));
        assert_eq!(
            (holder(&first).unwrap(), lease_duration(&first)),
            (&"a".to_owned(), Some(Duration::from_secs(15)))
        );
        let times = |lease: &Lease| {
            let spec = lease.spec.clone().unwrap();
            (spec.acquire_time.unwrap().0, spec.renew_time.unwrap().0, spec.lease_transitions.unwrap())
        };
        let renewed = settings("a").claim(first, at(2));
        assert_eq!(times(&renewed), (at(1), at(2), 0));
        let taken = settings("b").claim(renewed, at(3));
        assert_eq!(times(&taken), (at(3), at(3), 1));
        let free = released(taken, at(4));
        assert_eq!(holder(&free), None);
        assert_eq!(times(&settings("b").claim(free, at(5))), (at(5), at(5), 2));
    }

    #[test]
    fn what_others_wrote_stays() {
        let mut lease = settings("a").first(Timestamp::UNIX_EPOCH);
        lease.metadata.labels = Some([("theirs".to_owned(), "1".to_owned())].into());
        lease.metadata.resource_version = Some("7".to_owned());
        let metadata = lease.metadata.clone();
        let held = settings("b").claim(lease.clone(), Timestamp::UNIX_EPOCH).metadata;
        let labels = [("kind", "operator"), ("theirs", "1")].map(|(name, value)| (name.into(), value.into()));
        let annotations = [("namespaces".to_owned(), "a,b".to_owned())];
        let marked = ObjectMeta {
            labels: Some(labels.into()),
            annotations: Some(annotations.into()),
            ..metadata.clone()
        };
        assert_eq!(held, marked);
        assert_eq!(released(lease, Timestamp::UNIX_EPOCH).metadata, metadata);
    }

    #[test]
    fn an_older_version_than_before_is_a_restore_and_logged_once() {
        let mut newest = Newest::default();
        let mut shows = |version: Option<&str>| {
            let mut lease = settings("a").first(Timestamp::UNIX_EPOCH);
            lease.metadata.resource_version = version.map(str::to_owned);
            newest.shows_restore(&lease)
        };
        let answers = ["7", "7", "90", "100", "9", "9", "10", "8", "200"];
        let restores: Vec<_> = answers.into_iter().filter(|version| shows(Some(version))).collect();
        assert_eq!(restores, ["9", "8"]);
        assert!(!shows(None) && !shows(Some("")) && !shows(Some("x")), "what is no number says nothing");
        assert!(shows(Some("199")));
    }
}
