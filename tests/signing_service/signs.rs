//! The URLs, by the leader and by a standby.

use jiff::Timestamp;
use kube::api::ListParams;
use serde_json::json;

use crate::stage::{SigningSetup, download};

#[tokio::test]
async fn every_replica_signs_urls_that_work_and_nothing_is_written_down() {
    let stage = SigningSetup::new("csi-signs").await;
    let token = stage.token_of_pod("web").await;
    let first = stage.ask_until(&token, 200, json!({})).await;
    assert_eq!(download(first.file("url")), "content");
    assert_eq!(first.file("method"), "GET");
    let time = |name: &str| first.body[name].as_str().unwrap().parse::<Timestamp>().unwrap().as_second();
    assert_eq!(time("expirationTime") - time("signingTime"), 3600);
    assert!(time("signingTime") < time("renewalTime") && time("renewalTime") < time("expirationTime"));

    let standby = stage.standby();
    let body = json!({"urls": {"in": stage.spec(json!({})), "out": stage.spec(json!({"method": "HEAD"}))},
        "longerThan": null, "seed": 7});
    let second = stage.first_answer_of(&standby, &token, &body.to_string()).await;
    assert_eq!(second.status, 200, "{second:?}");
    assert!(standby.page("/metrics").contains("presign_leader 0\n"), "it does not lead");
    let folders =
        second.body["files"].as_array().unwrap().iter().map(|file| file["folder"].as_str().unwrap());
    assert_eq!(folders.clone().filter(|folder| *folder == "in").count(), 4);
    assert!(folders.clone().all(|folder| folder == "in" || folder == "out"));
    assert_eq!(download(second.file("url")), "content");
    let counted = "presign_signing_requests_total{result=\"Signed\"} 1\n";
    assert!(standby.page("/metrics").contains(counted), "{}", standby.page("/metrics"));
    standby.stop();

    let secrets = stage.team().secrets().list(&ListParams::default()).await.unwrap().items;
    assert!(secrets.is_empty(), "nothing of it is in the cluster: {secrets:?}");
}
