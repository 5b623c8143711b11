//! URLs that a session signed: what is a reason to sign again, although that session may be gone.

use super::*;
use crate::domain::model::{session_request, spec};
use crate::domain::policy::Requester;

/// Ten minutes after a session of an hour signed a URL of an hour. The session is gone, as after a restart.
fn restarted() -> World {
    let mut world = issued(|world| {
        world.request = session_request();
        world.credentials = Some(credentials("ASIA1", Some(at(3600))));
    });
    world.credentials = None;
    world
}

/// The same with another spec of the credentials.
fn other(edit: impl FnOnce(&mut serde_json::Value)) -> Request {
    let mut value = serde_json::to_value(spec()).unwrap();
    value["s3"]["credentials"] = serde_json::json!({
        "webIdentity": {"serviceAccountRef": {"name": "uploader"}, "roleARN": "arn:aws:iam::1:role/reports"},
        "session": {"sts": {"endpoint": "https://us-west.s3.qencode.com"}},
    });
    edit(&mut value);
    Request::inline(Requester::new("team-a", "report"), &serde_json::from_value(value).unwrap(), None)
        .unwrap()
}

#[test]
fn a_restart_and_a_new_session_are_no_reason_to_sign() {
    let mut world = restarted();
    assert_eq!(world.decide(), keep(2400));
    world.credentials = Some(credentials("ASIA2", Some(at(4200))));
    assert_eq!(world.decide(), keep(2400));
    world.credentials = None;
    world.now = at(2399);
    assert_eq!(world.decide(), keep(2400));
}

#[test]
fn a_renewal_needs_a_session() {
    let mut world = restarted();
    world.now = at(2400);
    assert_eq!(wait_reason(&world), Some(WaitReason::NoCredentials));
    world.credentials = Some(credentials("ASIA2", Some(at(6000))));
    assert_eq!(reason(&world), Some(IssueReason::RenewalDue));
    // One that lives no longer than the stored URL gains nothing.
    world.credentials = Some(credentials("ASIA2", Some(at(3600))));
    assert_eq!(wait_reason(&world), Some(WaitReason::AwaitingCredentials));
}

#[test]
fn another_spec_of_the_credentials_is_a_reason() {
    let mut world = restarted();
    world.request = other(|_| {});
    assert_eq!(world.decide(), keep(2400), "the same spec");
    for edit in [
        |spec: &mut serde_json::Value| {
            spec["s3"]["credentials"]["webIdentity"]["roleARN"] = "arn:aws:iam::1:role/other".into();
        },
        |spec: &mut serde_json::Value| {
            spec["s3"]["credentials"]["webIdentity"]["serviceAccountRef"]["name"] = "other".into();
        },
        |spec: &mut serde_json::Value| {
            spec["s3"]["credentials"]["assumeRole"] =
                serde_json::json!({"roleARN": "arn:aws:iam::1:role/second"});
        },
        |spec: &mut serde_json::Value| spec["s3"]["credentials"]["session"]["duration"] = "2h".into(),
    ] {
        world.request = other(edit);
        world.credentials = None;
        assert_eq!(wait_reason(&world), Some(WaitReason::NoCredentials));
        world.credentials = Some(credentials("ASIA2", Some(at(9000))));
        assert_eq!(reason(&world), Some(IssueReason::CredentialsChanged));
    }
}

#[test]
fn a_change_between_a_key_and_sessions_is_a_reason() {
    let mut world = restarted();
    world.request = crate::domain::model::request();
    world.credentials = Some(credentials("AKIA", None));
    assert_eq!(reason(&world), Some(IssueReason::CredentialsChanged));
    let mut world = settled();
    world.request = session_request();
    world.credentials = Some(credentials("ASIA1", Some(at(9000))));
    assert_eq!(reason(&world), Some(IssueReason::CredentialsChanged));
}

#[test]
fn another_lifetime_in_the_spec_is_a_reason() {
    let mut world = restarted();
    world.credentials = Some(credentials("ASIA2", Some(at(9000))));
    for (expires_in, expected) in
        [("2h", Some(IssueReason::SpecChanged)), ("30m", Some(IssueReason::SpecChanged))]
    {
        world.request = other(|spec| spec["expiresIn"] = expires_in.into());
        assert_eq!(reason(&world), expected, "{expires_in}");
    }
}

#[test]
fn a_session_that_ends_before_the_url_is_no_reason_later() {
    let mut world = issued(|world| {
        world.request = session_request();
        world.credentials = Some(credentials("ASIA1", Some(at(900))));
    });
    world.credentials = None;
    // Fifteen minutes, renewed after two thirds.
    world.now = at(599);
    assert_eq!(world.decide(), keep(600));
}

#[test]
fn what_another_client_wrote_is_signed_again() {
    let mut world = restarted();
    let url = String::from_utf8(world.server.get().unwrap().data.unwrap()["url"].0.clone()).unwrap();
    let other = url.replace("ASIA1", "ASIA9");
    them(&mut world, |secret| put(secret, "url", other.as_bytes()));
    world.credentials = Some(credentials("ASIA2", Some(at(9000))));
    assert_eq!(reason(&world), Some(IssueReason::Drifted));
}

#[test]
fn a_link_that_is_signed_once_is_not_signed_again_for_another_role() {
    let mut world = issued(|world| {
        world.request = Request { is_signed_once: true, ..session_request() };
        world.credentials = Some(credentials("ASIA1", Some(at(3600))));
    });
    world.credentials = None;
    assert_eq!(world.decide(), keep(3600));
    let changed = other(|spec| {
        spec["s3"]["credentials"]["webIdentity"]["roleARN"] = "arn:aws:iam::1:role/other".into();
    });
    world.request = Request { is_signed_once: true, ..changed };
    assert_eq!(wait_reason(&world), Some(WaitReason::CredentialsChanged));
    world.now = at(3600);
    assert_eq!(world.decide(), Decision::End);
}
