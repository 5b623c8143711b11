//! A restart loses all sessions, and costs nothing until a URL is due.

use std::time::Duration;

use futures::future::join_all;
use kube::api::ListParams;
use serde_json::json;
use testbed::StsFault;

use crate::assume_role::keyed;
use crate::harness::{DEADLINE, Operator, PERMITTED_STS, UNOPPOSED, kept, text};
use crate::outages::{download_repeatedly, wait_count};
use crate::session_space::{AGAIN, SessionSpace, with};
use crate::stores::{CHAINED_ROLE, ROLE};

/// Kills the operator of a place, and starts another one.
fn restart(place: &SessionSpace) -> Operator {
    place.space.operator.kill();
    Operator::start(place.space.world, &place.space.namespace, &[UNOPPOSED, PERMITTED_STS])
}

/// The names, the versions and the URLs of the Secrets with URLs.
async fn secrets(place: &SessionSpace) -> Vec<(String, String, String)> {
    let ours = ListParams::default().labels("presign.dev/managed=true");
    let secrets = place.space.secrets().list(&ours).await.unwrap().items.into_iter();
    let summary = |secret| {
        let url = text(&secret, "url");
        (secret.metadata.name.unwrap(), secret.metadata.resource_version.unwrap(), url)
    };
    secrets.map(summary).filter(|(name, ..)| name != "late").collect()
}

#[tokio::test]
async fn a_restart_asks_for_no_session() {
    let place = SessionSpace::new("restart").await;
    let space = &place.space;
    let credentials = place.web_identity(ROLE);
    let names: Vec<_> = (0..20).map(|number| format!("object-{number}")).collect();
    join_all(names.iter().map(|name| place.issue(name, &credentials, json!({})))).await;
    assert_eq!(place.front.count(None), 1);
    let before = secrets(&place).await;
    assert_eq!(before.len(), 20);

    let operator = restart(&place);
    // An object that needs no session shows that the operator is past its start.
    let key = [
        ("access-key-id", place.store.access_key_id()),
        ("secret-access-key", place.store.secret_access_key()),
    ];
    space.write_secret("admin", &key).await;
    place.issue("late", &json!({"secretRef": {"name": "admin"}}), json!({})).await;
    operator.wait_metrics(DEADLINE, "a look at all", |page| kept(page) >= 20).await;
    assert_eq!(secrets(&place).await, before);
    assert_eq!(place.front.count(None), 1);

    // One that is due asks for one, and the others do not follow.
    place.renew("object-7", "now").await;
    assert_eq!(place.front.count(None), 2);
    let after = secrets(&place).await;
    let changed: Vec<_> = before.iter().zip(&after).filter(|(old, new)| old != new).collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert_eq!(space.download("object-7").await.unwrap(), "content");
}

#[tokio::test]
async fn a_restart_while_the_sts_hangs_loses_no_url() {
    let place = SessionSpace::brief("wave").await;
    let credentials = with(place.web_identity(ROLE), json!({"session": {"narrowTo": "Object"}}));
    let names: Vec<_> = (0..8).map(|number| format!("object-{number}")).collect();
    let issued = names.iter().map(async |name| {
        place.store.put_object(&place.space.namespace, name, "content").unwrap();
        place.issue(name, &credentials, json!({"key": name, "expiresIn": "2m"})).await
    });
    join_all(issued).await;
    assert_eq!(place.front.count(None), 8);
    let before = secrets(&place).await;
    place.front.fault(StsFault::Hang);

    let story = async {
        wait_count(&place.front, None, 8 + 2).await;
        let operator = restart(&place);
        let asked = place.front.count(None);
        wait_count(&place.front, None, asked + 2).await;
        assert_eq!(secrets(&place).await, before, "nothing is written without a session");
        place.front.heal();
        for (name, _, url) in &before {
            let is_new = |secret: Option<&_>| (text(secret?, "url") != *url).then_some(());
            place.space.wait_for(AGAIN, place.space.secrets(), name, "a new URL", is_new).await;
        }
        operator
    };
    let operator = tokio::select! {
        operator = story => operator,
        () = download_repeatedly(&place.space, &names, Duration::from_millis(500)) => unreachable!("it never ends"),
    };
    operator.expect_running();
}

#[tokio::test]
async fn a_restart_in_the_middle_signs_only_what_waits() {
    let place = SessionSpace::new("middle").await;
    let space = &place.space;
    let admin = [
        ("access-key-id", place.store.access_key_id()),
        ("secret-access-key", place.store.secret_access_key()),
    ];
    space.write_secret("admin", &admin).await;
    let chained = json!({"assumeRole": {"roleARN": place.arn(CHAINED_ROLE)}, "session": {"duration": "1h"}});
    let sources = [
        ("web", place.web_identity(ROLE)),
        ("keyed", keyed(&place).await),
        ("chained", with(place.web_identity(ROLE), chained)),
    ];
    let key = |secret: &str| json!({"secretRef": {"name": secret}});
    place.issue("key-signed", &key("admin"), json!({})).await;
    for (source, credentials) in &sources {
        let names = ["a", "b"].map(|name| format!("{source}-signed-{name}"));
        join_all(names.iter().map(|name| place.issue(name, credentials, json!({})))).await;
    }
    let before = secrets(&place).await;
    assert_eq!(before.len(), 7);

    // A session of its own for each, and one that waits for its key.
    let asked = place.front.count(None);
    place.front.fault(StsFault::Hang);
    space.apply("key-waits", place.spec(&key("later"), json!({}))).await;
    space.wait_ready("key-waits", "False", "CredentialsNotFound").await;
    for (source, credentials) in &sources {
        for name in ["a", "b"] {
            let own = with(credentials.clone(), json!({"session": {"narrowTo": "Object"}}));
            let spec = place.spec(&own, json!({"key": format!("{source}-{name}")}));
            place.store.put_object(&space.namespace, &format!("{source}-{name}"), "content").unwrap();
            space.apply(&format!("{source}-waits-{name}"), spec).await;
        }
    }
    // The chained ones have the session at hand that their role is assumed with.
    wait_count(&place.front, None, asked + 6).await;
    let operator = restart(&place);
    let asked = place.front.count(None);
    wait_count(&place.front, None, asked + 2).await;
    place.front.heal();
    space.write_secret("later", &admin).await;
    let waiting = sources.iter().flat_map(|(source, _)| ["a", "b"].map(|n| format!("{source}-waits-{n}")));
    for name in waiting.chain(["key-waits".to_owned()]) {
        place.wait_again(&name, "True", "Issued").await;
        assert_eq!(space.download(&name).await.unwrap(), "content", "{name}");
    }
    let mut after = secrets(&place).await;
    after.retain(|(name, ..)| name.contains("signed"));
    assert_eq!(after, before, "nothing is signed again");
    operator.expect_running();
}
