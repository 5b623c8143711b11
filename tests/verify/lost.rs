//! Writes that were carried out and not answered: each answer of the store is about the URL in the Secret.

use std::time::Duration;

use presign_operator::crd::VerifyResult;
use serde_json::json;
use testbed::{Fault, Match, StsFault};

use crate::harness::text;
use crate::stories::{VerifySpace, wait_asked};

#[tokio::test]
async fn a_url_whose_write_was_not_answered_has_an_answer_of_its_own() {
    let (place, proxy) = VerifySpace::behind_proxy("verify-lost").await;
    let space = &place.space;
    let lose = || proxy.fault(Match::write("secrets", "report"), 1, Fault::BreakOff(10));
    // Long enough that the next URL is there before this one is answered about.
    place.front.fault(StsFault::Delay(Duration::from_secs(4)));
    lose();
    space.apply("report", place.spec(json!({"verify": "Always"}))).await;
    wait_asked(&place.front, 1).await;

    lose();
    space.apply("report", place.spec(json!({"verify": "Always", "key": "no/such/key"}))).await;
    space.wait_secret("report", "another URL", |secret| text(secret, "url").contains("/no/such/key?")).await;
    place.front.heal();
    let object = place.verified("report", "False", "NoSuchKey").await;
    let status = object.status.unwrap();
    assert_eq!(status.verified.unwrap().result, VerifyResult::NoSuchKey);
    assert!(status.location.unwrap().ends_with("/no/such/key"));
    assert_eq!((proxy.unmet(), place.front.count(None)), (0, 2), "each URL is asked about once");
}
