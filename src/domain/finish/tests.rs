//! From each progress and interruption to the next reconcile, the label and what is remembered.

mod deletion;
mod writes;

use super::*;
use crate::domain::Validity;
use crate::domain::history::Inputs;
use crate::domain::model::{World, at, credentials, request};
use crate::domain::plan::Action;

/// A URL that is due at 40 s and expires at 60 s.
fn reported() -> ReportedUrl {
    let validity = Validity { signing_time: at(0), lifetime: 60 };
    ReportedUrl { renewal_time: Some(at(40)), ..ReportedUrl::new(&request(), validity, None, 0) }
}

fn plan(progress: Progress, seen: Seen) -> Plan {
    let mut plan = Plan::nothing(at(0), Inputs::default(), None);
    (plan.progress, plan.seen) = (progress, seen);
    plan
}

fn outcome(second: i64, result: Result<Done, Interruption>) -> Outcome {
    Outcome { ended_at: at(second), result, prune_at: None }
}

fn done(plan: &Plan, outcome: &Outcome, history: &History) -> Finish {
    finish(plan, outcome, history, ReportContext { generation: Some(1), ..ReportContext::default() })
}

fn failed(reason: FailureReason) -> Progress {
    Progress::Failed(Problem::new(reason, "trouble".to_owned()))
}

fn api_error(retry_after: Option<u32>) -> Interruption {
    let problem = Problem::new(FailureReason::ApiError, "trouble".to_owned());
    Interruption::Failed { problem, retry_after }
}

#[test]
fn each_progress_has_its_next_reconcile() {
    use FailureReason as F;
    let (credentials, target) = (Some(Awaited::Credentials), Some(Awaited::Target));
    let retried = Problem::retried(F::SecretConflict, "again and again".to_owned());
    let (url, nothing) = (Seen::Url(reported()), Seen::Nothing);
    let on_change = |second: Option<i64>| Next::OnChange(second.map(at));
    let cases = [
        (Progress::UpToDate, &url, Next::At(at(40)), None, "kept", None),
        (Progress::UpToDate, &nothing, on_change(None), None, "kept", None),
        (Progress::Suspended, &url, on_change(Some(60)), None, "waiting", None),
        (Progress::Suspended, &nothing, on_change(None), None, "waiting", None),
        (Progress::AwaitingCredentials, &url, on_change(Some(40)), credentials, "waiting", None),
        (Progress::AwaitingCollection, &nothing, on_change(None), target, "waiting", None),
        (failed(F::InvalidSpec), &url, on_change(Some(40)), None, "failed", Some(F::InvalidSpec)),
        (failed(F::SecretConflict), &nothing, on_change(None), target, "failed", Some(F::SecretConflict)),
        (
            failed(F::CredentialsNotFound),
            &url,
            on_change(Some(40)),
            credentials,
            "failed",
            Some(F::CredentialsNotFound),
        ),
        (
            failed(F::CredentialsInvalid),
            &nothing,
            on_change(None),
            credentials,
            "failed",
            Some(F::CredentialsInvalid),
        ),
        (
            failed(F::CredentialsExpired),
            &nothing,
            on_change(None),
            credentials,
            "failed",
            Some(F::CredentialsExpired),
        ),
        (failed(F::SigningFailed), &nothing, Next::At(at(7)), None, "failed", Some(F::SigningFailed)),
        (failed(F::ApiError), &Seen::Unknown, Next::At(at(7)), None, "failed", Some(F::ApiError)),
        (failed(F::InternalError), &url, Next::At(at(7)), None, "failed", Some(F::InternalError)),
        (Progress::Failed(retried), &nothing, Next::At(at(7)), None, "failed", Some(F::SecretConflict)),
    ];
    for (progress, seen, next, awaits, label, failure) in cases {
        let plan = plan(progress.clone(), seen.clone());
        let finish = done(&plan, &outcome(5, Ok(Done::Nothing)), &History::default());
        assert_eq!(finish.next, next, "{progress:?}");
        assert_eq!(finish.history.awaits(), awaits, "{progress:?}");
        assert_eq!((finish.label, finish.failure), (label, failure), "{progress:?}");
        let report = finish.report.unwrap();
        assert_eq!((&report.progress, &report.seen), (&progress, seen));
        assert_eq!(finish.history.backoff(&Inputs::default(), at(5)).is_some(), next == Next::At(at(7)));
    }
}

#[test]
fn each_interruption_has_its_next_reconcile() {
    let on_change = Next::OnChange(Some(at(40)));
    let cases = [
        (api_error(None), Next::At(at(7)), "failed", true),
        (api_error(Some(20)), Next::At(at(25)), "failed", true),
        (api_error(Some(90)), Next::At(at(40)), "failed", true),
        (Interruption::Outdated, Next::At(at(6)), "left", false),
        (Interruption::Overloaded { retry_after: None }, Next::At(at(6)), "left", false),
        (Interruption::Overloaded { retry_after: Some(9) }, Next::At(at(14)), "left", false),
        (Interruption::Overloaded { retry_after: Some(90) }, Next::At(at(40)), "left", false),
        (Interruption::LostLease, on_change, "left", false),
        (Interruption::Gone, on_change, "left", false),
    ];
    for (interruption, next, label, is_told) in cases {
        let plan = plan(Progress::AwaitingCredentials, Seen::Url(reported()));
        let finish = done(&plan, &outcome(5, Err(interruption.clone())), &History::default());
        assert_eq!((finish.next, finish.label), (next, label), "{interruption:?}");
        assert_eq!(finish.report.is_some(), is_told, "{interruption:?}");
        assert_eq!(finish.failure.is_some(), is_told, "{interruption:?}");
        assert_eq!(finish.history.backoff(&Inputs::default(), at(5)).is_some(), is_told);
    }
}

#[test]
fn what_happens_three_times_in_a_row_is_reported() {
    for interruption in [Interruption::Outdated, Interruption::Overloaded { retry_after: None }] {
        let plan = plan(Progress::UpToDate, Seen::Nothing);
        let mut history = History::default();
        for (time, expected) in [(0, "left"), (1, "left"), (2, "failed"), (4, "failed")] {
            let finish = done(&plan, &outcome(time, Err(interruption.clone())), &history);
            assert_eq!(finish.label, expected, "{interruption:?} at {time}");
            history = finish.history;
        }
        let finish = done(&plan, &outcome(9, Ok(Done::Nothing)), &history);
        assert!(finish.history.is_at_rest());
        let finish = done(&plan, &outcome(9, Err(interruption)), &finish.history);
        assert_eq!(finish.label, "left", "counted anew");
    }
}

#[test]
fn a_time_that_passes_during_the_reconcile_causes_another() {
    let cases = [
        (Progress::UpToDate, 39, Next::At(at(40))),
        (Progress::UpToDate, 45, Next::At(at(40))),
        (Progress::UpToDate, 70, Next::At(at(40))),
        (Progress::Suspended, 70, Next::OnChange(Some(at(60)))),
        (Progress::AwaitingCredentials, 70, Next::OnChange(Some(at(40)))),
        (failed(FailureReason::ApiError), 45, Next::At(at(40))),
    ];
    for (progress, ended_at, next) in cases {
        let plan = plan(progress.clone(), Seen::Url(reported()));
        for result in [Ok(Done::Nothing), Ok(Done::Repaired)] {
            let finish = done(&plan, &outcome(ended_at, result), &History::default());
            assert_eq!(finish.next, next, "{progress:?} until {ended_at}");
        }
        for interruption in [api_error(None), Interruption::LostLease, Interruption::Outdated] {
            let finish = done(&plan, &outcome(ended_at, Err(interruption)), &History::default());
            let (Next::At(time) | Next::OnChange(Some(time))) = finish.next else { panic!("forgotten") };
            let first = if progress == Progress::Suspended { at(60) } else { at(40) };
            assert!(time <= first, "{progress:?} until {ended_at}");
        }
    }
    let mut late = plan(Progress::UpToDate, Seen::Nothing);
    late.made_at = at(0);
    let finish = done(&late, &outcome(70, Ok(Done::Issued(reported()))), &History::default());
    assert_eq!(finish.next, Next::At(at(40)), "the URL that was just written");
}

#[test]
fn what_was_reconciled_is_not_reconciled_again() {
    let mut plan = plan(Progress::AwaitingCredentials, Seen::Url(reported()));
    for (made_at, next) in [(39, Some(40)), (40, Some(60)), (59, Some(60)), (60, None), (99, None)] {
        plan.made_at = at(made_at);
        let finish = done(&plan, &outcome(made_at, Ok(Done::Nothing)), &History::default());
        assert_eq!(finish.next, Next::OnChange(next.map(at)), "{made_at}");
    }
}

#[test]
fn pruning_comes_at_its_time_even_if_that_is_now() {
    for (prune_at, expected) in [(30, 30), (50, 40), (5, 5), (0, 0)] {
        let plan = plan(Progress::UpToDate, Seen::Url(reported()));
        let outcome = Outcome { prune_at: Some(at(prune_at)), ..outcome(5, Ok(Done::Nothing)) };
        assert_eq!(done(&plan, &outcome, &History::default()).next, Next::At(at(expected)));
    }
}

#[test]
fn a_backoff_that_goes_on_is_neither_counted_again_nor_put_off() {
    let plan = plan(failed(FailureReason::ApiError), Seen::Nothing);
    let first = done(&plan, &outcome(0, Ok(Done::Nothing)), &History::default());
    assert_eq!((first.next, first.failure), (Next::At(at(2)), Some(FailureReason::ApiError)));
    let second = done(&plan, &outcome(1, Ok(Done::Nothing)), &first.history);
    assert_eq!((second.next, second.failure), (Next::At(at(2)), None));
    assert_eq!(second.history, first.history);
    let third = done(&plan, &outcome(2, Ok(Done::Nothing)), &second.history);
    assert_eq!((third.next, third.failure), (Next::At(at(6)), Some(FailureReason::ApiError)));
}

#[test]
fn a_status_that_could_not_be_written_is_tried_again_and_hides_no_earlier_time() {
    let settled = plan(Progress::UpToDate, Seen::Url(reported()));
    let kept = done(&settled, &outcome(5, Ok(Done::Nothing)), &History::default());
    let overloaded = |retry_after| Interruption::Overloaded { retry_after };
    for (why, now, next) in [
        (api_error(None), 5, Next::At(at(7))),
        (api_error(Some(90)), 5, Next::At(at(40))),
        (api_error(None), 39, Next::At(at(40))),
        (Interruption::Superseded, 5, Next::At(at(7))),
        (overloaded(Some(3)), 5, Next::At(at(8))),
        (overloaded(Some(90)), 5, Next::At(at(40))),
        (Interruption::LostLease, 5, Next::At(at(40))),
        (Interruption::Gone, 5, Next::At(at(40))),
    ] {
        let (history, found) = status_not_written(&kept, &settled, &why, at(now));
        assert_eq!(found, next, "{why:?} at {now}");
        assert!(history.backoff(&Inputs::default(), at(now)).is_none(), "the Secret is not left alone");
    }
    // The backoff of the failure goes on.
    let failing = plan(failed(FailureReason::ApiError), Seen::Nothing);
    let failing_once = done(&failing, &outcome(5, Ok(Done::Nothing)), &History::default());
    let (history, next) = status_not_written(&failing_once, &failing, &api_error(None), at(6));
    assert_eq!((history.backoff(&Inputs::default(), at(6)).is_some(), next), (true, Next::At(at(7))));
    // A report that waits for a change is tried again all the same.
    let waiting = plan(failed(FailureReason::CredentialsNotFound), Seen::Nothing);
    let waiting_once = done(&waiting, &outcome(5, Ok(Done::Nothing)), &History::default());
    let (history, next) = status_not_written(&waiting_once, &waiting, &api_error(None), at(5));
    assert_eq!((history.awaits(), next), (Some(Awaited::Credentials), Next::OnChange(Some(at(7)))));
}

/// Carries out what is planned at once, and says whether something was written.
fn reconcile(world: &mut World, history: &mut History, was_issued: bool) -> (bool, Finish) {
    let inputs = Inputs::default();
    let plan = world.plan(history, &inputs, was_issued);
    let result = match plan.action {
        Action::Nothing | Action::GetSession { .. } => Done::Nothing,
        Action::Repair => {
            world.write(world.rendered().unwrap(), plan.reads_first).unwrap();
            Done::Repaired
        }
        Action::End { why, .. } => {
            world.end(why);
            Done::Ended
        }
        Action::Create { validity, .. } | Action::Replace { validity, .. } => {
            world.write(world.fresh(validity), plan.reads_first).unwrap();
            Done::Issued(ReportedUrl::new(&world.request, validity, world.credentials.as_ref(), 0))
        }
    };
    let did = result != Done::Nothing;
    let second = world.now.as_second() - at(0).as_second();
    let finish = done(&plan, &outcome(second, Ok(result)), history);
    *history = finish.history.clone();
    (did, finish)
}

#[test]
fn a_contest_writes_at_most_five_times_in_eight_seconds_whatever_is_done() {
    use crate::domain::model::THEM;
    use k8s_openapi::api::core::v1::Secret;
    use kube::ResourceExt as _;
    fn touch(world: &mut World, edit: fn(&mut Secret)) {
        if world.server.get().is_some() {
            world.server.update(THEM, world.now, edit);
        }
    }
    let deeds: [fn(&mut World, i64); 5] = [
        |w, _| w.server.delete(),
        |w, _| touch(w, |s| drop(s.data.take())),
        |w, n| w.credentials = Some(credentials(&format!("KEY{}", n % 2), Some(at(10_000)))),
        |w, _| touch(w, |s| s.labels_mut().clear()),
        |w, _| w.server.reset_managed_fields(),
    ];
    for expires_in in [10, 60, 3600] {
        for mix in 1_usize..1 << deeds.len() {
            let mut world = World::new();
            world.request.expires_in = expires_in;
            let mut history = History::default();
            reconcile(&mut world, &mut history, false);
            let chosen: Vec<_> = deeds.iter().enumerate().filter(|(n, _)| mix >> n & 1 == 1).collect();
            let mut writes = 0;
            for moment in 0..64_usize {
                let now = i64::try_from(moment / 8).unwrap();
                world.now = at(1 + now);
                chosen[moment % chosen.len()].1(&mut world, i64::try_from(moment).unwrap());
                let (did, finish) = reconcile(&mut world, &mut history, true);
                writes += u32::from(did);
                let Some(Report { progress: Progress::Failed(problem), .. }) = finish.report else {
                    continue;
                };
                assert_eq!(problem.disposition, Disposition::Retry, "nobody is asked to act");
            }
            assert!((1..=5).contains(&writes), "{writes} writes of deeds {mix:b} with {expires_in} s");
        }
    }
}
