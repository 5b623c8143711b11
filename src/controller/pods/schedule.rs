//! When the pods of which namespace are looked at. No IO.
//!
//! - Soon after the first object of a namespace that holds a URL is met.
//! - When a URL was issued, but not more often than every five minutes; five minutes after a
//!   first or changed URL once more, for pods that come after it.
//! - Every five minutes while a pod was found that never refreshes, to see it go.
//! - At once when running pods have to be told of a new URL; that list answers for the rest.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// Time for the objects of a namespace to gather behind its first look.
const FIRST_LOOK: Duration = Duration::from_secs(3);
/// The least time between two looks, but for pokes.
const BETWEEN_LOOKS: Duration = Duration::from_secs(300);
/// Time for kubelet's own watch to see the Secret, and for further URLs to gather.
const BEFORE_POKES: Duration = Duration::from_secs(1);
/// The least time between two looks for pokes.
const BETWEEN_POKES: Duration = Duration::from_secs(5);
/// After this long kubelet has refreshed the files by itself, and a poke is late.
const POKE_WORTH: Duration = Duration::from_secs(120);

/// When the pods of which namespace are looked at.
#[derive(Debug, Default)]
pub struct Schedule {
    namespaces: HashMap<String, Plan>,
}

/// What is planned for one namespace.
#[derive(Debug, Default)]
struct Plan {
    due: Option<Instant>,
    looked_at: Option<Instant>,
    is_looking: bool,
    /// How often it could not be looked at, in a row.
    failures: u32,
    /// Whether pods may come after the URL that they mount.
    is_followed_up: bool,
    /// Secrets whose running pods have to be told, when each URL was signed, and since when.
    pokes: HashMap<String, (Timestamp, Instant)>,
}

/// A new URL.
#[derive(Clone, Copy, Debug)]
pub struct Renewal<'a> {
    /// The Secret that holds it.
    pub secret: &'a str,
    /// When it was signed.
    pub signing_time: Timestamp,
    /// Whether running pods have to be told.
    pub is_told: bool,
    /// Whether nothing but time was the reason.
    pub is_routine: bool,
}

/// One look that is due.
#[derive(Debug, Eq, PartialEq)]
pub struct Round {
    /// Where.
    pub namespace: String,
    /// Secrets whose running pods have to be told, and when each URL was signed.
    pub pokes: HashMap<String, Timestamp>,
}

impl Schedule {
    /// Plans for a reconcile of an object that holds a URL, a new one perhaps. Returns whether
    /// something is due earlier than before.
    pub fn note(&mut self, namespace: &str, renewal: Option<Renewal<'_>>, now: Instant) -> bool {
        let is_first = !self.knows(namespace);
        let plan = self.namespaces.entry(namespace.to_owned()).or_default();
        if is_first {
            plan.bring_forward(now + FIRST_LOOK);
        }
        let is_earlier = renewal.is_some_and(|renewal| plan.renewed(renewal, now));
        is_first || is_earlier
    }

    /// Whether something is planned or remembered for a namespace.
    #[must_use]
    pub fn knows(&self, namespace: &str) -> bool {
        self.namespaces.contains_key(namespace)
    }

    /// Whether a namespace was looked at since its plan began.
    #[must_use]
    pub fn was_looked_at(&self, namespace: &str) -> bool {
        self.namespaces.get(namespace).is_some_and(|plan| plan.looked_at.is_some())
    }

    /// When the next look is due.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.namespaces.values().filter(|plan| !plan.is_looking).filter_map(|plan| plan.due).min()
    }

    /// The look that is due for longest. Forgets namespaces about which there is nothing to
    /// remember.
    pub fn begin(&mut self, now: Instant) -> Option<Round> {
        self.namespaces.retain(|_, plan| !plan.is_forgettable(now));
        let due = |plan: &Plan| plan.due.filter(|due| *due <= now && !plan.is_looking);
        let waiting = self.namespaces.iter_mut().filter_map(|(name, plan)| Some((due(plan)?, name, plan)));
        let (_, name, plan) = waiting.min_by_key(|(due, ..)| *due)?;
        plan.due = None;
        plan.is_looking = true;
        plan.pokes.retain(|_, (_, since)| now.duration_since(*since) < POKE_WORTH);
        let pokes = plan.pokes.iter().map(|(secret, (signed, _))| (secret.clone(), *signed)).collect();
        Some(Round { namespace: name.clone(), pokes })
    }

    /// Notes a look that was taken, with these pokes, and whether it found what has to be
    /// looked at again.
    pub fn looked(&mut self, round: &Round, is_any_frozen: bool, now: Instant) {
        let Some(plan) = self.namespaces.get_mut(&round.namespace) else { return };
        plan.is_looking = false;
        plan.failures = 0;
        plan.looked_at = Some(now);
        // What was signed meanwhile waits for the next one.
        plan.pokes.retain(|secret, (signed, _)| round.pokes.get(secret).is_none_or(|told| told < signed));
        if is_any_frozen || std::mem::take(&mut plan.is_followed_up) {
            plan.bring_forward(now + BETWEEN_LOOKS);
        }
        if !plan.pokes.is_empty() {
            plan.bring_forward(now + BETWEEN_POKES);
        }
    }

    /// Notes a look that failed and is repeated after a while, unless it is `forbidden`: then
    /// the next URL is reason enough.
    pub fn failed(&mut self, namespace: &str, is_forbidden: bool, now: Instant) {
        let Some(plan) = self.namespaces.get_mut(namespace) else { return };
        plan.is_looking = false;
        plan.failures += 1;
        if is_forbidden {
            plan.looked_at = Some(now);
            plan.pokes.clear();
            plan.due = None;
        } else {
            let wait = BETWEEN_POKES * 2u32.saturating_pow(plan.failures.min(10) - 1);
            plan.bring_forward(now + wait.min(BETWEEN_LOOKS));
        }
    }
}

impl Plan {
    fn renewed(&mut self, renewal: Renewal<'_>, now: Instant) -> bool {
        self.is_followed_up |= !renewal.is_routine;
        let after = |wait| self.looked_at.map_or(now, |looked_at| looked_at + wait);
        if renewal.is_told {
            let due = after(BETWEEN_POKES).max(now + BEFORE_POKES);
            self.pokes.insert(renewal.secret.to_owned(), (renewal.signing_time, now));
            self.bring_forward(due)
        } else {
            let due = after(BETWEEN_LOOKS).max(now + FIRST_LOOK);
            self.bring_forward(due)
        }
    }

    fn bring_forward(&mut self, to: Instant) -> bool {
        let is_earlier = self.due.is_none_or(|due| to < due);
        if is_earlier {
            self.due = Some(to);
        }
        is_earlier
    }

    fn is_forgettable(&self, now: Instant) -> bool {
        let is_long_ago = self.looked_at.is_some_and(|at| now.duration_since(at) >= BETWEEN_LOOKS);
        self.due.is_none() && !self.is_looking && is_long_ago
    }
}

#[cfg(test)]
mod tests;
