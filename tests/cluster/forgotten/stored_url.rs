//! What somebody put into the place of the URL: whatever it is, it is replaced.

use serde_json::json;

use super::kubectl;
use crate::harness::{Space, text};

/// Replaces the stored URL by `change` of it, and waits until it is gone again. Fails unless
/// that was for the reason `Drifted`.
async fn expect_drifted(prefix: &str, changes: &[fn(&str) -> String]) {
    let space = Space::new(prefix).await;
    for number in 0..changes.len() {
        let name = format!("r{number}");
        space.apply(&name, space.spec(json!({}))).await;
        space.wait_ready(&name, "True", "Issued").await;
    }
    for (number, change) in changes.iter().enumerate() {
        let name = format!("r{number}");
        let planted = change(&space.data(&name, "url").await);
        let patch = json!({"stringData": {"url": planted}}).to_string();
        kubectl(&space, &["patch", "secret", &name, "--type=merge", "-p", &patch]);
        let wanted = format!("a URL of ours again after change {number}");
        space.wait_secret(&name, &wanted, |secret| text(secret, "url") != planted).await;
        space.wait_ready(&name, "True", "Issued").await;
        assert_eq!(space.download(&name).await.unwrap(), "content");
    }
    let metrics = space.operator.page("/metrics");
    let drifted = format!("presign_issued_total{{reason=\"Drifted\"}} {}", changes.len());
    assert!(metrics.contains(&drifted), "{metrics}");
}

/// The URL with another value of `X-Amz-Date`.
fn signed_at(url: &str, date: &str) -> String {
    let (before, after) = url.split_once("X-Amz-Date=").unwrap();
    format!("{before}X-Amz-Date={date}{}", &after[date.len()..])
}

#[tokio::test]
async fn a_url_that_was_signed_before_1970_is_replaced() {
    expect_drifted("before-1970", &[|url| signed_at(url, "19600102T030405Z")]).await;
}

#[tokio::test]
async fn a_url_with_a_parameter_more_is_replaced() {
    let appended: [fn(&str) -> String; 3] =
        [|url| format!("{url}&x=1"), |url| format!("{url}&X-Amz-Security-Token="), |url| format!("{url}&")];
    expect_drifted("appended", &appended).await;
}

#[tokio::test]
async fn a_url_that_repeats_a_parameter_is_replaced() {
    let repeated: [fn(&str) -> String; 2] = [
        |url| format!("{url}&X-Amz-Expires=3600"),
        |url| url.replace("X-Amz-Expires=3600", "X-Amz-Expires=60&X-Amz-Expires=3600"),
    ];
    expect_drifted("repeated", &repeated).await;
}
