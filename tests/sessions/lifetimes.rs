//! URLs that end with their session.

use jiff::{SignedDuration, Timestamp};
use presign_operator::crd::{LimitedBy, PresignedUrl};
use serde_json::json;

use crate::session_space::{SessionSpace, with};
use crate::stores::{ROLE, numbered};

/// When the URL of an object expires by its status.
fn expiration(object: &PresignedUrl) -> Timestamp {
    object.status.as_ref().unwrap().expiration_time.as_ref().unwrap().0
}

/// When a URL expires by its query.
fn end_of(url: &str) -> Timestamp {
    let parameter = |name: &str| {
        let (_, after) = url.split_once(&format!("{name}=")).unwrap();
        after.split('&').next().unwrap().to_owned()
    };
    let signed = jiff::fmt::strtime::parse("%Y%m%dT%H%M%SZ", parameter("X-Amz-Date")).unwrap();
    let signed = signed.to_datetime().unwrap().to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    signed + SignedDuration::from_secs(parameter("X-Amz-Expires").parse().unwrap())
}

#[tokio::test]
async fn a_url_ends_with_its_session_and_says_so() {
    let place = SessionSpace::new("limited").await;
    let object = place.issue("report", &place.web_identity(ROLE), json!({"expiresIn": "2h"})).await;
    let [(asked, session)] = place.sessions().try_into().unwrap();
    assert_eq!(asked.duration.as_deref(), Some("3600"));
    assert_eq!(object.status.as_ref().unwrap().limited_by, Some(LimitedBy::Credentials));
    // It is never later, and the clock of the STS has whole seconds.
    let spare = session.expiration.duration_since(expiration(&object)).as_secs();
    assert!((0..=2).contains(&spare), "{spare}");
    assert_eq!(end_of(&place.space.data("report", "url").await), expiration(&object));

    let longer = with(place.web_identity(ROLE), json!({"session": {"duration": "3h"}}));
    let object = place.issue("longer", &longer, json!({"expiresIn": "2h"})).await;
    assert_eq!(object.status.as_ref().unwrap().limited_by, Some(LimitedBy::Requested));
    assert_eq!(place.sessions()[1].0.duration.as_deref(), Some("10800"));
    let signed = object.status.as_ref().unwrap().signing_time.as_ref().unwrap().0;
    assert_eq!(expiration(&object).duration_since(signed).as_secs(), 7200);
}

#[tokio::test]
async fn no_url_outlives_its_session_whatever_the_clock_of_the_sts_says() {
    let place = SessionSpace::new("clock").await;
    // By how many seconds the header Date and the expiration are ahead, and the URL ends early.
    let cases = [
        ("ahead", 300, 300, 0),
        ("behind", -300, -300, 300),
        ("date-ahead", 300, 0, 300),
        ("date-behind", -300, 0, 0),
        // Behind a proxy that sets the header itself, so that nothing tells that the STS is ahead.
        ("stated-ahead", 0, 300, 0),
    ];
    for (number, (name, date, stated, early)) in cases.into_iter().enumerate() {
        // A role, and so a session, of its own.
        let credentials = place.web_identity(&numbered(number));
        place.front.set_date_offset(date);
        place.front.set_expiration_offset(stated);
        let object = place.issue(name, &credentials, json!({"expiresIn": "2h"})).await;
        let (_, session) = place.sessions().pop().unwrap();
        let real_end = session.expiration - SignedDuration::from_secs(stated);
        let spare = real_end.duration_since(expiration(&object)).as_secs();
        assert!(spare >= early, "{name}: it ends only {spare} s before its session");
        assert!(spare < early + 60, "{name}: it ends {spare} s before its session");
        assert_eq!(end_of(&place.space.data(name, "url").await), expiration(&object), "{name}");
        assert_eq!(place.space.download(name).await.unwrap(), "content", "{name}");
    }
}
