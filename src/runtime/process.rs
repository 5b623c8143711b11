//! Metrics of the process from Linux, read at each scrape, with the usual names of Prometheus.
//!
//! Metrics of the operator itself are elsewhere.

use std::fmt;
use std::time::Duration;

use procfs::WithCurrentSystemInfo;
use procfs::process::{LimitValue, Process as Proc};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Collects `process_*`. Leaves out what cannot be read, as in a sandbox without `/proc`.
#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for metric in Proc::myself().iter().flat_map(read) {
            let Metric { name, help, unit, value } = metric;
            value.encode(encoder.encode_descriptor(name, help, unit.as_ref(), value.metric_type())?)?;
        }
        Ok(())
    }
}

struct Metric {
    name: &'static str,
    help: &'static str,
    /// The unit, which the encoder appends to the name.
    unit: Option<Unit>,
    value: Box<dyn EncodeMetric>,
}

fn read(process: &Proc) -> Vec<Metric> {
    let mut metrics = Vec::new();
    let mut add = |name, help, unit, value| metrics.push(Metric { name, help, unit, value });
    if let Ok(stat) = process.stat() {
        let used = Box::new(ConstCounter::new(ticks(stat.utime + stat.stime).as_secs_f64()));
        add("process_cpu", "CPU time used in user and kernel mode", Some(Unit::Seconds), used);
        let resident = whole(stat.rss_bytes().get());
        add("process_resident_memory", "Memory held in RAM", Some(Unit::Bytes), resident);
        if let Ok(boot) = procfs::boot_time_secs() {
            let start = Duration::from_secs(boot) + ticks(stat.starttime);
            let start = Box::new(ConstGauge::new(start.as_secs_f64()));
            add("process_start_time", "When the process started, since 1970", Some(Unit::Seconds), start);
        }
    }
    if let Ok(open) = process.fd_count() {
        add("process_open_fds", "Open file descriptors", None, whole(open as u64));
    }
    if let Some(max) = max_fds(process) {
        add("process_max_fds", "How many file descriptors may be open", None, whole(max));
    }
    metrics
}

fn max_fds(process: &Proc) -> Option<u64> {
    match process.limits().ok()?.max_open_files.soft_limit {
        LimitValue::Value(max) => Some(max),
        LimitValue::Unlimited => None,
    }
}

fn ticks(count: u64) -> Duration {
    Duration::from_millis(count.saturating_mul(1000) / procfs::ticks_per_second().max(1))
}

fn whole(value: u64) -> Box<dyn EncodeMetric> {
    Box::new(ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    fn value(text: &str, name: &str) -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
    }

    #[test]
    fn tells_what_linux_knows_of_this_process() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(ProcessCollector));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        assert!(value(&text, "process_cpu_seconds_total") >= 0.0);
        assert!(value(&text, "process_resident_memory_bytes") > 100_000.0);
        assert!(value(&text, "process_start_time_seconds") > 1_700_000_000.0);
        assert!(value(&text, "process_open_fds") >= 3.0);
        assert!(value(&text, "process_max_fds") >= value(&text, "process_open_fds"));
    }
}
