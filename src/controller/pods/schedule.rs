//! When the pods of a namespace are listed. No IO.
//!
//! - A few seconds after the first object of a namespace that has a URL is reconciled.
//! - When a URL was issued, but at most every five minutes. After a first or a changed URL once more
//!   after five minutes, for pods that start after it.
//! - Every five minutes while a pod was found that never refreshes, until it is gone.
//! - About a second after a new URL when running pods have to be annotated, at most every five seconds.
//!   That list serves the other purposes too.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// How long the first list waits, so that it serves many objects of the namespace.
const FIRST_LIST: Duration = Duration::from_secs(3);
/// The least time between two lists of a namespace that are not for annotating pods.
const BETWEEN_LISTS: Duration = Duration::from_secs(300);
/// How long an annotation waits, so that kubelet's watch has the Secret, and for more URLs to be issued.
const BEFORE_ANNOTATIONS: Duration = Duration::from_secs(1);
/// The least time between two lists for annotating pods.
const BETWEEN_ANNOTATIONS: Duration = Duration::from_secs(5);
/// After this time an annotation is useless, because kubelet has refreshed the files by itself.
const ANNOTATION_WORTH: Duration = Duration::from_secs(120);

/// When the pods of each namespace are listed.
#[derive(Debug, Default)]
pub struct Schedule {
    namespaces: HashMap<String, NamespacePlan>,
}

#[derive(Debug, Default)]
struct NamespacePlan {
    due: Option<Instant>,
    answered_at: Option<Instant>,
    is_listing: bool,
    /// How many lists failed in a row.
    failures: u32,
    /// Whether to list once more, for pods that start after the URL that they mount.
    is_followed_up: bool,
    /// Secrets whose running pods have to be annotated.
    renewed: HashMap<String, PlannedAnnotation>,
}

/// An annotation of the running pods that mount a Secret with a new URL. Of two, the one for the newer URL
/// is the greater.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct PlannedAnnotation {
    /// When the URL was signed.
    pub signing_time: Timestamp,
    /// Since when the annotation is planned.
    pub since: Instant,
}

impl PlannedAnnotation {
    /// Whether kubelet has refreshed the files by itself.
    #[must_use]
    pub fn is_useless(&self, now: Instant) -> bool {
        now.duration_since(self.since) >= ANNOTATION_WORTH
    }
}

#[derive(Clone, Copy, Debug)]
pub struct NewUrl<'a> {
    /// The Secret that holds the URL.
    pub secret: &'a str,
    pub signing_time: Timestamp,
    /// Whether running pods have to be annotated.
    pub needs_annotation: bool,
    /// Whether the URL was issued only because its renewal was due.
    pub is_routine: bool,
}

/// One list that is due.
#[derive(Debug, Eq, PartialEq)]
pub struct Round {
    /// The namespace whose pods are listed.
    pub namespace: String,
    /// Secrets whose running pods have to be annotated.
    pub renewed: HashMap<String, PlannedAnnotation>,
}

impl Schedule {
    /// Plans the lists that follow from a reconcile of an object that has a URL; `renewal` is a new one.
    /// Returns whether a list is due earlier than before.
    pub fn note(&mut self, namespace: &str, renewal: Option<NewUrl<'_>>, now: Instant) -> bool {
        let is_first = !self.knows(namespace);
        let plan = self.namespaces.entry(namespace.to_owned()).or_default();
        if is_first {
            plan.bring_forward(now + FIRST_LIST);
        }
        let is_earlier = renewal.is_some_and(|renewal| plan.note_url(renewal, now));
        is_first || is_earlier
    }

    /// Whether the schedule has a plan for a namespace.
    #[must_use]
    pub fn knows(&self, namespace: &str) -> bool {
        self.namespaces.contains_key(namespace)
    }

    /// Whether the pods of a namespace were listed since its plan began.
    #[must_use]
    pub fn was_answered(&self, namespace: &str) -> bool {
        self.namespaces.get(namespace).is_some_and(|plan| plan.answered_at.is_some())
    }

    /// When the next list is due.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.namespaces.values().filter(|plan| !plan.is_listing).filter_map(|plan| plan.due).min()
    }

    /// Begins the list that has been due longest. Removes the plans of namespaces that have nothing
    /// planned and were not listed recently.
    pub fn begin(&mut self, now: Instant) -> Option<Round> {
        self.namespaces.retain(|_, plan| !plan.is_forgettable(now));
        let due = |plan: &NamespacePlan| plan.due.filter(|due| *due <= now && !plan.is_listing);
        let waiting = self.namespaces.iter_mut().filter_map(|(name, plan)| Some((due(plan)?, name, plan)));
        let (_, name, plan) = waiting.min_by_key(|(due, ..)| *due)?;
        plan.due = None;
        plan.is_listing = true;
        plan.renewed.retain(|_, planned| !planned.is_useless(now));
        Some(Round { namespace: name.clone(), renewed: plan.renewed.clone() })
    }

    /// Notes a list that succeeded, with its annotations, and whether it found a pod that never
    /// refreshes, so that the namespace has to be listed again.
    pub fn listed(&mut self, round: &Round, is_any_stale: bool, now: Instant) {
        let Some(plan) = self.namespaces.get_mut(&round.namespace) else { return };
        plan.is_listing = false;
        plan.failures = 0;
        plan.answered_at = Some(now);
        plan.end(round);
        if is_any_stale || std::mem::take(&mut plan.is_followed_up) {
            plan.bring_forward(now + BETWEEN_LISTS);
        }
        if !plan.renewed.is_empty() {
            plan.bring_forward(now + BETWEEN_ANNOTATIONS);
        }
    }

    /// Notes a list that failed. It is repeated after a backoff. A forbidden one is not repeated until
    /// the next URL is issued, which may have been during the list.
    pub fn failed(&mut self, round: &Round, is_forbidden: bool, now: Instant) {
        let Some(plan) = self.namespaces.get_mut(&round.namespace) else { return };
        plan.is_listing = false;
        plan.failures += 1;
        if is_forbidden {
            plan.answered_at = Some(now);
            plan.end(round);
        } else {
            let wait = BETWEEN_ANNOTATIONS * 2u32.saturating_pow(plan.failures.min(10) - 1);
            plan.bring_forward(now + wait.min(BETWEEN_LISTS));
        }
    }
}

impl NamespacePlan {
    fn note_url(&mut self, renewal: NewUrl<'_>, now: Instant) -> bool {
        self.is_followed_up |= !renewal.is_routine;
        let after = |wait| self.answered_at.map_or(now, |answered_at| answered_at + wait);
        if renewal.needs_annotation {
            let due = after(BETWEEN_ANNOTATIONS).max(now + BEFORE_ANNOTATIONS);
            let planned = PlannedAnnotation { signing_time: renewal.signing_time, since: now };
            self.renewed.insert(renewal.secret.to_owned(), planned);
            self.bring_forward(due)
        } else {
            let due = after(BETWEEN_LISTS).max(now + FIRST_LIST);
            self.bring_forward(due)
        }
    }

    /// Removes the annotations of a list that ended. Those for URLs that were signed during the list wait for
    /// the next one.
    fn end(&mut self, round: &Round) {
        self.renewed.retain(|secret, planned| round.renewed.get(secret).is_none_or(|old| old < planned));
    }

    fn bring_forward(&mut self, to: Instant) -> bool {
        let is_earlier = self.due.is_none_or(|due| to < due);
        if is_earlier {
            self.due = Some(to);
        }
        is_earlier
    }

    fn is_forgettable(&self, now: Instant) -> bool {
        let is_long_ago = self.answered_at.is_some_and(|at| now.duration_since(at) >= BETWEEN_LISTS);
        self.due.is_none() && !self.is_listing && is_long_ago
    }
}

#[cfg(test)]
mod tests;
