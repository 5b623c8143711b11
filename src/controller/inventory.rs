//! Metrics about the objects themselves, counted from the watch's memory at each scrape,
//! so that nothing has to be kept in step.

use jiff::Timestamp;
use kube::runtime::reflector::Store;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;

use super::object::LeanPresignedUrl;
use crate::crd::READY;
use crate::ops::Clock;

/// Counts the objects when asked.
#[derive(Debug)]
pub struct Inventory {
    objects: Store<LeanPresignedUrl>,
    clock: Clock,
}

impl Inventory {
    /// Counts what `objects` holds.
    #[must_use]
    pub fn new(objects: Store<LeanPresignedUrl>, clock: Clock) -> Self {
        Self { objects, clock }
    }

    fn count(&self) -> Counts {
        let now = self.clock.now();
        let mut counts = Counts::default();
        for object in self.objects.state() {
            let ready = object.status.conditions.iter().find(|condition| condition.type_ == READY);
            match ready.map(|condition| condition.status.as_str()) {
                Some("True") => counts.ready[0] += 1,
                Some("False") => counts.ready[1] += 1,
                _ => counts.ready[2] += 1,
            }
            if let Some(expiration) = object.status.expiration_time.as_ref().map(|time| time.0) {
                if expiration <= now {
                    counts.expired += 1;
                } else {
                    counts.next =
                        Some(counts.next.map_or(expiration, |next: Timestamp| next.min(expiration)));
                }
            }
        }
        counts
    }
}

#[derive(Default)]
struct Counts {
    /// Ready True, False and Unknown.
    ready: [i64; 3],
    expired: i64,
    next: Option<Timestamp>,
}

impl Collector for Inventory {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let counts = self.count();
        let gauge = ConstGauge::new(0i64);
        let mut objects = encoder.encode_descriptor(
            "objects",
            "PresignedUrls by their Ready condition",
            None,
            gauge.metric_type(),
        )?;
        for (status, count) in ["True", "False", "Unknown"].into_iter().zip(counts.ready) {
            let labels = [("ready", status)];
            ConstGauge::new(count).encode(objects.encode_family(&labels)?)?;
        }
        let help = "PresignedUrls whose stored URL has expired";
        let expired = encoder.encode_descriptor("expired_objects", help, None, gauge.metric_type())?;
        ConstGauge::new(counts.expired).encode(expired)?;
        if let Some(next) = counts.next {
            let help = "When the first of the live URLs expires, in seconds since the epoch";
            let name = "next_expiration_timestamp_seconds";
            let soonest = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            ConstGauge::new(next.as_second()).encode(soonest)?;
        }
        Ok(())
    }
}
