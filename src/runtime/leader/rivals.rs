//! Rivals: other operators of the same kind that lead by another lease, and write to the same objects.
//!
//! Rivals are only logged. A user has to decide which operator to remove.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, ResourceExt as _};

use crate::runtime::clock::Clock;
use crate::runtime::leader::lease::{LeaseSettings, holder, lease_duration};

/// The time between two searches for rivals.
const SEARCH_INTERVAL: Duration = Duration::from_secs(300);
/// How much longer than its duration a lease counts as held, because clocks differ.
const GRACE: Duration = Duration::from_secs(60);

/// How to recognise the leases of one kind of operator, and which of them share namespaces.
#[derive(Clone, Debug, Default)]
pub struct Party {
    /// The label that all of these leases carry.
    pub label: (&'static str, &'static str),
    /// The annotation that names the namespaces that the holder watches.
    pub annotation: &'static str,
    /// The namespaces that this process watches; all when empty.
    pub namespaces: Vec<String>,
}

impl Party {
    /// Sets the label and the annotation of this party on a lease.
    pub(super) fn mark(&self, lease: &mut Lease) {
        let (name, value) = self.label;
        lease.labels_mut().insert(name.to_owned(), value.to_owned());
        lease.annotations_mut().insert(self.annotation.to_owned(), self.namespaces.join(","));
    }

    /// Whether the holder of a lease watches a namespace that this process watches too.
    fn meets(&self, lease: &Lease) -> bool {
        let theirs = lease.annotations().get(self.annotation).map_or("", String::as_str);
        let theirs: BTreeSet<_> = theirs.split(',').filter(|name| !name.is_empty()).collect();
        let is_theirs = |name: &String| theirs.contains(name.as_str());
        theirs.is_empty() || self.namespaces.is_empty() || self.namespaces.iter().any(is_theirs)
    }
}

/// Searches for rivals every five minutes, and logs a warning once for each, for as long as it exists.
///
/// Ends at once without the permission to list Leases in all namespaces, which the chart does not grant.
/// The API server is asked about that permission first, so that no request is refused.
pub async fn search_for_rivals(client: Client, settings: LeaseSettings, clock: Clock) {
    if !matches!(may_list_leases(&client).await, Ok(true)) {
        return;
    }
    let leases = Api::<Lease>::all(client);
    let mut known = BTreeMap::new();
    loop {
        if let Some(found) = list_rivals(&leases, &settings, &clock).await {
            for ((namespace, lease), holder) in found.iter().filter(|(at, _)| !known.contains_key(*at)) {
                tracing::warn!(
                    namespace,
                    lease,
                    holder,
                    "another operator leads in the same namespaces with its own lease, so both write: \
                     stop one, or give both the same --lease-name and --lease-namespace"
                );
            }
            tracing::debug!(count = found.len(), "looked for other operators");
            known = found;
        }
        tokio::time::sleep(SEARCH_INTERVAL).await;
    }
}

/// Namespace, name and holder of the lease of each rival; `None` when leases cannot be listed.
async fn list_rivals(
    leases: &Api<Lease>,
    settings: &LeaseSettings,
    clock: &Clock,
) -> Option<BTreeMap<(String, String), String>> {
    let (name, value) = settings.party.label;
    let found = match leases.list(&ListParams::default().labels(&format!("{name}={value}"))).await {
        Ok(found) => found,
        Err(error) => {
            tracing::debug!(%error, "cannot look for other operators");
            return None;
        }
    };
    let rivals = found.items.iter().filter_map(|lease| rival(lease, settings, clock.now()));
    Some(rivals.collect())
}

fn rival(lease: &Lease, settings: &LeaseSettings, now: Timestamp) -> Option<((String, String), String)> {
    let (namespace, name) = (lease.namespace()?, lease.name_any());
    let is_ours = (&namespace, &name) == (&settings.namespace, &settings.name);
    let renewed = lease.spec.as_ref()?.renew_time.as_ref()?.0;
    let counts = SignedDuration::try_from(lease_duration(lease)? + GRACE).ok()?;
    let is_held = now.duration_since(renewed) < counts;
    let holder = holder(lease).filter(|_| !is_ours && is_held && settings.party.meets(lease))?;
    Some(((namespace, name), holder.clone()))
}

async fn may_list_leases(client: &Client) -> Result<bool, kube::Error> {
    let text = |text: &str| Some(text.to_owned());
    let attributes = ResourceAttributes {
        group: text("coordination.k8s.io"),
        resource: text("leases"),
        verb: text("list"),
        ..ResourceAttributes::default()
    };
    let spec =
        SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), non_resource_attributes: None };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(namespace: &str, namespaces: &[&str]) -> LeaseSettings {
        LeaseSettings {
            name: "lease".to_owned(),
            namespace: namespace.to_owned(),
            identity: format!("holder in {namespace}"),
            duration: Duration::from_secs(15),
            party: Party {
                label: ("name", "operator"),
                annotation: "namespaces",
                namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect(),
            },
        }
    }

    #[test]
    fn a_rival_holds_another_lease_and_watches_a_namespace_of_ours() {
        let at = |second| Timestamp::from_second(second).unwrap();
        for (home, theirs, now, is_rival) in [
            ("desk", &["a"][..], 10, true),
            ("desk", &[], 10, true),
            ("desk", &["x", "b"], 10, true),
            ("desk", &["x"], 10, false),
            ("home", &["a"], 10, false),
            ("desk", &["a"], 75, true),
            ("desk", &["a"], 76, false),
        ] {
            let lease = settings(home, theirs).first(at(1));
            let ours = settings("home", &["a", "b"]);
            assert_eq!(rival(&lease, &ours, at(now)).is_some(), is_rival, "{home} {theirs:?} {now}");
            let everywhere = settings("home", &[]);
            let is_elsewhere = home != "home" && now < 76;
            assert_eq!(rival(&lease, &everywhere, at(now)).is_some(), is_elsewhere, "{home} {theirs:?}");
        }
        let mut free = settings("desk", &[]).first(at(1));
        assert!(rival(&free, &settings("home", &[]), at(1)).is_some());
        free = crate::runtime::leader::lease::released(free, at(1));
        assert!(rival(&free, &settings("home", &[]), at(1)).is_none());
    }
}
