//! Bodies that are no requests, and peers that do not finish.

use std::io::Write as _;

use serde_json::{Map, Value, json};

use crate::stage::{Stage, answer};

#[tokio::test]
async fn a_body_that_is_no_request_is_refused_without_quoting_it() {
    let stage = Stage::new("csi-bodies").await;
    let token = stage.token_of_pod("web").await;
    stage.ask_until(&token, 200, json!({})).await;
    let spec = stage.spec(json!({}));
    let many = |count: usize| (0..count).map(|n| (format!("u{n}"), spec.clone())).collect::<Map<_, _>>();
    let request = |urls: Value| json!({"urls": urls, "longerThan": null, "seed": 7}).to_string();
    let send = |body: &str| stage.send(stage.team().operator.signing_port(), Some(&token), body);
    let large = format!("{{\"urls\": {{\"{}\": 1}}}}", "x".repeat(300 * 1024));
    for (body, said) in [
        ("", "no valid signing request"),
        ("{\"urls\": \"hunter2\"}", "no valid signing request"),
        ("{\"urls\": {}, \"seed\": 1, \"longerThan\": null, \"hunter2\": 1}", "no valid signing request"),
        (&large, "more than 256 KiB"),
        (&request(json!({})), "has no URLs"),
        (&request(json!({"../in": spec})), "names of URLs"),
        (&request(json!(many(33))), "at most 32 URLs"),
    ] {
        let answer = send(body);
        assert_eq!((answer.status, &answer.body["isTemporary"]), (400, &json!(false)), "{answer:?}");
        assert!(answer.message().contains(said) && !answer.message().contains("hunter2"), "{answer:?}");
    }
    let answer = send(&request(json!(many(32))));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["files"].as_array().unwrap().len(), 32 * 4);
}

#[tokio::test]
async fn a_node_whose_requests_do_not_end_holds_up_no_other() {
    let stage = Stage::new("csi-slow").await;
    let (slow, other) = (stage.token_of_pod("slow").await, stage.token_of_pod("other").await);
    stage.ask_until(&slow, 200, json!({})).await;
    let port = stage.team().operator.signing_port();
    // More than the places of a node.
    let begun: Vec<_> = (0..20)
        .map(|_| {
            let mut child = stage.curl(port, Some(&slow), &["-T", "."]);
            child.stdin.as_mut().unwrap().write_all(b"{").unwrap();
            child
        })
        .collect();
    // They have their places.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let answered = stage.ask(Some(&other), json!({}));
    assert_eq!(answered.status, 200, "{answered:?}");
    let mut begun = begun;
    let are_held = begun.iter_mut().filter_map(|child| child.try_wait().unwrap()).count();
    assert_eq!(are_held, 0, "they were at work meanwhile");
    for child in begun {
        let mut child = child;
        let input = child.stdin.take();
        let refused = answer(child);
        drop(input);
        assert!(matches!(refused.status, 400 | 503), "{refused:?}");
    }
    stage.ask_until(&slow, 200, json!({})).await;
}
