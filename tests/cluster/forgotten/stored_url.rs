//! What somebody put into the place of the URL: whatever it is, it is replaced.

use k8s_openapi::ByteString;
use serde_json::json;

use crate::harness::Space;

/// Replaces the stored URL by `change` of it, and waits until it is gone again. Fails unless
/// that was for the reason `Drifted`.
async fn expect_drifted(prefix: &str, changes: &[fn(&str) -> String]) {
    let changes: Vec<_> = changes.iter().map(|change| |url: &str| change(url).into_bytes()).collect();
    expect_drifted_from(prefix, &changes).await;
}

/// The same for changes that make bytes.
async fn expect_drifted_from(prefix: &str, changes: &[impl Fn(&str) -> Vec<u8>]) {
    let space = Space::new(prefix).await;
    for number in 0..changes.len() {
        let name = format!("r{number}");
        space.apply(&name, space.spec(json!({}))).await;
        space.wait_ready(&name, "True", "Issued").await;
    }
    for (number, change) in changes.iter().enumerate() {
        let name = format!("r{number}");
        let planted = ByteString(change(&space.data(&name, "url").await));
        let patch = json!({"data": {"url": planted}}).to_string();
        space.kubectl(&["patch", "secret", &name, "--type=merge", "-p", &patch]);
        let wanted = format!("a URL of ours again after change {number}");
        space.wait_secret(&name, &wanted, |secret| secret.data.as_ref().unwrap()["url"] != planted).await;
        space.wait_ready(&name, "True", "Issued").await;
        assert_eq!(space.download(&name).await.unwrap(), "content");
    }
    let drifted = format!("presign_issued_total{{reason=\"Drifted\"}} {}", changes.len());
    space.operator.wait_counted(&drifted).await;
    // Nobody's clock is wrong.
    let text = space.kubectl(&["get", "presignedurls,events", "-o", "yaml"]);
    assert!(text.contains("kind: PresignedUrl") && !text.to_lowercase().contains("clock"), "{text}");
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

#[tokio::test]
async fn a_url_that_lives_for_136_years_is_replaced() {
    expect_drifted("136-years", &[|url| url.replace("X-Amz-Expires=3600", "X-Amz-Expires=4294967295")]).await;
}

#[tokio::test]
async fn a_value_that_is_no_url_at_all_is_replaced() {
    let values: [fn(&str) -> Vec<u8>; 5] = [
        |_| "x".repeat(60_000).into_bytes(),
        |url| format!("{url}&x-pad={}", "x".repeat(60_000)).into_bytes(),
        |_| vec![0, 0xff, 0xfe, 0x80],
        |_| Vec::new(),
        |_| b"-2208988800".to_vec(),
    ];
    expect_drifted_from("no-url", &values).await;
}

#[tokio::test]
async fn the_times_of_a_url_that_somebody_put_there_are_not_reported() {
    let space = Space::new("planted-times").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let url = space.data("report", "url").await;
    space.apply("report", space.spec(json!({"suspend": true}))).await;
    space.wait_ready("report", "True", "Suspended").await;
    let patch = json!({"stringData": {"url": signed_at(&url, "21910203T040506Z")}}).to_string();
    space.kubectl(&["patch", "secret", "report", "--type=merge", "-p", &patch]);
    let object = space.wait_ready("report", "False", "Suspended").await;
    let text = serde_json::to_string(&object.status).unwrap();
    assert!(!text.contains("2191"), "{text}");
}
