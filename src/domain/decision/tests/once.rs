//! URLs that are signed only once: what ends them, and what signs them again.

use super::*;
use crate::crd::LimitedBy;
use crate::crd::names::{ANNOTATION_ENDED, ANNOTATION_REQUEST};
use crate::domain::Stored;
use crate::domain::ended::EndReason;
use crate::domain::policy::Requester;
use crate::domain::resolve::{CredentialsLocation, Permission};

/// Ten minutes after a link of an hour was signed.
fn shared() -> World {
    issued(|world| world.request.is_signed_once = true)
}

/// The link after its end.
fn over() -> World {
    let mut world = shared();
    world.now = at(3600);
    assert_eq!(world.decide(), Decision::End);
    world.act(Decision::End);
    world
}

type OnceStep = fn(&mut World);

#[test]
fn it_is_kept_until_it_expires_and_then_ends() {
    let mut world = shared();
    for second in [600, 2400, 3599] {
        world.now = at(second);
        assert_eq!(world.decide(), keep(3600), "{second}");
    }
    let mut world = over();
    assert_eq!(wait_reason(&world), Some(WaitReason::Ended(EndReason::Expired)));
    assert_eq!(text(&world, "url"), "");
    assert_eq!(text(&world, "expires-at"), "2030-01-01T01:00:00Z");
    for step in [
        (|w| w.now = at(999_999)) as OnceStep,
        |w| w.credentials = Some(credentials("OTHER", None)),
        |w| w.credentials = None,
        |w| drop(w.request.target.labels.insert("team".into(), "b".into())),
    ] {
        step(&mut world);
        assert_eq!(wait_reason(&world), Some(WaitReason::Ended(EndReason::Expired)));
    }
}

#[test]
fn the_end_needs_no_credentials_and_waits_while_suspended() {
    let mut world = shared();
    (world.now, world.credentials) = (at(3600), None);
    assert_eq!(world.decide(), Decision::End);
    world.request.suspend = true;
    assert_eq!(wait_reason(&world), Some(WaitReason::Suspended));
}

#[test]
fn other_credentials_do_not_sign_it_again() {
    for key in [credentials("OTHER", None), credentials("AKIA", Some(at(2000)))] {
        let mut world = shared();
        world.credentials = Some(key);
        assert_eq!(wait_reason(&world), Some(WaitReason::CredentialsChanged));
        // A repair would sign it with them.
        world.request.target.labels.insert("team".into(), "b".into());
        assert_eq!(wait_reason(&world), Some(WaitReason::CredentialsChanged));
    }
}

#[test]
fn a_clock_that_was_ahead_is_a_reason_to_sign_it_again() {
    let mut world = shared();
    world.now = at(-300);
    assert_eq!(reason(&world), None);
    world.now = at(-301);
    assert_eq!(reason(&world), Some(IssueReason::Drifted));
}

#[test]
fn another_request_or_token_signs_it_again_before_and_after_its_end() {
    let steps: [(&str, OnceStep, IssueReason); 4] = [
        ("another key", |w| w.request.key.push('x'), IssueReason::SpecChanged),
        ("a longer life", |w| w.request.expires_in = 7200, IssueReason::SpecChanged),
        ("other headers", |w| w.request.headers = vec![("a".into(), "b".into())], IssueReason::SpecChanged),
        ("a token", |w| w.request.renew = Some("again".into()), IssueReason::Requested),
    ];
    for (name, step, expected) in steps {
        for mut world in [shared(), over()] {
            step(&mut world);
            assert_eq!(reason(&world), Some(expected), "{name}");
            world.act(world.decide());
            assert_ne!(text(&world, "url"), "", "{name}");
            let annotations = world.server.get().unwrap().metadata.annotations.unwrap();
            let is_left = |name: &&str| annotations.contains_key(*name);
            let left: Vec<_> = [ANNOTATION_ENDED, ANNOTATION_REQUEST].into_iter().filter(is_left).collect();
            assert_eq!(left, Vec::<&str>::new(), "{name}");
            assert_eq!(reason(&world), None, "{name}");
        }
    }
}

#[test]
fn an_edit_after_it_expired_signs_it_again_and_does_not_end_it() {
    let mut world = shared();
    world.now = at(4000);
    world.request.key.push('x');
    assert_eq!(reason(&world), Some(IssueReason::SpecChanged));
}

#[test]
fn what_others_emptied_did_not_end_without_our_mark() {
    let mut world = shared();
    them(&mut world, |secret| put(secret, "url", b""));
    assert_eq!(Stored::read(&world.server.get().unwrap()).ended, None);
    assert_eq!(reason(&world), Some(IssueReason::Drifted));
}

#[test]
fn an_end_is_remembered_after_a_reset_of_managed_fields_but_not_its_time() {
    let mut world = over();
    world.server.reset_managed_fields();
    assert_eq!(wait_reason(&world), Some(WaitReason::Ended(EndReason::Expired)));
    let remembered = |world: &World| Stored::read(&world.server.get().unwrap()).ended.unwrap().expiration;
    assert_eq!(remembered(&world), None);
    let mut world = over();
    assert_eq!(remembered(&world), Some(at(3600)));
    them(&mut world, |secret| put(secret, "expires-at", b"2020-01-01T00:00:00Z"));
    assert_eq!(remembered(&world), None);
}

#[test]
fn a_url_that_is_renewed_is_signed_again_after_it_was_withdrawn() {
    let mut world = settled();
    world.end(EndReason::Denied);
    assert_eq!(reason(&world), Some(IssueReason::Expired));
    world.request.is_signed_once = true;
    assert_eq!(wait_reason(&world), Some(WaitReason::Ended(EndReason::Denied)));
}

/// A world whose request is that of a signer with a cap.
fn capped(cap: u32) -> World {
    let mut world = World::new();
    let signer = crate::domain::model::signer();
    world.request.credentials =
        CredentialsLocation { ..signer.credentials(Requester::new("team-a", "report")).unwrap() };
    (world.request.cap, world.request.expires_in) = (Some(cap), 7200);
    world.permission = Permission::Allowed { why: "rule".to_owned() };
    world.act(world.decide());
    world.now = at(60);
    world
}

#[test]
fn another_cap_waits_for_the_renewal() {
    for (before, after) in [(3600, 600), (3600, 7000), (600, 3600), (9000, 3600)] {
        let mut world = capped(before);
        let lifetime = before.min(7200);
        let kept = world.decide();
        assert!(matches!(kept, Decision::Keep { .. }), "{kept:?}");
        world.request.cap = Some(after);
        assert_eq!(world.decide(), kept, "{before} then {after}");
        world.now = at(i64::from(lifetime) * 2 / 3);
        let Decision::Issue { reason, validity } = world.decide() else { panic!("{:?}", world.decide()) };
        assert_eq!((reason, validity.lifetime), (IssueReason::RenewalDue, after.min(7200)));
    }
}

#[test]
fn another_request_does_not_wait_for_the_renewal() {
    let mut world = capped(3600);
    world.request.expires_in = 1800;
    assert_eq!(reason(&world), Some(IssueReason::SpecChanged));
    // The cap hides the difference, so only the annotation is written.
    let mut world = capped(3600);
    world.request.expires_in = 5000;
    assert_eq!(world.decide(), Decision::Repair);
    world.act(Decision::Repair);
    assert!(matches!(world.decide(), Decision::Keep { .. }));
}

#[test]
fn the_signer_limits_the_lifetime() {
    let world = capped(3600);
    let url = world.stored().unwrap().content.url.unwrap();
    assert_eq!(url.validity.lifetime, 3600);
    let by = |request: &Request, expiration| url.validity.limited_by(request, expiration);
    assert_eq!(by(&world.request, None), LimitedBy::Signer);
    let other_cap = Request { cap: Some(60), ..world.request.clone() };
    assert_eq!(by(&other_cap, None), LimitedBy::Signer);
    assert_eq!(by(&other_cap, Some(at(3600))), LimitedBy::Credentials);
    assert_eq!(by(&Request { expires_in: 3600, ..world.request.clone() }, None), LimitedBy::Requested);
    assert_eq!(
        by(&Request { expires_in: 7200, ..crate::domain::model::request() }, None),
        LimitedBy::Credentials
    );
}
