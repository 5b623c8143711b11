//! The metrics of the driver. Label values are closed lists, never names of pods or volumes.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use strum::VariantArray as _;

use crate::domain::reason::IssueReason;
use crate::domain::volume::{VolumeReason, VolumeState};
use crate::runtime::lock::Lock;

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct CsiReason {
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct CsiCall {
    call: &'static str,
    result: &'static str,
}

/// The calls of the kubelet that are counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum CountedCall {
    Publish,
    Unpublish,
}

#[derive(Clone, Debug)]
pub(super) struct DriverMetrics {
    calls: Family<CsiCall, Counter>,
    issued: Family<CsiReason, Counter>,
    failures: Family<CsiReason, Counter>,
    kept: Counter,
    lag_seconds: Histogram,
    states: VolumeStates,
}

/// How many volumes are in each state.
type VolumeStates = Arc<Lock<HashMap<VolumeState, i64>>>;

impl DriverMetrics {
    /// Registers the metrics. Each is there from the start with 0.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            calls: Family::default(),
            issued: Family::default(),
            failures: Family::default(),
            kept: Counter::default(),
            lag_seconds: Histogram::new([1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0]),
            states: VolumeStates::default(),
        };
        registry.register("csi_calls", "Calls of the kubelet, by call and result", metrics.calls.clone());
        registry.register("csi_issued", "Volumes that got new URLs, by reason", metrics.issued.clone());
        let help = "Attempts to get new URLs for a volume that failed, by reason";
        registry.register("csi_failures", help, metrics.failures.clone());
        let help =
            "Calls for a published volume with credentials that cannot be used; the volume keeps its URLs";
        registry.register("csi_kept", help, metrics.kept.clone());
        let help = "How long after its renewal time a volume got new URLs";
        registry.register("csi_renewal_lag_seconds", help, metrics.lag_seconds.clone());
        registry.register_collector(Box::new(CountedStates(metrics.states.clone())));
        for call in [CountedCall::Publish, CountedCall::Unpublish] {
            for result in ["OK", "Failed"] {
                let _ = metrics.calls.get_or_create(&label(call, result));
            }
        }
        for reason in IssueReason::VARIANTS {
            let _ = metrics.issued.get_or_create(&CsiReason { reason: reason.into() });
        }
        for reason in VolumeReason::VARIANTS {
            let _ = metrics.failures.get_or_create(&CsiReason { reason: reason.into() });
        }
        metrics
    }

    /// Counts a call of the kubelet.
    pub(super) fn called(&self, call: CountedCall, is_ok: bool) {
        self.calls.get_or_create(&label(call, if is_ok { "OK" } else { "Failed" })).inc();
    }

    /// Counts new URLs, with the seconds that a planned renewal was late.
    pub(super) fn issued(&self, reason: IssueReason, lag: Option<i64>) {
        self.issued.get_or_create(&CsiReason { reason: reason.into() }).inc();
        if let Some(lag) = lag {
            let lag = u32::try_from(lag.max(0)).unwrap_or(u32::MAX);
            self.lag_seconds.observe(lag.into());
        }
    }

    /// Counts an attempt that failed.
    pub(super) fn failed(&self, reason: VolumeReason) {
        self.failures.get_or_create(&CsiReason { reason: reason.into() }).inc();
    }

    /// Counts something from the kubelet that cannot be used.
    pub(super) fn kept(&self) {
        self.kept.inc();
    }

    /// Notes how many volumes are in each state.
    pub(super) fn count(&self, states: impl Iterator<Item = VolumeState>) {
        let mut counts = HashMap::new();
        states.for_each(|state| *counts.entry(state).or_default() += 1);
        *self.states.write() = counts;
    }
}

fn label(call: CountedCall, result: &'static str) -> CsiCall {
    let call = match call {
        CountedCall::Publish => "NodePublishVolume",
        CountedCall::Unpublish => "NodeUnpublishVolume",
    };
    CsiCall { call, result }
}

/// Tells how many volumes are in each state, at each scrape.
#[derive(Debug)]
struct CountedStates(VolumeStates);

impl Collector for CountedStates {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counts = self.0.read();
        let kind = ConstGauge::new(0i64).metric_type();
        let help = "Volumes of this node, by state";
        let mut family = encoder.encode_descriptor("csi_volumes", help, None, kind)?;
        for state in VolumeState::VARIANTS {
            let word: &'static str = state.into();
            let count = counts.get(state).copied().unwrap_or_default();
            ConstGauge::new(count).encode(family.encode_family(&[("state", word)])?)?;
        }
        Ok(())
    }
}
