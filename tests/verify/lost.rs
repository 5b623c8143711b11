//! Writes that were carried out and not answered: each answer of the store is about the URL in the Secret.

use presign_operator::crd::VerifyResult;
use serde_json::json;
use testbed::{Fault, Match, StsFault};

use crate::harness::text;
use crate::stories::{VerifySpace, wait_asked};

/// How often it is tried on a slow machine.
const ATTEMPTS: usize = 5;

#[tokio::test]
async fn a_url_whose_write_was_not_answered_has_an_answer_of_its_own() {
    let (place, proxy) = VerifySpace::behind_proxy("verify-lost").await;
    let space = &place.space;
    for name in (0..ATTEMPTS).map(|attempt| format!("report-{attempt}")) {
        let lose = || proxy.fault(Match::write("secrets", name.as_str()), 1, Fault::BreakOff(10));
        let asked = place.front.count(None);
        place.front.fault(StsFault::Hold);
        lose();
        space.apply(&name, place.spec(json!({"verify": "Always"}))).await;
        wait_asked(&place.front, asked + 1).await;

        lose();
        space.apply(&name, place.spec(json!({"verify": "Always", "key": "no/such/key"}))).await;
        space.wait_secret(&name, "another URL", |secret| text(secret, "url").contains("/no/such/key?")).await;
        let status = space.presigned_urls().get(&name).await.unwrap().status;
        place.front.heal();
        if status.is_some_and(|status| status.verified.is_some()) {
            // The operator gave up waiting before the second URL was there.
            continue;
        }
        let object = place.verified(&name, "False", "NoSuchKey").await;
        let status = object.status.unwrap();
        assert_eq!(status.verified.unwrap().result, VerifyResult::NoSuchKey);
        assert!(status.location.unwrap().ends_with("/no/such/key"));
        let count = place.front.count(None) - asked;
        assert_eq!((proxy.unmet(), count), (0, 2), "each URL is asked about once");
        return;
    }
    panic!("the second URL was never there before an answer about the first");
}
