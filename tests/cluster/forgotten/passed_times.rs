//! A time that passes while a reconcile is under way is now, not never. The watch stands still
//! meanwhile: that something else happens to wake the object is no help.

use serde_json::json;

use super::{PATIENT, pass, status_writes};
use crate::harness::{DEADLINE, Space, UNOPPOSED, text};

#[tokio::test]
async fn a_renewal_time_that_passes_while_the_status_is_written_is_kept() {
    let (space, proxy) = Space::behind_proxy_with("passed-renewal", &[UNOPPOSED, PATIENT]).await;
    space.apply("report", space.spec(json!({"expiresIn": "2m", "renewBefore": "100s"}))).await;
    let object = space.wait_ready("report", "True", "Issued").await;
    let first = space.data("report", "url").await;
    let hold = proxy.hold(status_writes("report"));
    space.apply("report", space.spec(json!({"expiresIn": "2m", "renewBefore": "99s"}))).await;
    assert!(hold.reached(DEADLINE).await);
    let _still = proxy.pause_watches("presignedurls");
    // With 99 s it is at most a second later than with 100 s.
    pass(object.status.unwrap().renewal_time.unwrap().0, 2).await;
    hold.release();
    // Longer than this wait is what is left until the expiry.
    space.wait_secret("report", "its renewal", |secret| text(secret, "url") != first).await;
}

#[tokio::test]
async fn an_expiry_that_passes_while_the_status_is_written_is_reported() {
    let (space, proxy) = Space::behind_proxy_with("passed-expiry", &[UNOPPOSED, PATIENT]).await;
    space.apply("report", space.spec(json!({"expiresIn": "1m"}))).await;
    let object = space.wait_ready("report", "True", "Issued").await;
    let hold = proxy.hold(status_writes("report"));
    space.apply("report", space.spec(json!({"expiresIn": "1m", "suspend": true}))).await;
    assert!(hold.reached(DEADLINE).await);
    let _still = proxy.pause_watches("presignedurls");
    pass(object.status.unwrap().expiration_time.unwrap().0, 1).await;
    hold.release();
    space.wait_ready("report", "False", "Suspended").await;
}
