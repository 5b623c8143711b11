//! Backoff per object: after a failure, and after a write that somebody keeps undoing.
//!
//! A change of the object or of its credentials starts afresh.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::controller::state::issued_secrets::SecretKey;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::domain::backoff::backoff;
use crate::domain::status::Problem;

/// What an attempt came to that the next one waits after.
#[derive(Clone, Debug)]
pub enum Cause {
    /// It failed.
    Failed(Problem),
    /// Somebody had undone an earlier one.
    Undone,
    /// Things had changed under it.
    Outdated,
}

/// Why nothing is tried for now, and for how long.
#[derive(Clone, Debug)]
pub struct Hold {
    /// What it waits after.
    pub cause: Cause,
    /// How long it still waits.
    pub wait: Duration,
}

impl Hold {
    /// The failure that nothing is tried again after, while this holds.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match &self.cause {
            Cause::Failed(problem) => Some(problem),
            Cause::Undone | Cause::Outdated => None,
        }
    }
}

/// What was tried for which object.
#[derive(Debug, Default)]
pub struct Attempts {
    tried: Mutex<HashMap<SecretKey, Attempt>>,
}

#[derive(Debug)]
struct Attempt {
    inputs: Inputs,
    count: u32,
    cause: Cause,
    since: Instant,
    until: Instant,
}

/// What has to change for a new attempt to start afresh.
#[derive(Debug, Eq, PartialEq)]
struct Inputs {
    uid: Option<String>,
    generation: Option<i64>,
    renew: Option<String>,
}

impl Attempts {
    /// Whether an attempt for `object` has to wait.
    #[must_use]
    pub fn hold(&self, object: &LeanPresignedUrl) -> Option<Hold> {
        let mut tried = self.lock();
        let key = key(object);
        let attempt = tried.get(&key)?;
        if attempt.inputs != inputs(object) {
            tried.remove(&key);
            return None;
        }
        let wait = attempt.until.checked_duration_since(Instant::now())?;
        (!wait.is_zero()).then(|| Hold { cause: attempt.cause.clone(), wait })
    }

    /// Notes an attempt after which the next one has to wait, and says how long. `left`
    /// is what the stored URL has left, `at_least` what the API server asked for, both
    /// in seconds.
    pub fn note(
        &self,
        object: &LeanPresignedUrl,
        cause: Cause,
        left: Option<u32>,
        at_least: Option<u32>,
    ) -> Duration {
        let mut tried = self.lock();
        let (key, inputs, now) = (key(object), inputs(object), Instant::now());
        let before = tried.remove(&key).filter(|attempt| attempt.inputs == inputs);
        let count = before.map_or(0, |attempt| attempt.count) + 1;
        let asked = Duration::from_secs(at_least.unwrap_or(0).into());
        let wait = backoff(count, left).max(asked);
        tried.insert(key, Attempt { inputs, count, cause, since: now, until: now + wait });
        wait
    }

    /// Forgets what was tried once all has been well for as long as it last waited.
    pub fn settle(&self, object: &LeanPresignedUrl) {
        let (mut tried, key, now) = (self.lock(), key(object), Instant::now());
        let is_over = |attempt: &Attempt| {
            matches!(attempt.cause, Cause::Failed(_))
                || now >= attempt.until + attempt.until.duration_since(attempt.since)
        };
        if tried.get(&key).is_some_and(is_over) {
            tried.remove(&key);
        }
    }

    /// Forgets what was tried for an object because something that it depends on changed.
    pub fn reset(&self, namespace: &str, name: &str) {
        self.lock().remove(&SecretKey::new(namespace, name));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SecretKey, Attempt>> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(object: &LeanPresignedUrl) -> SecretKey {
    let owner = object.owner();
    SecretKey { namespace: owner.namespace, name: owner.name }
}

fn inputs(object: &LeanPresignedUrl) -> Inputs {
    Inputs {
        uid: object.metadata.uid.clone(),
        generation: object.metadata.generation,
        renew: object.renew().map(str::to_owned),
    }
}
