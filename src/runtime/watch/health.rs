//! Whether a watch works: what is counted and logged about its requests.
//!
//! Errors are told by the stream itself. That a watch works again is not: a watch that was
//! resumed says nothing until something changes. So each stream has a client of its own,
//! which tells when a request was accepted.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::Request;
use kube::Client;
use kube::client::Body;
use kube::runtime::watcher::Error;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::time::Instant;
use tower::service_fn;

use crate::runtime::client::Overloaded;

/// How long an API server may be busy before that is worth a warning. One that starts refuses
/// watches for some seconds, again and again.
const BUSY_FOR: Duration = Duration::from_secs(30);

/// Counts the watches that fail. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Watches {
    failing: Family<Labels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    resource: String,
}

impl Watches {
    /// Registers `failing_watches`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let watches = Self::default();
        let help = "Watches whose last request to the API server failed, by what they watch";
        registry.register("failing_watches", help, watches.failing.clone());
        watches
    }

    /// The health of one more watch.
    pub(super) fn health(&self, resource: String, what: &'static str, namespace: Option<String>) -> Health {
        let failing = self.failing.get_or_create(&Labels { resource }).clone();
        Health { failing, what, namespace, state: Mutex::default() }
    }
}

/// The health of one watch. While it fails, it counts as one.
#[derive(Debug)]
pub(super) struct Health {
    failing: Gauge,
    what: &'static str,
    namespace: Option<String>,
    state: Mutex<State>,
}

impl Health {
    /// Takes in that a request was accepted or an event received.
    pub fn succeeded(&self) {
        if self.change(State::succeeded) {
            self.failing.dec();
            tracing::info!(what = self.what, namespace = self.namespace, "watching again");
        }
    }

    /// Takes in an error of the stream.
    pub fn failed(&self, error: &Error) {
        let (what, namespace) = (self.what, self.namespace.as_deref());
        let cause = Cause::of(error);
        // A watch that is too old begins anew; that is routine.
        if matches!(cause, Cause::Refused { code: 410, .. }) {
            tracing::debug!(what, namespace, "the watch begins anew");
            return;
        }
        let Told { is_first, level } = self.change(|state| state.failed(&cause, Instant::now()));
        if is_first {
            self.failing.inc();
        }
        // Without the error's own text, which could quote an object.
        match (level, cause) {
            (Level::Warn, Cause::Refused { code, reason }) => {
                tracing::warn!(what, namespace, code, reason, "cannot watch");
            }
            (Level::Warn, Cause::Unreadable) => {
                tracing::warn!(what, namespace, "cannot watch: what the API server sent cannot be read");
            }
            (Level::Warn, Cause::OutOfReach) => {
                tracing::warn!(what, namespace, "cannot watch: the API server is out of reach");
            }
            (Level::Info, _) => tracing::info!(what, namespace, "cannot watch yet: the API server is busy"),
            (Level::Debug, cause) => tracing::debug!(what, namespace, ?cause, "still cannot watch"),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        if self.change(State::succeeded) {
            self.failing.dec();
        }
    }
}

/// The errors since the last success; `None` if there was none.
#[derive(Debug, Default)]
struct State(Option<Failure>);

#[derive(Debug)]
struct Failure {
    since: Instant,
    /// What was warned of last.
    warned: Option<Cause>,
}

/// What to tell about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    /// Whether the watch worked until now.
    is_first: bool,
    level: Level,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Debug,
    Info,
    Warn,
}

impl State {
    /// Whether a failure ends now.
    fn succeeded(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// The same error again is told once.
    fn failed(&mut self, cause: &Cause, now: Instant) -> Told {
        let is_first = self.0.is_none();
        let Failure { since, warned } = self.0.get_or_insert(Failure { since: now, warned: None });
        let is_usual = matches!(cause, Cause::Refused { code: 429, .. }) && now - *since < BUSY_FOR;
        let level = match cause {
            _ if is_usual => {
                if is_first {
                    Level::Info
                } else {
                    Level::Debug
                }
            }
            cause if warned.as_ref() == Some(cause) => Level::Debug,
            cause => {
                *warned = Some(cause.clone());
                Level::Warn
            }
        };
        Told { is_first, level }
    }
}

/// Why a watch failed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    Refused { code: u16, reason: String },
    Unreadable,
    OutOfReach,
}

impl Cause {
    fn of(error: &Error) -> Self {
        match error {
            Error::WatchError(status) => Self::refused(status.code, &status.reason),
            Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => {
                Self::of_call(error)
            }
            Error::NoResourceVersion => Self::Unreadable,
        }
    }

    fn of_call(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::refused(status.code, &status.reason),
            error if Overloaded::of(error).is_some() => Self::refused(429, "TooManyRequests"),
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => Self::Unreadable,
            _ => Self::OutOfReach,
        }
    }

    fn refused(code: u16, reason: &str) -> Self {
        Self::Refused { code, reason: reason.to_owned() }
    }
}

/// The same client, for one watch only: it tells `health` when a request was accepted.
pub(super) fn observed(client: &Client, health: &Arc<Health>) -> Client {
    let default_namespace = client.default_namespace().to_owned();
    let (client, health) = (client.clone(), health.clone());
    let send = move |request: Request<Body>| {
        let (client, health) = (client.clone(), health.clone());
        async move {
            let answer = client.send(request).await?;
            if answer.status().is_success() {
                health.succeeded();
            }
            Ok::<_, kube::Error>(answer)
        }
    };
    Client::new(service_fn(send), default_namespace)
}
