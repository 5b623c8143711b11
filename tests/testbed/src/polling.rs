//! Waits for what happens in its own time.

use std::{
    thread,
    time::{Duration, Instant},
};

/// The time between two looks.
const INTERVAL: Duration = Duration::from_millis(50);

/// Polls until something is so.
///
/// # Panics
/// With `what`, if it is not so within the limit.
pub fn wait_until(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < limit, "not within {} s: {what}", limit.as_secs());
        thread::sleep(INTERVAL);
    }
}

/// Polls until something is so, and says whether it is within the limit.
pub async fn eventually(limit: Duration, mut is_so: impl AsyncFnMut() -> bool) -> bool {
    let is_reached = async {
        while !is_so().await {
            tokio::time::sleep(INTERVAL).await;
        }
    };
    tokio::time::timeout(limit, is_reached).await.is_ok()
}
