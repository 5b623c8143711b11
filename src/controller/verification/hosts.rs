//! How fast each store is asked, and for how long one that nobody reaches is left alone.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::verification::{Finding, VerifyOutage};
use crate::verify::StoreRoute;

/// The least time between two questions to one store.
pub(super) const SPACING: Duration = Duration::from_millis(50);
/// The longest time that a store is left alone.
const MAX_PAUSE: u64 = 120;
/// How many stores and routes are remembered.
const MAX_HOSTS: usize = 4096;
/// How many namespaces are remembered for a route.
const MAX_NAMESPACES: usize = 16;
/// Stands for all namespaces. None has this name.
const EVERYONE: &str = "";

/// What is known of the stores that were asked of late.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// When the next question may start, by host and port: however it is reached, it is one server.
    next_starts: HashMap<String, Instant>,
    /// The routes without an answer, and for which namespaces, or for [`EVERYONE`].
    down: HashMap<StoreRoute, HashMap<String, RouteOutage>>,
}

#[derive(Debug)]
struct RouteOutage {
    /// Questions in a row without an answer. Those that ran at the same time count once.
    failures: u32,
    /// When the last of them was counted.
    counted: Instant,
    /// Whether it says nothing of the store: another namespace had an answer since, or it counted for everyone
    /// already.
    is_own: bool,
    outage: VerifyOutage,
    until: Instant,
}

impl Hosts {
    /// Whether a question of a namespace to a store may be handed out now.
    pub(super) fn may_ask(&self, route: &StoreRoute, namespace: &str, now: Instant) -> bool {
        self.next_starts.get(route.authority()).is_none_or(|start| *start <= now)
            || self.outage(route, namespace, now).is_some()
    }

    /// Notes that a store is about to be asked; returns why not, if there was no answer a moment ago.
    pub(super) fn begin(
        &mut self,
        route: &StoreRoute,
        namespace: &str,
        now: Instant,
    ) -> Option<VerifyOutage> {
        let outage = self.outage(route, namespace, now);
        if outage.is_none() {
            if self.next_starts.len() >= MAX_HOSTS {
                self.next_starts.retain(|_, start| *start > now);
            }
            self.next_starts.insert(route.authority().clone(), now + SPACING);
        }
        outage
    }

    /// Takes in what became of a question that a namespace asked, and when it began.
    ///
    /// Without a connection, the store is left alone for everyone. A connection without a whole answer can be
    /// due to what one namespace asks for. So it counts for that namespace, and for everyone only when two
    /// namespaces meet it and none has an answer in between. What a store says, and whether it is trusted, can
    /// concern one user alone.
    pub(super) fn answered(
        &mut self,
        route: &StoreRoute,
        (namespace, begun): (&str, Instant),
        finding: &Finding,
        now: Instant,
    ) {
        use VerifyOutage::{Busy, Cut, Fault, Garbage, Timeout, Tls, Unconnected, Unresolved};
        match finding {
            // Nothing was sent, which says nothing of the store.
            Finding::NotAsked(_) => {}
            Finding::Unreachable(outage @ (Unresolved | Unconnected)) => {
                self.failed(route, EVERYONE, (*outage, begun), now);
            }
            Finding::Unreachable(outage @ (Timeout | Cut)) => {
                self.failed(route, namespace, (*outage, begun), now);
                if self.is_met_by_others(route, namespace) {
                    self.failed(route, EVERYONE, (*outage, begun), now);
                }
            }
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
            | Finding::Rejected { .. } => self.reached(route, namespace),
        }
    }

    /// Ends the outage for everyone and for a namespace. That of another one stays its own.
    fn reached(&mut self, route: &StoreRoute, namespace: &str) {
        let Some(down) = self.down.get_mut(route) else { return };
        down.retain(|other, _| other != namespace && other != EVERYONE);
        for outage in down.values_mut() {
            outage.is_own = true;
        }
        if down.is_empty() {
            self.down.remove(route);
        }
    }

    /// Whether another namespace met an outage that nothing speaks against. It counts only once, so that one
    /// namespace does not keep an outage going that is over for the others.
    fn is_met_by_others(&mut self, route: &StoreRoute, namespace: &str) -> bool {
        let down = self.down.get_mut(route).into_iter().flatten();
        let others = down.filter(|(other, _)| *other != namespace && *other != EVERYONE);
        let mut is_met = false;
        for (_, outage) in others {
            is_met |= !std::mem::replace(&mut outage.is_own, true);
        }
        is_met
    }

    fn failed(
        &mut self,
        route: &StoreRoute,
        whose: &str,
        (outage, begun): (VerifyOutage, Instant),
        now: Instant,
    ) {
        if self.down.len() >= MAX_HOSTS {
            self.down.retain(|_, down| down.values().any(|outage| outage.until > now));
        }
        if self.down.len() >= MAX_HOSTS && !self.down.contains_key(route) {
            return;
        }
        let down = self.down.entry(route.clone()).or_default();
        let before = down.get(whose).map(|before| (before.failures, before.counted));
        if before.is_some_and(|(_, counted)| begun < counted) {
            return;
        }
        if down.len() >= MAX_NAMESPACES {
            down.retain(|_, outage| outage.until > now);
        }
        if down.len() >= MAX_NAMESPACES && whose != EVERYONE {
            return;
        }
        let failures = before.map_or(0, |(failures, _)| failures) + 1;
        let pause = 5u64.saturating_mul(1 << failures.min(5)).min(MAX_PAUSE);
        let until = now + Duration::from_secs(pause);
        let outage = RouteOutage { failures, counted: now, is_own: false, outage, until };
        down.insert(whose.to_owned(), outage);
    }

    fn outage(&self, route: &StoreRoute, namespace: &str, now: Instant) -> Option<VerifyOutage> {
        let down = self.down.get(route)?;
        let found = [EVERYONE, namespace].into_iter().filter_map(|whose| down.get(whose));
        found.filter(|down| now < down.until).map(|down| down.outage).next()
    }
}
