//! How fast each store is asked, and for how long one that nobody reaches is left alone.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::verification::{Finding, VerifyOutage};
use crate::verify::StoreRoute;

/// The least time between two questions to one store.
pub(super) const SPACING: Duration = Duration::from_millis(50);
/// The longest time that a store is left alone.
const LONGEST_PAUSE: u64 = 120;
/// How many stores and routes are remembered.
const MOST: usize = 4096;

/// What is known of the stores that were asked of late.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// When the next question may start, by host and port: however it is reached, it is one server.
    next_starts: HashMap<String, Instant>,
    /// The routes on which nothing was reached.
    down: HashMap<StoreRoute, RouteOutage>,
}

#[derive(Debug)]
struct RouteOutage {
    /// Questions in a row that reached nothing.
    failures: u32,
    outage: VerifyOutage,
    until: Instant,
}

impl Hosts {
    /// Whether a question to a store may be handed out now.
    pub(super) fn may_ask(&self, route: &StoreRoute, now: Instant) -> bool {
        self.next_starts.get(route.authority()).is_none_or(|start| *start <= now)
            || self.outage(route, now).is_some()
    }

    /// Notes that a store is about to be asked; returns why not, if nothing was reached a moment ago.
    pub(super) fn begin(&mut self, route: &StoreRoute, now: Instant) -> Option<VerifyOutage> {
        let outage = self.outage(route, now);
        if outage.is_none() {
            if self.next_starts.len() >= MOST {
                self.next_starts.retain(|_, start| *start > now);
            }
            self.next_starts.insert(route.authority().clone(), now + SPACING);
        }
        outage
    }

    /// Takes in what became of a question that was asked. Only that nothing was reached counts against the
    /// store for everyone. What a store says, and whether it is trusted, can concern one user alone.
    pub(super) fn answered(&mut self, route: &StoreRoute, finding: &Finding, now: Instant) {
        use VerifyOutage::{Busy, Fault, Garbage, Timeout, Tls, Unconnected, Unresolved};
        let outage = match finding {
            // Nothing was sent, which says nothing of the store.
            Finding::NotAsked(_) => return,
            Finding::Unreachable(outage @ (Unresolved | Unconnected | Timeout)) => *outage,
            Finding::Unreachable(Tls | Garbage | Busy | Fault(_))
            | Finding::Accepted
            | Finding::CredentialsAccepted
            | Finding::AccessDenied
            | Finding::UnknownKey
            | Finding::SignatureDoesNotMatch
            | Finding::WrongRegion { .. }
            | Finding::NoSuchBucket
            | Finding::NoSuchKey
            | Finding::ClockSkewed { .. }
            | Finding::TokenRefused
            | Finding::Redirected { .. }
            | Finding::Rejected { .. } => {
                self.down.remove(route);
                return;
            }
        };
        let failures = self.down.get(route).map_or(0, |down| down.failures) + 1;
        let pause = 5u64.saturating_mul(1 << failures.min(5)).min(LONGEST_PAUSE);
        if self.down.len() >= MOST {
            self.down.retain(|_, down| down.until > now);
        }
        if self.down.len() < MOST {
            let until = now + Duration::from_secs(pause);
            self.down.insert(route.clone(), RouteOutage { failures, outage, until });
        }
    }

    fn outage(&self, route: &StoreRoute, now: Instant) -> Option<VerifyOutage> {
        self.down.get(route).filter(|down| now < down.until).map(|down| down.outage)
    }
}
