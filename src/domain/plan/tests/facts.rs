//! What a plan says besides its action, what a failure leaves of it, and the texts of conflicts.

use super::*;
use crate::domain::model::{session_request, signer};
use crate::domain::policy::Requester;
use crate::domain::status::ReportedUrl;

fn reported(plan: &Plan) -> &ReportedUrl {
    match &plan.seen {
        Seen::Url(reported) => reported,
        other => panic!("no URL: {other:?}"),
    }
}

fn denied(is_withdrawn: bool) -> Permission {
    Permission::Denied { problem: trouble(FailureReason::NotPermitted), is_withdrawn }
}

#[test]
fn only_a_missing_secret_is_created_and_a_repair_signs_nothing() {
    let steps: [(PlanStep, bool, bool); 4] = [
        (|_| {}, false, false),
        (|w| w.server.delete(), true, true),
        (|w| w.now = at(2400), false, true),
        (|w| drop(w.request.target.labels.insert("team".into(), "b".into())), false, false),
    ];
    for (step, creates, signs) in steps {
        let mut world = settled();
        step(&mut world);
        let plan = plan_at_rest(&world);
        assert_eq!((plan.creates(), plan.signs()), (creates, signs), "{:?}", plan.action);
    }
}

#[test]
fn a_plan_says_what_its_request_says() {
    let mut world = settled();
    let inline = plan_at_rest(&world);
    assert_eq!(inline.credentials_place.as_deref(), Some("in Secret \"keys\""));
    assert!(!inline.has_session && inline.hints.is_empty(), "{inline:?}");
    assert_eq!(inline.permission, Permission::NotNeeded);
    world.request.key.insert(0, '/');
    world.permission = Permission::Allowed { why: "by a rule".to_owned() };
    let plan = plan_at_rest(&world);
    assert_eq!((plan.hints, plan.permission), (world.request.hints(), world.permission));
    assert_eq!(world.request.hints().len(), 1);
    let sessions = World { request: session_request(), ..settled() };
    let plan = plan_at_rest(&sessions);
    assert_eq!(plan.credentials_place.as_deref(), Some("of ServiceAccount \"uploader\""));
    assert!(plan.has_session);
}

#[test]
fn a_failure_takes_the_action_back_and_deletes_nothing() {
    let mut world = settled();
    world.server.delete();
    let write = Plan { delete_at: Some(at(700)), ..plan_at_rest(&world) };
    assert!(write.is_contested && write.action != Action::Nothing);
    let failed = write.fail(trouble(FailureReason::ApiError));
    assert_eq!((failed.action, failed.is_contested, failed.delete_at), (Action::Nothing, false, None));
    assert_eq!(problem(&failed), &trouble(FailureReason::ApiError));
}

#[test]
fn a_secret_that_cannot_be_written_is_not_emptied_and_a_denial_is_said_first() {
    let mut world = settled();
    world.permission = denied(true);
    assert!(matches!(plan_at_rest(&world).action, Action::End { .. }));
    world.server.update(THEM, at(600), |secret| secret.immutable = Some(true));
    let plan = plan_at_rest(&world);
    assert_eq!((plan.action, problem(&plan)), (Action::Nothing, &trouble(FailureReason::NotPermitted)));
}

#[test]
fn a_session_is_got_where_one_can_be_got() {
    let missing = |can_get_session: bool| {
        let world = World { request: session_request(), credentials: None, ..World::new() };
        observed(&world, |o| plan(&Observation { can_get_session, ..o }))
    };
    let need = SessionNeed { until: at(3600), longer_than: None };
    let plan = missing(true);
    assert_eq!(
        (plan.action, plan.progress),
        (Action::GetSession { reason: IssueReason::Missing, need }, Progress::UpToDate)
    );
    let plan = missing(false);
    assert_eq!((plan.action, problem(&plan).reason), (Action::Nothing, FailureReason::CredentialsNotFound));
}

#[test]
fn a_renewal_needs_a_session_that_lasts_longer_and_a_repair_needs_none() {
    let mut world = World { request: session_request(), ..World::new() };
    world.credentials = Some(credentials("ASIA", Some(at(7200))));
    world.act(world.decide());
    world.credentials = None;
    let of =
        |world: &World, can_get_session| observed(world, |o| plan(&Observation { can_get_session, ..o }));
    let at_rest = of(&world, true);
    assert_eq!((at_rest.action, &at_rest.progress), (Action::Nothing, &Progress::UpToDate));
    let failing = of(&world, false);
    assert_eq!(
        (failing.action, problem(&failing).reason),
        (Action::Nothing, FailureReason::CredentialsNotFound)
    );
    for (step, longer_than) in [
        (Box::new(|w: &mut World| w.now = at(3000)) as Box<dyn Fn(&mut World)>, Some(at(3600))),
        (Box::new(|w: &mut World| (w.now, w.request.renew) = (at(3000), Some("now".to_owned()))), None),
    ] {
        let mut world = world.clone();
        step(&mut world);
        let Action::GetSession { need, .. } = of(&world, true).action else {
            panic!("no session is asked for")
        };
        assert_eq!(need, SessionNeed { until: at(6600), longer_than });
    }
    // Other credentials than sessions are missed when they are needed.
    let other = World { credentials: None, ..settled() };
    assert_eq!(
        of(&other, false).progress,
        Progress::Failed(Problem::new(FailureReason::CredentialsNotFound, "no Secret".to_owned()))
    );
}

#[test]
fn the_report_says_where_the_stored_url_leads_and_who_wrote_it() {
    let mut world = settled();
    world.request.renew = Some("token".to_owned());
    world.act(world.decide());
    let seen = |world: &World| {
        observed(world, |o| {
            let rendering = o.rendered.as_ref().ok().copied().flatten();
            let rendered = Ok(rendering.map(|rendering| Rendering { location: "https://h/a", ..rendering }));
            plan(&Observation { rendered, ..o })
        })
    };
    let ours = seen(&world);
    let ours = reported(&ours);
    let stored = world.stored().unwrap();
    assert_eq!(ours.digest.as_deref(), stored.content.url.as_ref());
    assert_eq!(
        (ours.location.as_deref(), ours.handled_renew.as_deref()),
        (Some("https://h/a"), Some("token"))
    );
    assert!(!ours.is_planted);
    world.permission = denied(false);
    assert_eq!(reported(&seen(&world)).location, None, "a namespace that is refused is told nothing");
    world.permission = Permission::NotNeeded;

    // Another client writes the same URL, and then an older one.
    let url = world.server.get().unwrap().data.unwrap()["url"].clone();
    let write = |world: &mut World, url: k8s_openapi::ByteString| {
        world.server.update(THEM, at(601), |s| drop(s.data.as_mut().unwrap().remove("url")));
        world.server.update(THEM, at(601), |s| drop(s.data.as_mut().unwrap().insert("url".into(), url)));
    };
    write(&mut world, url);
    assert!(!reported(&seen(&world)).is_planted, "it is the URL that we would sign");
    let other = World { credentials: Some(credentials("OTHER", None)), ..World::new() };
    let other = other.fresh(Validity { signing_time: at(500), lifetime: 3600 }).into_secret();
    write(&mut world, other.data.unwrap()["url"].clone());
    assert!(reported(&seen(&world)).is_planted);
}

#[test]
fn a_conflict_says_what_the_secret_is_and_what_to_do() {
    let stored = settled().stored().unwrap();
    let of = |step: fn(&mut World, &mut Stored)| {
        let (mut world, mut stored) = (World::new(), stored.clone());
        let controller = stored.controller.as_mut().unwrap();
        (controller.uid, controller.name) = ("u-9".into(), "other".into());
        step(&mut world, &mut stored);
        let owner = crate::domain::model::owner();
        conflict(&stored, &world.request, &owner).message
    };
    let of_another = of(|_, _| {});
    assert_eq!(
        of_another,
        "Secret \"report\" belongs to PresignedUrl \"other\": choose another spec.secret.name"
    );
    for (step, text) in [
        (
            (|_, s| s.controller.as_mut().unwrap().is_presigned_url = false) as fn(&mut World, &mut Stored),
            "was not written for",
        ),
        (|_, s| s.controller = None, "was not written for"),
        (|w, _| w.request.target.name = "keys".to_owned(), "holds the credentials"),
        // Which Secret a signer reads is its own affair, and another namespace has its own Secrets.
        (
            |w, _| {
                w.request.target.name = "media-key".to_owned();
                w.request.credentials = signer().credentials(Requester::new("team-a", "report")).unwrap();
                w.request.credentials.namespace = "team-a".to_owned();
            },
            "belongs to PresignedUrl",
        ),
        (
            |w, _| {
                w.request.target.name = "keys".to_owned();
                w.request.credentials.namespace = "team-b".to_owned();
            },
            "belongs to PresignedUrl",
        ),
    ] {
        assert!(of(step).contains(text), "{}", of(step));
    }
}
