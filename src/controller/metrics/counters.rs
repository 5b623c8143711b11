//! The counters and histograms of the controller. Label values are closed lists, never object names.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use strum::VariantArray;

use crate::controller::signing_service::SigningResult;
use crate::crd::VerifyResult;
use crate::domain::reason::{FailureReason, IssueReason};
use crate::domain::status::NOT_ASKED;

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct SessionLabels {
    source: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ResultLabel {
    result: &'static str,
}

/// Where sessions come from.
const SESSION_SOURCES: [&str; 3] = ["Secret", "WebIdentity", "Ambient"];
/// How most requests for sessions end; the other reasons of a failure are rare.
const SESSION_RESULTS: [Option<FailureReason>; 3] =
    [None, Some(FailureReason::CredentialsDenied), Some(FailureReason::CredentialsUnavailable)];
/// How lists of pods end.
const LIST_RESULTS: [&str; 3] = ["done", "forbidden", "failed"];
/// How annotations of pods end.
const ANNOTATION_RESULTS: [&str; 5] = ["done", "gone", "forbidden", "failed", "useless"];
/// What becomes of events.
const EVENT_RESULTS: [&str; 4] = ["done", "failed", "limited", "dropped"];

/// The controller's own metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    issued: Family<ReasonLabel, Counter>,
    repaired: Counter,
    panics: Counter,
    failures: Family<ReasonLabel, Counter>,
    sessions: Family<SessionLabels, Counter>,
    verifications: Family<ResultLabel, Counter>,
    signing_requests: Family<ResultLabel, Counter>,
    sign_seconds: Histogram,
    reconcile_seconds: Family<ResultLabel, Histogram, fn() -> Histogram>,
    renewal_lag_seconds: Histogram,
    pod_lists: Family<ResultLabel, Counter>,
    pods_annotated: Family<ResultLabel, Counter>,
    events: Family<ResultLabel, Counter>,
}

impl Metrics {
    /// Registers the metrics. Every reason is exported from the start with value 0, so that alerts see
    /// the first increase.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            issued: Family::default(),
            repaired: Counter::default(),
            panics: Counter::default(),
            failures: Family::default(),
            sessions: Family::default(),
            verifications: Family::default(),
            signing_requests: Family::default(),
            sign_seconds: Histogram::new([20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 5e-3, 20e-3]),
            reconcile_seconds: Family::new_with_constructor(reconcile_histogram),
            renewal_lag_seconds: Histogram::new([1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0]),
            pod_lists: Family::default(),
            pods_annotated: Family::default(),
            events: Family::default(),
        };
        registry.register("issued", "URLs written, by the reason why", metrics.issued.clone());
        registry.register("repaired", "Secrets written again with the same URL", metrics.repaired.clone());
        registry.register(
            "failures",
            "Reconciles that failed to issue a URL that was due, by reason",
            metrics.failures.clone(),
        );
        let sessions = metrics.sessions.clone();
        let help = "Requests for sessions, by source and by Issued or the reason of the failure";
        registry.register("sessions", help, sessions);
        let verifications = metrics.verifications.clone();
        let help = "Requests to stores that check a URL, by the reason of the condition Verified";
        registry.register("verifications", help, verifications);
        let signings = metrics.signing_requests.clone();
        registry.register("signing_requests", "Requests for the URLs of CSI volumes, by result", signings);
        let help =
            "Reconciles and requests that panicked, each a bug in the operator; its log has the location";
        registry.register("reconcile_panics", help, metrics.panics.clone());
        registry.register("sign_duration_seconds", "Time to sign one URL", metrics.sign_seconds.clone());
        let seconds = metrics.reconcile_seconds.clone();
        registry.register("reconcile_duration_seconds", "Time of one reconcile of one object", seconds);
        let lag = metrics.renewal_lag_seconds.clone();
        registry.register("renewal_lag_seconds", "How long after its renewal time a URL was written", lag);
        let lists = metrics.pod_lists.clone();
        registry.register("pod_lists", "Lists of the pods of a namespace, by result", lists);
        let annotated = metrics.pods_annotated.clone();
        registry.register(
            "pods_annotated",
            "Pods whose annotation was updated after a new URL, by result",
            annotated,
        );
        registry.register("events", "Kubernetes events about objects, by result", metrics.events.clone());
        for reason in IssueReason::VARIANTS {
            let _ = metrics.issued.get_or_create(&ReasonLabel { reason: reason.into() });
        }
        for result in VerifyResult::VARIANTS.iter().map(Into::into).chain([NOT_ASKED]) {
            let _ = metrics.verifications.get_or_create(&ResultLabel { result });
        }
        for result in SigningResult::VARIANTS {
            let _ = metrics.signing_requests.get_or_create(&ResultLabel { result: result.into() });
        }
        for reason in FailureReason::VARIANTS {
            let _ = metrics.failures.get_or_create(&ReasonLabel { reason: reason.into() });
        }
        for source in SESSION_SOURCES {
            for failure in SESSION_RESULTS {
                let _ = metrics.sessions.get_or_create(&session_labels(source, failure));
            }
        }
        for result in LIST_RESULTS {
            let _ = metrics.pod_lists.get_or_create(&ResultLabel { result });
        }
        for result in ANNOTATION_RESULTS {
            let _ = metrics.pods_annotated.get_or_create(&ResultLabel { result });
        }
        for result in EVENT_RESULTS {
            let _ = metrics.events.get_or_create(&ResultLabel { result });
        }
        metrics
    }

    /// Counts a URL that was written.
    pub fn issued(&self, reason: IssueReason) {
        self.issued.get_or_create(&ReasonLabel { reason: reason.into() }).inc();
    }

    /// Counts a Secret that was repaired.
    pub fn repaired(&self) {
        self.repaired.inc();
    }

    /// Counts a request for a session; `failure` is the reason if none was got.
    pub fn session(&self, source: &'static str, failure: Option<FailureReason>) {
        self.sessions.get_or_create(&session_labels(source, failure)).inc();
    }

    /// Counts a question to a store; `None` when it may not be asked.
    pub fn verified(&self, result: Option<VerifyResult>) {
        let result = result.map_or(NOT_ASKED, Into::into);
        self.verifications.get_or_create(&ResultLabel { result }).inc();
    }

    /// Counts a request for the URLs of a CSI volume.
    pub fn signing_request(&self, result: SigningResult) {
        self.signing_requests.get_or_create(&ResultLabel { result: result.into() }).inc();
    }

    /// Counts a reconcile that panicked.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// Counts a reconcile that failed.
    pub fn failed(&self, reason: FailureReason) {
        self.failures.get_or_create(&ReasonLabel { reason: reason.into() }).inc();
    }

    /// Records how long signing took.
    pub fn signed(&self, seconds: f64) {
        self.sign_seconds.observe(seconds);
    }

    /// Records how long a reconcile took and how it ended.
    pub fn reconciled(&self, result: &'static str, seconds: f64) {
        self.reconcile_seconds.get_or_create(&ResultLabel { result }).observe(seconds);
    }

    /// Counts a list of the pods of a namespace: done, forbidden or failed.
    pub fn listed_pods(&self, result: &'static str) {
        self.pod_lists.get_or_create(&ResultLabel { result }).inc();
    }

    /// Counts an annotation of a pod: done, gone, forbidden, failed, or useless when it was not sent in time.
    pub fn annotated_pod(&self, result: &'static str) {
        self.pods_annotated.get_or_create(&ResultLabel { result }).inc();
    }

    /// Counts an event: done, failed, limited when its object has had too many, or dropped when its namespace
    /// has too many in the queue.
    pub fn event(&self, result: &'static str) {
        self.events.get_or_create(&ResultLabel { result }).inc();
    }

    /// Records how late a renewal was, in seconds.
    pub fn renewal_lag(&self, seconds: f64) {
        self.renewal_lag_seconds.observe(seconds.max(0.0));
    }
}

fn session_labels(source: &'static str, failure: Option<FailureReason>) -> SessionLabels {
    SessionLabels { source, result: failure.map_or("Issued", Into::into) }
}

fn reconcile_histogram() -> Histogram {
    Histogram::new([100e-6, 500e-6, 1e-3, 5e-3, 10e-3, 50e-3, 100e-3, 500e-3, 1.0, 5.0, 30.0])
}
