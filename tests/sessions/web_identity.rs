//! A token of a `ServiceAccount` becomes a session, and that a URL.

use serde_json::json;

use crate::calls::Reach;
use crate::harness::{curl, hidden_sessions};
use crate::session_space::{SessionSpace, with};
use crate::stores::ROLE;

#[tokio::test]
async fn a_url_without_an_access_key_in_the_cluster_downloads() {
    let place = SessionSpace::new("web").await;
    place.write_account("urls", Some(&format!("arn:aws:iam::1:role/x, {}", place.arn(ROLE)))).await;
    place.issue("report", &place.web_identity(ROLE), json!({})).await;
    assert_eq!(place.space.download("report").await.unwrap(), "content");

    let [(asked, session)] = place.sessions().try_into().unwrap();
    assert_eq!((asked.action.as_str(), asked.role), ("AssumeRoleWithWebIdentity", place.arn(ROLE)));
    assert_eq!((asked.duration.as_deref(), asked.policy), (Some("3600"), None));
    assert_eq!(asked.session_name, format!("presign-{}", place.space.namespace));
    assert_eq!(place.session_of("report").await.id, session.id);
    assert_eq!(session.reach(place.store, &place.space.namespace), Reach::EVERYTHING);
    // The search for leaks at the end knows the session, its secret, and the token for it.
    assert_eq!(hidden_sessions(&place.space.namespace).len(), 3);
}

#[tokio::test]
async fn a_session_that_is_narrowed_to_the_object_does_nothing_else() {
    let place = SessionSpace::new("narrow").await;
    let (space, store) = (&place.space, place.store);
    let narrowed =
        |narrow_to: &str| with(place.web_identity(ROLE), json!({"session": {"narrowTo": narrow_to}}));
    place.issue("object", &narrowed("Object"), json!({})).await;
    place.issue("nothing", &narrowed("Nothing"), json!({})).await;
    place.issue("upload", &narrowed("Object"), json!({"method": "PUT"})).await;
    for name in ["object", "nothing"] {
        assert_eq!(space.download(name).await.unwrap(), "content", "{name}");
    }
    for (name, reach) in
        [("nothing", Reach::EVERYTHING), ("object", Reach::ONE_DOWNLOAD), ("upload", Reach::ONE_UPLOAD)]
    {
        // A copy that is allowed replaces the object.
        let session = place.session_of(name).await;
        assert_eq!(session.reach(store, &space.namespace), reach, "{name}");
    }
    let body = space.operator.folder().join("body");
    std::fs::write(&body, "uploaded").unwrap();
    curl(&["-T", body.to_str().unwrap(), &space.data("upload", "url").await]).unwrap();
    assert_eq!(space.download("object").await.unwrap(), "uploaded");

    let policies = place.sessions().into_iter().map(|(asked, _)| asked.policy.is_some());
    assert_eq!(policies.collect::<Vec<_>>(), [true, false, true]);
}
