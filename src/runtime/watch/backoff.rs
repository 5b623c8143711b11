//! How long a watch waits before it is opened again after an error.

use std::time::Duration;

use kube::runtime::utils::Backoff;
use kube::runtime::watcher::DefaultBackoff;

/// The longest wait. With that of kube, up to a minute, new objects would go unnoticed for that long
/// after the API server is back.
const MAX_BACKOFF: Duration = Duration::from_secs(15);

/// The backoff of kube's watcher, which doubles with jitter, with a shorter longest wait.
#[derive(Default)]
pub(super) struct BoundedBackoff(DefaultBackoff);

impl Iterator for BoundedBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next().map(|wait| wait.min(MAX_BACKOFF))
    }
}

impl Backoff for BoundedBackoff {
    fn reset(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn grows_to_a_bound_and_begins_anew() {
        let mut backoff = BoundedBackoff::default();
        let waits: Vec<_> = backoff.by_ref().take(20).collect();
        assert!(waits[0] < Duration::from_secs(2) && waits[19] == MAX_BACKOFF, "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= MAX_BACKOFF), "{waits:?}");
        backoff.reset();
        assert!(backoff.next().is_some_and(|wait| wait < Duration::from_secs(2)));
    }
}
