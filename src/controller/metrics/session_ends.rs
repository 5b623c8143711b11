//! When the sessions expire that are held in memory. They are read at each scrape.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;

use crate::controller::sessions::Sessions;

/// Tells when the sessions expire, at each scrape.
pub struct SessionEnds(pub Arc<Sessions>);

impl fmt::Debug for SessionEnds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionEnds")
    }
}

impl Collector for SessionEnds {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut first = BTreeMap::new();
        for (source, end) in self.0.expirations() {
            let earliest = first.entry(source).or_insert(end);
            *earliest = end.min(*earliest);
        }
        let help = "When the first of the sessions of a source expires, in seconds since 1970";
        let kind = ConstGauge::new(0i64).metric_type();
        let mut family =
            encoder.encode_descriptor("session_expiration_timestamp_seconds", help, None, kind)?;
        for (source, end) in first {
            ConstGauge::new(end.as_second()).encode(family.encode_family(&[("source", source)])?)?;
        }
        Ok(())
    }
}
