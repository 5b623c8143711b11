//! A role that is assumed: with an access key, and with another session.

use serde_json::{Value, json};

use crate::calls::Reach;
use crate::session_space::{SessionSpace, with};
use crate::stores::{BASE_KEY, CHAINED_ROLE, KEYED_ROLE, ROLE};

/// Credentials that assume a role with the key in the Secret `base`.
pub async fn keyed(place: &SessionSpace) -> Value {
    let (id, secret) = BASE_KEY;
    place.space.write_secret("base", &[("access-key-id", id), ("secret-access-key", secret)]).await;
    json!({
        "secretRef": {"name": "base"},
        "assumeRole": {"roleARN": place.arn(KEYED_ROLE), "externalID": "of-the-partner"},
        "session": {"sts": {"endpoint": place.front.endpoint()}},
    })
}

#[tokio::test]
async fn a_role_is_assumed_with_the_key_in_a_secret() {
    let place = SessionSpace::new("assume").await;
    let (space, store, credentials) = (&place.space, place.store, keyed(&place).await);
    // The key itself may do nothing.
    let alone = json!({"secretRef": {"name": "base"}});
    place.issue("alone", &alone, json!({})).await;
    let refused = space.download("alone").await.unwrap_err();
    assert!(refused.contains("403"), "{refused}");

    place.issue("wide", &credentials, json!({})).await;
    let narrow = with(credentials, json!({"session": {"narrowTo": "Object", "duration": "2h"}}));
    place.issue("narrow", &narrow, json!({})).await;
    for (name, reach) in [("wide", Reach::EVERYTHING), ("narrow", Reach::ONE_DOWNLOAD)] {
        assert_eq!(space.download(name).await.unwrap(), "content", "{name}");
        let session = place.session_of(name).await;
        // A copy that is allowed replaces the object, so that it is read before.
        let reach_now = session.reach(store, &space.namespace);
        assert_eq!(reach_now, reach, "{name}");
        store.put_object(&space.namespace, crate::calls::KEY, "content").unwrap();
    }
    let [(wide, _), (narrow, _)] = place.sessions().try_into().unwrap();
    for asked in [&wide, &narrow] {
        assert_eq!((asked.action.as_str(), asked.role.as_str()), ("AssumeRole", &*place.arn(KEYED_ROLE)));
        assert_eq!(asked.external_id.as_deref(), Some("of-the-partner"));
        assert_eq!(asked.access_key_id.as_deref(), Some(BASE_KEY.0));
    }
    assert_eq!((wide.duration.as_deref(), wide.policy), (Some("3600"), None));
    assert_eq!((narrow.duration.as_deref(), narrow.policy.is_some()), (Some("7200"), true));
}

#[tokio::test]
async fn only_the_last_of_two_sessions_is_narrowed() {
    let place = SessionSpace::new("chain").await;
    let (space, store) = (&place.space, place.store);
    let chain = with(
        place.web_identity(ROLE),
        json!({
            "assumeRole": {"roleARN": place.arn(CHAINED_ROLE)},
            "session": {"narrowTo": "Object", "duration": "1h"},
        }),
    );
    place.issue("report", &chain, json!({})).await;
    assert_eq!(space.download("report").await.unwrap(), "content");

    let [(first, of_first), (last, of_last)] = place.sessions().try_into().unwrap();
    assert_eq!((first.action.as_str(), first.role), ("AssumeRoleWithWebIdentity", place.arn(ROLE)));
    assert_eq!((first.duration.as_deref(), first.policy), (Some("900"), None));
    assert_eq!((last.action.as_str(), last.role), ("AssumeRole", place.arn(CHAINED_ROLE)));
    assert_eq!((last.duration.as_deref(), last.policy.is_some()), (Some("3600"), true));
    assert_eq!(last.access_key_id.as_deref(), Some(of_first.id.as_str()), "with the first session");
    assert_eq!(place.session_of("report").await.id, of_last.id);
    assert_eq!(of_last.reach(store, &space.namespace), Reach::ONE_DOWNLOAD);
}
