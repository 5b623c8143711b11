//! From each observation to the plan: what is done, and what stands in the way of it.

mod facts;

use kube::ResourceExt as _;

use super::*;
use crate::crd::names::LABEL_MANAGED;
use crate::domain::history::{History, Inputs};
use crate::domain::model::{SecretServer, THEM, World, at, credentials};
use crate::domain::reason::{Disposition, FailureReason};

/// Ten minutes after an hour's URL was issued.
fn settled() -> World {
    let mut world = World::new();
    world.act(world.decide());
    world.now = at(600);
    world
}

fn plan_at_rest(world: &World) -> Plan {
    world.plan(&History::default(), &Inputs::default(), true)
}

fn observed(world: &World, plan: impl FnOnce(Observation<'_>) -> Plan) -> Plan {
    world.observe(&History::default(), &Inputs::default(), true, plan)
}

fn problem(plan: &Plan) -> &Problem {
    match &plan.progress {
        Progress::Failed(problem) => problem,
        other => panic!("no failure: {other:?}"),
    }
}

fn trouble(reason: FailureReason) -> Problem {
    Problem::new(reason, "trouble".to_owned())
}

type PlanStep = fn(&mut World);

#[test]
fn each_decision_is_an_action() {
    let validity = |second| Validity { signing_time: at(second), lifetime: 3600 };
    let cases: [(&str, PlanStep, Action, Progress); 6] = [
        ("all is well", |_| {}, Action::Nothing, Progress::UpToDate),
        (
            "no Secret",
            |w| w.server.delete(),
            Action::Create { reason: IssueReason::Missing, validity: validity(600) },
            Progress::UpToDate,
        ),
        (
            "a renewal is due",
            |w| w.now = at(2400),
            Action::Replace { reason: IssueReason::RenewalDue, validity: validity(2400) },
            Progress::UpToDate,
        ),
        (
            "another label",
            |w| drop(w.request.target.labels.insert("team".into(), "b".into())),
            Action::Repair,
            Progress::UpToDate,
        ),
        ("suspended", |w| w.request.suspend = true, Action::Nothing, Progress::Suspended),
        (
            "suspended without a Secret",
            |w| (w.request.suspend, w.server) = (true, SecretServer::default()),
            Action::Nothing,
            Progress::Suspended,
        ),
    ];
    for (name, act, action, progress) in cases {
        let mut world = settled();
        act(&mut world);
        let plan = plan_at_rest(&world);
        assert_eq!((plan.action, plan.progress), (action, progress), "{name}");
        assert_eq!(plan.made_at, world.now, "{name}");
    }
}

#[test]
fn a_session_that_ends_is_waited_for_and_does_not_keep_a_repair_away() {
    let mut world = World { credentials: Some(credentials("ASIA", Some(at(3600)))), ..World::new() };
    world.act(world.decide());
    world.now = at(3595);
    let plan = plan_at_rest(&world);
    assert_eq!((plan.action, plan.progress), (Action::Nothing, Progress::AwaitingCredentials));
    world.request.target.labels.insert("team".to_owned(), "b".to_owned());
    let plan = plan_at_rest(&world);
    assert_eq!((plan.action, plan.progress), (Action::Repair, Progress::AwaitingCredentials));
    world.server.delete();
    let plan = plan_at_rest(&world);
    assert_eq!(problem(&plan).reason, FailureReason::CredentialsExpired);
}

#[test]
fn obstacles_are_reported_in_this_order() {
    let mut world = settled();
    world.now = at(2400);
    world.server.update(THEM, at(2400), |secret| secret.immutable = Some(true));
    let stored = world.stored().unwrap();
    let mut foreign = stored.clone();
    foreign.controller.as_mut().unwrap().is_presigned_url = false;
    foreign.controller.as_mut().unwrap().uid = "u-9".into();
    let mut predecessors = stored.clone();
    predecessors.controller.as_mut().unwrap().uid = "u-9".into();

    let plan_of = observed(&world, |o| {
        let (request, target) =
            (Err(trouble(FailureReason::InvalidSpec)), Err(trouble(FailureReason::ApiError)));
        plan(&Observation { request, target, ..o })
    });
    assert_eq!(problem(&plan_of).reason, FailureReason::InvalidSpec);
    assert_eq!((&plan_of.seen, plan_of.secret_name), (&Seen::Unknown, None));

    let plan_of =
        observed(&world, |o| plan(&Observation { target: Err(trouble(FailureReason::ApiError)), ..o }));
    assert_eq!(problem(&plan_of).reason, FailureReason::ApiError);
    assert_eq!((&plan_of.seen, plan_of.secret_name.as_deref()), (&Seen::Unknown, Some("report")));

    let plan_of = observed(&world, |o| plan(&Observation { target: Ok(Some(&foreign)), ..o }));
    assert_eq!(problem(&plan_of).reason, FailureReason::SecretConflict);
    assert_eq!(plan_of.seen, Seen::Nothing);

    let plan_of = observed(&world, |o| plan(&Observation { target: Ok(Some(&predecessors)), ..o }));
    assert_eq!((&plan_of.progress, plan_of.seen), (&Progress::AwaitingCollection, Seen::Nothing));

    let unsigned =
        |o: Observation<'_>| plan(&Observation { rendered: Err(trouble(FailureReason::SigningFailed)), ..o });
    let plan_of = observed(&world, unsigned);
    assert_eq!(problem(&plan_of).reason, FailureReason::SecretConflict);
    assert!(problem(&plan_of).message.contains("immutable"));
    assert!(matches!(&plan_of.seen, Seen::Url(reported) if !reported.matches));
    let plan_of = observed(&settled(), unsigned);
    assert_eq!((problem(&plan_of).reason, plan_of.action), (FailureReason::SigningFailed, Action::Nothing));
}

#[test]
fn without_credentials_their_problem_is_reported_and_the_stored_url_compared_without_them() {
    let mut world = settled();
    world.now = at(2400);
    world.credentials = None;
    let plan = plan_at_rest(&world);
    assert_eq!(problem(&plan).reason, FailureReason::CredentialsNotFound);
    assert!(matches!(&plan.seen, Seen::Url(reported) if reported.matches));
    world.request.key.push('x');
    assert!(matches!(&plan_at_rest(&world).seen, Seen::Url(reported) if !reported.matches));
}

#[test]
fn a_failure_holds_every_action_until_its_time_or_other_inputs() {
    let inputs = Inputs { generation: Some(1), ..Inputs::default() };
    let mut history = History::default();
    let retry_at = history.failed(&inputs, &trouble(FailureReason::ApiError), at(600), None, None);
    assert_eq!(retry_at, at(602));
    let acts: [PlanStep; 2] =
        [|w| w.server.delete(), |w| drop(w.request.target.labels.insert("team".to_owned(), "b".to_owned()))];
    for act in acts {
        let mut world = settled();
        act(&mut world);
        let plan = world.plan(&history, &inputs, true);
        assert_eq!((plan.action, problem(&plan)), (Action::Nothing, &trouble(FailureReason::ApiError)));
        let other = Inputs { credentials: 7, ..inputs.clone() };
        assert_ne!(world.plan(&history, &other, true).action, Action::Nothing);
        world.now = retry_at;
        assert_ne!(world.plan(&history, &inputs, true).action, Action::Nothing);
    }
    let plan = settled().plan(&history, &inputs, true);
    assert_eq!(plan.progress, Progress::UpToDate, "nothing was to be done");
}

#[test]
fn a_contested_write_waits_and_is_reported_but_no_person_is_asked_to_act() {
    let take = |w: &mut World| w.server.update(THEM, w.now, |s| drop(s.data.take()));
    let plant = |w: &mut World| {
        w.now = at(2400);
        let url = w.server.get().unwrap().data.unwrap()["url"].clone();
        w.server.update(THEM, at(2400), |s| drop(s.data.as_mut().unwrap().remove("url")));
        w.server.update(THEM, at(2400), |s| drop(s.data.as_mut().unwrap().insert("url".into(), url)));
    };
    let cases: [(&str, PlanStep, Option<FailureReason>); 6] = [
        ("deleted", |w| w.server.delete(), Some(FailureReason::SecretConflict)),
        ("drifted", take, Some(FailureReason::SecretConflict)),
        ("an older URL of ours", plant, Some(FailureReason::SecretConflict)),
        (
            "other credentials",
            |w| w.credentials = Some(credentials("OTHER", None)),
            Some(FailureReason::CredentialsInvalid),
        ),
        (
            "the token's annotation taken",
            |w| w.request.renew = Some("token".to_owned()),
            Some(FailureReason::SecretConflict),
        ),
        ("a label", |w| w.server.update(THEM, w.now, |s| s.labels_mut().clear()), None),
    ];
    for (name, act, reason) in cases {
        let mut world = settled();
        act(&mut world);
        let inputs = Inputs { renew: world.request.renew.clone().map(Into::into), ..Inputs::default() };
        let first = world.plan(&History::default(), &inputs, true);
        assert!(first.is_contested && first.action != Action::Nothing, "{name}");
        let mut history = History::default();
        history.contested(&inputs, world.now, None);
        let waiting = world.plan(&history, &inputs, true);
        assert_eq!(waiting.action, Action::Nothing, "{name}");
        assert!(waiting.contested_until > Some(world.now), "{name}");
        match (&waiting.progress, reason) {
            (Progress::Failed(problem), Some(reason)) => {
                assert_eq!((problem.reason, problem.disposition), (reason, Disposition::Retry), "{name}");
            }
            (progress, None) => assert_eq!(*progress, Progress::UpToDate, "{name}"),
            (progress, _) => panic!("{name}: {progress:?}"),
        }
        world.now = waiting.contested_until.unwrap();
        assert_eq!(world.plan(&history, &inputs, true).contested_until, None, "{name}");
    }
}

#[test]
fn what_nobody_contests_does_not_wait() {
    let mut world = settled();
    world.server.delete();
    assert!(!world.plan(&History::default(), &Inputs::default(), false).is_contested, "a first issue");
    let cases: [(&str, PlanStep); 4] = [
        ("an expired URL", |w| w.now = at(3600)),
        ("a renewal", |w| w.now = at(2400)),
        ("another spec", |w| w.request.key.push('x')),
        ("a token that was not answered yet", |w| w.request.renew = Some("new".to_owned())),
    ];
    for (name, act) in cases {
        let mut world = settled();
        act(&mut world);
        let renew = world.request.renew.clone().map(Into::into);
        let inputs = Inputs { renew, generation: Some(2), ..Inputs::default() };
        let mut history = History::default();
        history.contested(&Inputs::default(), world.now, None);
        assert!(world.plan(&history, &inputs, true).signs(), "{name}");
    }
}

#[test]
fn a_status_that_lost_its_times_ends_no_contest() {
    let mut world = settled();
    world.server.delete();
    let mut history = History::default();
    history.contested(&Inputs::default(), world.now, None);
    let plan = world.plan(&history, &Inputs::default(), false);
    assert_eq!((plan.action, plan.contested_until), (Action::Nothing, Some(at(602))));
}

#[test]
fn a_co_owned_secret_is_read_before_a_write_that_may_leave_something_behind() {
    let cases: [(&str, PlanStep, bool); 4] = [
        ("a renewal", |w| w.now = at(2400), false),
        ("a label added", |w| drop(w.request.target.labels.insert("team".into(), "b".into())), true),
        (
            "a label of ours taken",
            |w| w.server.update(THEM, w.now, |s| drop(s.labels_mut().remove(LABEL_MANAGED))),
            true,
        ),
        (
            "a renewal with another URL key",
            |w| (w.now, w.request.target.url_key) = (at(2400), "link".into()),
            true,
        ),
    ];
    for (name, act, reads_first) in cases {
        let mut world = settled();
        act(&mut world);
        assert_eq!(plan_at_rest(&world).reads_first, reads_first, "after our create: {name}");
    }
    let mut world = World::new();
    let (applied, fresh) = (world.now, world.fresh(Validity { signing_time: at(0), lifetime: 3600 }));
    world.server.apply(crate::domain::model::US, &fresh.into_secret(), applied).unwrap();
    world.request.target.labels.insert("team".to_owned(), "b".to_owned());
    assert!(!plan_at_rest(&world).reads_first, "an apply of ours alone");
}

#[test]
fn a_url_has_so_much_left() {
    let mut world = settled();
    let plan = plan_at_rest(&world);
    for (now, left) in [(at(600), Some(3000)), (at(3599), Some(1)), (at(3600), None), (at(9000), None)] {
        assert_eq!(plan.left(now), left);
    }
    world.server.delete();
    assert_eq!(plan_at_rest(&world).left(at(600)), None);
}
