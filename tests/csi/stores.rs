//! The store that the stories share.

use std::sync::LazyLock;
use std::time::Duration;

use testbed::ObjectStore;

/// The bucket, and an object in it with its content.
pub const BUCKET: &str = "reports";
pub const KEY: &str = "2026/q3 summary.txt";
pub const CONTENT: &str = "the third quarter";

/// Another access key of the store.
pub const SECOND_KEY: (&str, &str) = ("SECONDKEYOFVOLUMES", "a-secret-that-is-rotated-to");

static STORE: LazyLock<ObjectStore> = LazyLock::new(|| {
    let store = ObjectStore::builder().account(SECOND_KEY.0, SECOND_KEY.1).start().expect("the store starts");
    store.put_object(BUCKET, KEY, CONTENT).unwrap();
    store
});

/// The store, started by whoever comes first.
pub async fn store() -> &'static ObjectStore {
    tokio::task::spawn_blocking(|| &*STORE).await.expect("the store starts")
}

/// The longest that anything is waited for.
pub const WAIT: Duration = Duration::from_secs(60);

/// Waits for the next second, which gives another URL.
pub async fn next_second() {
    tokio::time::sleep(Duration::from_millis(1100)).await;
}

/// Waits until something is so.
pub async fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    assert!(testbed::eventually(WAIT, async || is_so()).await, "{what}");
}
