//! Keeps a panic inside the work that it stops.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

use super::metrics::Metrics;

/// Runs `work`. A panic is counted, and `on_panic` logs it and returns what comes of it.
///
/// Whatever can panic belongs inside of `work`: code between the end of it and what others wait for, such as
/// the return of a place in a queue, would not be protected.
pub(super) fn caught<T>(
    metrics: &Metrics,
    work: impl Future<Output = T>,
    on_panic: impl FnOnce() -> T,
) -> impl Future<Output = T> {
    // Not an `async fn`, whose future would hold the work twice.
    AssertUnwindSafe(work).catch_unwind().map(move |ended| {
        ended.unwrap_or_else(|_| {
            metrics.panicked();
            on_panic()
        })
    })
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_counted_and_ends_only_its_work() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let counted = || {
            let mut page = String::new();
            encode(&mut page, &registry).unwrap();
            let line = page.lines().find(|line| line.contains("panics_total ")).unwrap();
            line.rsplit_once(' ').unwrap().1.to_owned()
        };
        assert_eq!((caught(&metrics, async { 1 }, || 2).await, counted().as_str()), (1, "0"));
        let panics = async {
            tokio::task::yield_now().await;
            panic!("on purpose")
        };
        assert_eq!((caught(&metrics, panics, || 2).await, counted().as_str()), (2, "1"));
    }
}
