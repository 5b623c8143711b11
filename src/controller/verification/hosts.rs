//! How fast each store is asked, and for how long one that gave no answer is left alone.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::verification::VerifyOutage;

/// The least time between two questions to one store.
pub(super) const SPACING: Duration = Duration::from_millis(50);
/// The longest time that a store is left alone.
const LONGEST_PAUSE: u64 = 120;
/// How many stores are remembered.
const MOST: usize = 4096;

/// What is known of the stores that were asked of late.
#[derive(Debug, Default)]
pub(super) struct Hosts(HashMap<String, Host>);

#[derive(Debug)]
struct Host {
    next_start: Instant,
    /// Answers in a row that were none.
    failures: u32,
    outage: Option<(VerifyOutage, Instant)>,
}

impl Hosts {
    /// Whether a question to a store may be handed out now.
    pub(super) fn may_ask(&self, authority: &str, now: Instant) -> bool {
        self.0.get(authority).is_none_or(|host| host.next_start <= now || host.is_down(now))
    }

    /// Notes that a store is about to be asked; returns why not, if it gave no answer a moment ago.
    pub(super) fn begin(&mut self, authority: &str, now: Instant) -> Option<VerifyOutage> {
        if self.0.len() >= MOST {
            self.0.retain(|_, host| host.next_start > now || host.is_down(now));
        }
        let idle = || Host { next_start: now, failures: 0, outage: None };
        let host = self.0.entry(authority.to_owned()).or_insert_with(idle);
        if host.is_down(now) {
            return host.outage.map(|(outage, _)| outage);
        }
        host.next_start = now + SPACING;
        None
    }

    /// Notes whether a store that was asked answered.
    pub(super) fn answered(&mut self, authority: &str, outage: Option<VerifyOutage>, now: Instant) {
        let Some(host) = self.0.get_mut(authority) else { return };
        host.failures = outage.map_or(0, |_| host.failures + 1);
        let pause = 5u64.saturating_mul(1 << host.failures.min(5)).min(LONGEST_PAUSE);
        host.outage = outage.map(|outage| (outage, now + Duration::from_secs(pause)));
    }
}

impl Host {
    fn is_down(&self, now: Instant) -> bool {
        self.outage.is_some_and(|(_, until)| now < until)
    }
}
