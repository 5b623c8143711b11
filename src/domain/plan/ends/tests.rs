//! What happens to the URL of a request that is denied, and when an object is deleted.

use super::*;
use crate::domain::history::{History, Inputs};
use crate::domain::model::{THEM, World, at};
use crate::domain::plan::Action;
use crate::domain::reason::FailureReason;
use crate::domain::resolve::Permission;

fn denied(is_withdrawn: bool) -> Permission {
    let problem = Problem::new(FailureReason::NotPermitted, "no".to_owned());
    Permission::Denied { problem, is_withdrawn }
}

/// Ten minutes after an hour's URL was issued.
fn settled() -> World {
    let mut world = World::new();
    world.act(world.decide());
    world.now = at(600);
    world
}

fn plan(world: &World) -> Plan {
    world.plan(&History::default(), &Inputs::default(), true)
}

fn ends(world: &World, why: EndReason) -> Action {
    Action::End { why, request: Some(world.request.digest()) }
}

type EndStep = fn(&mut World);

#[test]
fn a_denied_url_stays_until_it_expires_or_is_withdrawn_at_once() {
    let steps: [(&str, EndStep, bool, bool); 6] = [
        ("alive", |_| {}, false, true),
        ("renewal due", |w| w.now = at(3000), false, true),
        ("expired", |w| w.now = at(3600), true, true),
        ("suspended", |w| w.request.suspend = true, false, true),
        ("expired and suspended", |w| (w.now, w.request.suspend) = (at(3600), true), false, true),
        ("no credentials", |w| w.credentials = None, false, true),
    ];
    for (name, step, is_ended_if_kept, is_ended_if_withdrawn) in steps {
        for (is_withdrawn, is_ended) in [(false, is_ended_if_kept), (true, is_ended_if_withdrawn)] {
            let mut world = settled();
            step(&mut world);
            world.permission = denied(is_withdrawn);
            let plan = plan(&world);
            let expected = if is_ended { ends(&world, EndReason::Denied) } else { Action::Nothing };
            assert_eq!(plan.action, expected, "{name}, withdrawn: {is_withdrawn}");
            assert!(matches!(&plan.progress, Progress::Failed(problem) if problem.message == "no"), "{name}");
            assert_eq!(plan.withdraws, is_withdrawn, "{name}");
        }
    }
}

#[test]
fn nothing_is_done_where_there_is_no_url_of_ours() {
    let steps: [(&str, EndStep); 3] = [
        ("no Secret", |w| w.server.delete()),
        ("ended already", |w| w.end(EndReason::Denied)),
        ("a foreign Secret", |w| {
            w.server.delete();
            w.server.update(THEM, at(1), |secret| {
                secret.data = Some([("url".to_owned(), k8s_openapi::ByteString(b"x".to_vec()))].into());
            });
        }),
    ];
    for (name, step) in steps {
        let mut world = settled();
        step(&mut world);
        world.permission = denied(true);
        assert_eq!(plan(&world).action, Action::Nothing, "{name}");
    }
}

#[test]
fn a_url_that_others_write_again_and_again_is_emptied_more_and_more_slowly() {
    let mut world = settled();
    world.permission = denied(true);
    let secret = world.server.get().unwrap();
    let url = secret.data.unwrap().remove("url").unwrap();
    world.end(EndReason::Denied);
    world.server.update(THEM, at(601), |secret| {
        secret.data.get_or_insert_default().insert("url".to_owned(), url);
    });
    let first = plan(&world);
    assert_eq!(first.action, ends(&world, EndReason::Denied));
    assert!(first.is_contested);
    let mut history = History::default();
    history.contested(&Inputs::default(), world.now, None);
    let second = world.plan(&history, &Inputs::default(), true);
    assert!(second.action == Action::Nothing && second.contested_until.is_some());
}

#[test]
fn an_object_is_deleted_some_time_after_the_end_of_its_url() {
    let mut world = World::new();
    (world.request.is_signed_once, world.request.ttl_after_expired) = (true, Some(60));
    world.act(world.decide());
    assert_eq!(plan(&world).delete_at, None);
    world.now = at(3600);
    let end = plan(&world);
    assert_eq!((end.action, end.delete_at), (ends(&world, EndReason::Expired), Some(at(3660))));
    world.end(EndReason::Expired);
    let rest = plan(&world);
    assert_eq!((rest.action, rest.delete_at), (Action::Nothing, Some(at(3660))));
    assert_eq!(rest.progress, Progress::Ended { why: EndReason::Expired, deleted_at: Some(at(3660)) });
    world.request.suspend = true;
    assert_eq!(plan(&world).delete_at, None);
    (world.request.suspend, world.request.ttl_after_expired) = (false, None);
    assert_eq!(plan(&world).delete_at, None);
}

#[test]
fn a_request_that_was_edited_too_is_not_remembered() {
    let mut world = settled();
    world.permission = denied(true);
    world.request.key.push('x');
    assert_eq!(plan(&world).action, Action::End { why: EndReason::Denied, request: None });
}

#[test]
fn a_url_whose_signer_is_missing_just_expires_and_one_that_is_not_permitted_is_not_renewed() {
    for (reason, is_withdrawn, expired, is_renewed) in [
        (FailureReason::SignerNotFound, false, EndReason::Expired, true),
        (FailureReason::SignerNotFound, true, EndReason::Denied, true),
        (FailureReason::NotPermitted, false, EndReason::Denied, false),
        (FailureReason::NotPermitted, true, EndReason::Denied, false),
    ] {
        let mut world = settled();
        let problem = Problem::new(reason, "no".to_owned());
        world.permission = Permission::Denied { problem, is_withdrawn };
        let Seen::Url(reported) = plan(&world).seen else { panic!("there is a URL") };
        assert_eq!(reported.renewal_time.is_some(), is_renewed, "{reason}");
        world.now = at(3600);
        assert_eq!(plan(&world).action, ends(&world, expired), "{reason}, withdrawn: {is_withdrawn}");
    }
}

#[test]
fn a_denied_object_is_deleted_at_its_time_unless_it_is_suspended_or_that_has_just_failed() {
    let mut world = World::new();
    (world.request.is_signed_once, world.request.ttl_after_expired) = (true, Some(60));
    world.act(world.decide());
    (world.now, world.permission) = (at(600), denied(false));
    assert_eq!(plan(&world).delete_at, Some(at(3660)));
    let mut history = History::default();
    let problem = Problem::new(FailureReason::ApiError, "trouble".to_owned());
    history.failed(&Inputs::default(), &problem, world.now, None, None);
    assert_eq!(world.plan(&history, &Inputs::default(), true).delete_at, None);
    world.request.suspend = true;
    assert_eq!(plan(&world).delete_at, None);
}

#[test]
fn a_deletion_that_failed_is_reported_until_it_is_tried_again() {
    let mut world = World::new();
    (world.request.is_signed_once, world.request.ttl_after_expired) = (true, Some(60));
    world.act(world.decide());
    world.end(EndReason::Expired);
    let mut history = History::default();
    let problem = Problem::new(FailureReason::ApiError, "trouble".to_owned());
    for (now, is_reported) in [(3659, false), (3660, true)] {
        world.now = at(now);
        history.failed(&Inputs::default(), &problem, world.now, None, None);
        let plan = world.plan(&history, &Inputs::default(), true);
        assert_eq!(plan.progress == Progress::Failed(problem.clone()), is_reported, "{:?}", plan.progress);
    }
}
