//! The health of the process: named readiness checks and a heartbeat.
//!
//! `pages.rs` shows it over HTTP. The code that registers a check decides what it means.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The health of the process, shared by the code that reports it and the server that shows it.
///
/// # Guarantees
/// - The process is *ready* when at least one check is registered and all registered checks have passed.
/// - The process is *alive* while the last [`beat`](Self::beat) is younger than `stale_after` on the
///   monotonic clock. Neither a corrected wall clock nor a suspended machine makes it look dead. The time
///   starts when the probes are created, so a loop that never starts is noticed too.
#[derive(Clone, Debug)]
pub struct Probes {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    checks: Mutex<Vec<Check>>,
    last_beat: Mutex<Instant>,
    stale_after: Duration,
}

/// One condition for the process to be ready. It does not hold until [`pass`](Self::pass) is called.
#[derive(Clone, Debug)]
pub struct Check {
    name: Arc<str>,
    has_passed: Arc<AtomicBool>,
}

impl Check {
    /// Marks the check as passed.
    pub fn pass(&self) {
        self.has_passed.store(true, Ordering::Relaxed);
    }

    /// Marks the check as failed.
    pub fn fail(&self) {
        self.has_passed.store(false, Ordering::Relaxed);
    }
}

impl Probes {
    /// Probes by which the process is not alive when there was no beat for `stale_after`.
    #[must_use]
    pub fn new(stale_after: Duration) -> Self {
        let shared = Shared { checks: Mutex::default(), last_beat: Mutex::new(Instant::now()), stale_after };
        Self { shared: Arc::new(shared) }
    }

    /// Registers a check that has not passed yet. `/readyz` shows its name, one per line.
    #[must_use = "a check that nobody passes keeps the process from being ready"]
    pub fn check(&self, name: &str) -> Check {
        let check = Check { name: name.into(), has_passed: Arc::default() };
        self.shared.checks.lock().unwrap_or_else(PoisonError::into_inner).push(check.clone());
        check
    }

    /// Notes that the working loop still runs.
    ///
    /// The loop itself must call this, several times within `stale_after`. A task that does nothing else
    /// would only prove that the runtime is alive.
    pub fn beat(&self) {
        *self.shared.last_beat.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// The names of the checks that have not passed, in the order they were registered.
    ///
    /// Before the first check is registered, the only name is `starting`.
    #[must_use]
    pub fn not_ready(&self) -> Vec<String> {
        let checks = self.shared.checks.lock().unwrap_or_else(PoisonError::into_inner);
        if checks.is_empty() {
            return vec!["starting".to_owned()];
        }
        let failing = checks.iter().filter(|check| !check.has_passed.load(Ordering::Relaxed));
        failing.map(|check| check.name.to_string()).collect()
    }

    /// How long there was no beat, if that is too long.
    #[must_use]
    pub fn silence(&self) -> Option<Duration> {
        let last_beat = *self.shared.last_beat.lock().unwrap_or_else(PoisonError::into_inner);
        Some(last_beat.elapsed()).filter(|silence| *silence >= self.shared.stale_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_ready_only_when_every_check_has_passed() {
        let probes = Probes::new(Duration::from_secs(1));
        assert_eq!(probes.not_ready(), ["starting"]);
        let (first, second) = (probes.check("first"), probes.check("second"));
        assert_eq!(probes.not_ready(), ["first", "second"]);
        first.pass();
        assert_eq!(probes.not_ready(), ["second"]);
        second.pass();
        assert!(probes.not_ready().is_empty());
        first.fail();
        assert_eq!(probes.not_ready(), ["first"]);
    }

    #[tokio::test(start_paused = true)]
    async fn is_alive_while_it_beats() {
        let probes = Probes::new(Duration::from_secs(30));
        tokio::time::advance(Duration::from_secs(29)).await;
        assert_eq!(probes.silence(), None);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(probes.silence(), Some(Duration::from_secs(30)));
        probes.beat();
        assert_eq!(probes.silence(), None);
    }
}
