//! The registry of metrics, and the metrics of every daemon: its version and its process.
//!
//! Each module creates its own metrics and registers them here.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// All metrics of the process: ours with one prefix, and `process_*` with their usual names.
#[derive(Debug)]
pub struct MetricsRegistry {
    prefixed: Registry,
    process: Registry,
}

impl MetricsRegistry {
    /// A registry that holds `<prefix>_build_info{version}` and, on Linux, `process_*`.
    #[must_use]
    pub fn new(prefix: &str, version: &'static str) -> Self {
        let mut prefixed = Registry::with_prefix(prefix);
        prefixed.register("build", "The version of this program", Info::new([("version", version)]));
        let mut process = Registry::default();
        #[cfg(target_os = "linux")]
        process.register_collector(Box::new(crate::runtime::process::ProcessCollector));
        Self { prefixed, process }
    }

    /// The registry in which modules register metrics. It adds the prefix, and `_total` to counters.
    pub fn registry(&mut self) -> &mut Registry {
        &mut self.prefixed
    }

    /// Closes the registry, and returns a function that writes it as `OpenMetrics` text.
    pub fn into_encoder(self) -> impl Fn() -> Result<String, fmt::Error> + Clone + Send + Sync + 'static {
        let metrics = Arc::new(self);
        move || {
            let mut text = String::new();
            encode_registry(&mut text, &metrics.prefixed)?;
            encode_registry(&mut text, &metrics.process)?;
            encode_eof(&mut text)?;
            Ok(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[test]
    fn writes_ours_with_the_prefix_and_ends_the_exposition() {
        let mut metrics = MetricsRegistry::new("presign", "1.2.3");
        let repaired = Counter::<u64>::default();
        metrics.registry().register("repaired", "Secrets put right", repaired.clone());
        let encode = metrics.into_encoder();
        repaired.inc();
        let text = encode().unwrap();
        for line in ["presign_build_info{version=\"1.2.3\"} 1", "presign_repaired_total 1", "# EOF"] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
