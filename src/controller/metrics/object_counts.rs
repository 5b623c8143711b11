//! Metrics about the objects themselves. They are counted from the cache at each scrape, so that no
//! counters have to be kept in step with it.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;

use crate::controller::metrics::totals::ObjectTotals;
use crate::controller::state::objects::Objects;
use crate::runtime::Clock;

/// Counts the objects at each scrape.
#[derive(Debug)]
pub struct Inventory {
    objects: Arc<Objects>,
    clock: Clock,
}

impl Inventory {
    /// Counts the objects in the cache `objects`.
    #[must_use]
    pub fn new(objects: Arc<Objects>, clock: Clock) -> Self {
        Self { objects, clock }
    }

    fn count(&self) -> ObjectTotals {
        let now = self.clock.now();
        let mut totals = ObjectTotals::default();
        self.objects.survey(|status| totals.add(&status.outline(), now));
        totals
    }
}

impl Collector for Inventory {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let totals = self.count();
        let help = "PresignedUrls by their Ready condition";
        family(&mut encoder, "objects", help, "ready", totals.by_status())?;
        let help = "PresignedUrls by the reason of their Ready condition";
        family(&mut encoder, "objects_by_reason", help, "reason", totals.by_reason())?;
        let help = "PresignedUrls whose URL the store refuses, by the reason of their Verified condition";
        family(&mut encoder, "refused_objects", help, "reason", totals.by_refusal())?;
        let help = "PresignedUrls past their renewal time that do not wait for credentials";
        gauge(&mut encoder, "overdue_objects", help, totals.overdue)?;
        let help = "PresignedUrls with less than half of the time between renewal and expiry left";
        gauge(&mut encoder, "expiring_objects", help, totals.expiring)?;
        let help = "PresignedUrls whose stored URL has expired, except suspended ones";
        gauge(&mut encoder, "expired_objects", help, totals.expired)?;
        if let Some(next) = totals.next {
            let help = "When the next of the valid URLs expires, in seconds since 1970";
            gauge(&mut encoder, "next_expiration_timestamp_seconds", help, next.as_second())?;
        }
        Ok(())
    }
}

pub(super) fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: i64,
) -> std::fmt::Result {
    let value = ConstGauge::new(value);
    value.encode(encoder.encode_descriptor(name, help, None, value.metric_type())?)
}

fn family(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    values: impl Iterator<Item = (&'static str, i64)>,
) -> std::fmt::Result {
    let kind = ConstGauge::new(0i64).metric_type();
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    for (value, count) in values {
        ConstGauge::new(count).encode(family.encode_family(&[(label, value)])?)?;
    }
    Ok(())
}
