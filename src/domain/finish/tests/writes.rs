//! What follows a write: the report, the metrics, and a second look where one is needed.

use super::*;
use crate::domain::ended::EndReason;
use crate::domain::reason::IssueReason;

/// A renewal of the URL of [`reported`].
fn renewal() -> Plan {
    let validity = Validity { signing_time: at(40), lifetime: 60 };
    let action = Action::Replace { reason: IssueReason::RenewalDue, validity };
    Plan { action, ..plan(Progress::UpToDate, Seen::Url(reported())) }
}

fn issued() -> Done {
    let validity = Validity { signing_time: at(40), lifetime: 60 };
    Done::Issued(ReportedUrl {
        renewal_time: Some(at(80)),
        ..ReportedUrl::new(&request(), validity, None, 0)
    })
}

#[test]
fn a_new_url_is_counted_with_its_reason_and_reported() {
    let finish = done(&renewal(), &outcome(41, Ok(issued())), &History::default());
    assert_eq!((finish.issued, finish.label), (Some(IssueReason::RenewalDue), "issued"));
    let Done::Issued(url) = issued() else { panic!("it is a new URL") };
    assert_eq!(finish.report.unwrap().seen, Seen::Url(url));
    let failed = done(&renewal(), &outcome(41, Err(api_error(None))), &History::default());
    assert_eq!((failed.issued, failed.label), (None, "failed"));
}

#[test]
fn an_emptied_secret_holds_no_url() {
    let progress = Progress::Ended { why: EndReason::Expired, deleted_at: None };
    let action = Action::End { why: EndReason::Expired, request: None };
    let plan = Plan { action, ..plan(progress, Seen::Url(reported())) };
    let seen = |what: Done| done(&plan, &outcome(60, Ok(what)), &History::default()).report.unwrap().seen;
    assert_eq!(seen(Done::Ended), Seen::Nothing);
    assert_eq!(seen(Done::Nothing), Seen::Url(reported()));
}

#[test]
fn only_a_contested_write_is_noted_as_one() {
    for what in [issued(), Done::Repaired, Done::Ended] {
        for is_contested in [false, true] {
            let plan = Plan { is_contested, ..renewal() };
            let history = done(&plan, &outcome(41, Ok(what.clone())), &History::default()).history;
            let until = history.contested_until(None, &plan.inputs, at(41));
            assert_eq!(until.is_some(), is_contested, "{what:?}");
        }
    }
}

#[test]
fn a_secret_that_was_read_first_is_looked_at_again_after_a_write() {
    let next = |reads_first, second, what: Done| {
        let plan = Plan { reads_first, ..renewal() };
        done(&plan, &outcome(second, Ok(what)), &History::default()).next
    };
    assert_eq!(next(true, 41, issued()), Next::At(at(42)));
    assert_eq!(next(false, 41, issued()), Next::At(at(80)));
    assert_eq!(next(true, 5, Done::Repaired), Next::At(at(6)));
    assert_eq!(next(false, 5, Done::Repaired), Next::At(at(40)));
    assert_eq!(next(true, 5, Done::Nothing), Next::At(at(40)), "nothing was written");
}

#[test]
fn a_renewal_that_waits_for_a_longer_session_asks_again_by_itself() {
    let finish = |has_session, progress: Progress| {
        let plan = Plan { has_session, ..plan(progress, Seen::Nothing) };
        done(&plan, &outcome(5, Ok(Done::Nothing)), &History::default()).next
    };
    assert_eq!(finish(true, Progress::AwaitingCredentials), Next::OnChange(Some(at(37))));
    assert_eq!(finish(false, Progress::AwaitingCredentials), Next::OnChange(None));
    assert_eq!(finish(true, Progress::Suspended), Next::OnChange(None));
}

#[test]
fn another_problem_during_a_backoff_is_a_failure_of_its_own() {
    let mut history = History::default();
    let before = Problem::new(FailureReason::ApiError, "before".to_owned());
    let until = history.failed(&Inputs::default(), &before, at(0), None, None);
    let finish =
        done(&plan(failed(FailureReason::ApiError), Seen::Nothing), &outcome(1, Ok(Done::Nothing)), &history);
    assert_eq!((finish.failure, finish.next), (Some(FailureReason::ApiError), Next::At(at(5))));
    assert!(until < at(5));
}
