//! The health of a watch: what is counted and logged about its requests.
//!
//! The stream itself reports errors. It does not report that a watch works again, because a resumed
//! watch yields nothing until something changes. Each stream therefore has a client of its own, which
//! reports when a request was accepted.

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

/// How long an API server may be overloaded before a warning is logged. An API server that starts refuses
/// watches for some seconds.
const BUSY_FOR: Duration = Duration::from_secs(30);

/// The number of watches that fail. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Watches {
    failing: Family<WatchLabels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WatchLabels {
    resource: String,
}

impl Watches {
    /// Registers the metric `failing_watches`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let watches = Self::default();
        let help = "Watches whose last request to the API server failed, by what they watch";
        registry.register("failing_watches", help, watches.failing.clone());
        watches
    }

    pub(super) fn health(&self, resource: String, what: &'static str, namespace: Option<String>) -> Health {
        let failing = self.failing.get_or_create(&WatchLabels { resource }).clone();
        Health { failing, what, namespace, state: Mutex::default() }
    }
}

/// The health of one watch. While the watch fails, it is counted once.
#[derive(Debug)]
pub(super) struct Health {
    failing: Gauge,
    what: &'static str,
    namespace: Option<String>,
    state: Mutex<Errors>,
}

impl Health {
    /// Notes that a request was accepted or an event was received.
    pub fn succeeded(&self) {
        if self.change(Errors::succeeded) {
            self.failing.dec();
            tracing::info!(what = self.what, namespace = self.namespace, "watching again");
        }
    }

    /// Notes an error of the stream.
    pub fn failed(&self, error: &Error) {
        let (what, namespace) = (self.what, self.namespace.as_deref());
        let cause = WatchError::of(error);
        // A watch whose version is too old starts again with a list, which is routine.
        if matches!(cause, WatchError::Refused { code: 410, .. }) {
            tracing::debug!(what, namespace, "the watch starts again");
            return;
        }
        let ErrorLog { is_first, level } = self.change(|state| state.failed(&cause, Instant::now()));
        if is_first {
            self.failing.inc();
        }
        // The text of the error is left out, because it could quote an object.
        match (level, cause) {
            (Level::Warn, WatchError::Refused { code, reason }) => {
                tracing::warn!(what, namespace, code, reason, "cannot watch");
            }
            (Level::Warn, WatchError::Unreadable) => {
                tracing::warn!(what, namespace, "cannot watch: what the API server sent cannot be read");
            }
            (Level::Warn, WatchError::OutOfReach) => {
                tracing::warn!(what, namespace, "cannot watch: the API server is out of reach");
            }
            (Level::Info, _) => tracing::info!(what, namespace, "cannot watch yet: the API server is busy"),
            (Level::Debug, cause) => tracing::debug!(what, namespace, ?cause, "still cannot watch"),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Errors) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        if self.change(Errors::succeeded) {
            self.failing.dec();
        }
    }
}

/// The errors since the last success; `None` if there was none.
#[derive(Debug, Default)]
struct Errors(Option<Outage>);

#[derive(Debug)]
struct Outage {
    since: Instant,
    /// The error of the last warning.
    warned: Option<WatchError>,
}

/// How to log an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ErrorLog {
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

impl Errors {
    /// Ends a failure, and returns whether there was one.
    fn succeeded(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// Notes an error. The same error again is logged at the level debug.
    fn failed(&mut self, cause: &WatchError, now: Instant) -> ErrorLog {
        let is_first = self.0.is_none();
        let Outage { since, warned } = self.0.get_or_insert(Outage { since: now, warned: None });
        let is_usual = matches!(cause, WatchError::Refused { code: 429, .. }) && now - *since < BUSY_FOR;
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
        ErrorLog { is_first, level }
    }
}

/// Why a watch failed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum WatchError {
    Refused { code: u16, reason: String },
    Unreadable,
    OutOfReach,
}

impl WatchError {
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

/// A client for one watch, which reports to `health` when a request was accepted.
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
