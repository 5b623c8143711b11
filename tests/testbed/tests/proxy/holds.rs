//! Requests and answers that stand still.

use std::process::{Child, Stdio};

use testbed::{Hold, Match, Proxy};

use crate::{DEADLINE, curl, exists, output, proxy, through};

fn creations() -> Match {
    Match::new("POST", "/configmaps")
}

/// Begins to create a config map.
fn create(proxy: &Proxy, name: &str) -> Child {
    through(proxy, &["create", "configmap", name, "-o", "name"]).stdout(Stdio::null()).spawn().unwrap()
}

#[tokio::test]
async fn a_held_request_arrives_when_it_is_released() {
    let proxy = proxy();
    for (name, let_go) in [("released", Hold::release as fn(&Hold)), ("let-go", |_| {})] {
        let hold = proxy.hold(creations());
        let mut creation = create(&proxy, name);
        assert!(hold.reached(DEADLINE).await);
        assert!(!exists(name));
        assert_eq!(creation.try_wait().unwrap(), None);
        let_go(&hold);
        drop(hold);
        assert!(creation.wait().unwrap().success());
        assert!(exists(name));
    }
}

#[tokio::test]
async fn a_held_answer_is_that_of_a_request_that_was_carried_out() {
    let proxy = proxy();
    let hold = proxy.hold_answer(creations());
    let mut creation = create(&proxy, "done");
    assert!(hold.reached(DEADLINE).await);
    assert!(exists("done"));
    assert_eq!(creation.try_wait().unwrap(), None);
    hold.release();
    assert!(creation.wait().unwrap().success());
}

#[tokio::test]
async fn only_the_next_match_is_held() {
    let proxy = proxy();
    let hold = proxy.hold(creations().after(1));
    output(&mut through(&proxy, &["create", "configmap", "before-it"])).unwrap();
    let mut creation = create(&proxy, "it");
    assert!(hold.reached(DEADLINE).await);
    output(&mut through(&proxy, &["create", "configmap", "after-it"])).unwrap();
    assert!(!exists("it"));
    hold.release();
    assert!(creation.wait().unwrap().success());
}

#[tokio::test]
async fn what_is_held_goes_away_with_its_sender() {
    let proxy = proxy();
    let hold = proxy.hold(creations());
    let mut creation = create(&proxy, "orphan");
    assert!(hold.reached(DEADLINE).await);
    creation.kill().unwrap();
    creation.wait().unwrap();
    // Comes after the end of the connection, and so shows that the proxy has seen that.
    curl(&proxy, "/readyz").unwrap();
    hold.release();
    output(&mut through(&proxy, &["create", "configmap", "after-the-orphan"])).unwrap();
    assert!(!exists("orphan"));
}
