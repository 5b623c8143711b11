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
    answered(limit, async || is_so().await.then_some(())).await.is_some()
}

/// Asks until there is an answer; `None` if there is none within the limit.
pub async fn answered<T>(limit: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let asked = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    };
    tokio::time::timeout(limit, asked).await.ok()
}
