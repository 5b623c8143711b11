//! Failures, contests and clocks.

use super::*;
use crate::domain::model::at;
use crate::domain::reason::FailureReason;
use crate::domain::status::Progress;

fn trouble() -> Problem {
    Problem::new(FailureReason::ApiError, "trouble".to_owned())
}

fn until(history: &History, now: Timestamp) -> Option<Timestamp> {
    history.contested_until(Some(IssueReason::Missing), &Inputs::default(), now)
}

#[test]
fn failures_in_a_row_wait_longer_and_other_inputs_begin_anew() {
    let mut history = History::default();
    let inputs = Inputs::default();
    let other = Inputs { generation: Some(2), ..Inputs::default() };
    for (inputs, now, left, at_least, expected) in [
        (&inputs, 0, None, None, 2),
        (&inputs, 2, None, None, 4),
        (&inputs, 6, None, None, 8),
        (&inputs, 14, Some(8), None, 2),
        (&inputs, 16, Some(8), Some(5), 5),
        (&inputs, 21, None, Some(86_400), 300),
        (&other, 22, None, None, 2),
        (&inputs, 24, None, None, 2),
    ] {
        let retry_at = history.failed(inputs, &trouble(), at(now), left, at_least);
        assert_eq!(retry_at, at(now + expected), "at {now}");
        assert_eq!(history.backoff(inputs, at(now)), Some((&trouble(), retry_at)));
        assert_eq!(history.backoff(inputs, retry_at), None);
    }
    assert_eq!(history.backoff(&other, at(24)), None);
    history.succeeded(at(24));
    assert!(history.is_at_rest());
}

#[test]
fn a_session_is_asked_for_again_within_a_minute() {
    let waits = |reason: FailureReason| {
        let mut history = History::default();
        let problem = Problem::retried(reason, "trouble".to_owned());
        let failures = (0..9).map(|_| history.failed(&Inputs::default(), &problem, at(0), None, None));
        failures.map(|until| until.duration_since(at(0)).as_secs()).collect::<Vec<_>>()
    };
    assert_eq!(waits(FailureReason::CredentialsUnavailable), [2, 4, 8, 16, 32, 60, 60, 60, 60]);
    assert_eq!(waits(FailureReason::CredentialsDenied), waits(FailureReason::CredentialsUnavailable));
    assert_eq!(waits(FailureReason::ApiError), [2, 4, 8, 16, 32, 64, 128, 256, 300]);
}

#[test]
fn a_contest_waits_longer_each_time_and_ends_after_as_long_a_time_of_peace() {
    let mut history = History::default();
    for (now, wait) in [(0, 2), (2, 4), (6, 8), (14, 16), (50, 2)] {
        assert_eq!(until(&history, at(now)), None, "at {now}");
        history.contested(&Inputs::default(), at(now), None);
        assert_eq!(until(&history, at(now)), Some(at(now + wait)), "at {now}");
    }
    history.succeeded(at(53));
    assert!(!history.is_at_rest(), "not over yet");
    history.succeeded(at(54));
    assert!(history.is_at_rest());
}

/// However somebody times it, and whatever is undone: the shortest URL lives for 10 s.
#[test]
fn a_contest_writes_five_times_in_eight_seconds_at_most() {
    for left in [None, Some(10), Some(60)] {
        for pause in 1..9 {
            let (mut history, mut writes) = (History::default(), 0);
            for now in 0..8 {
                if now % pause == 0 && until(&history, at(now)).is_none() {
                    history.contested(&Inputs::default(), at(now), left);
                    writes += 1;
                }
            }
            assert!((1..=4).contains(&writes), "{left:?}: {writes} writes, one every {pause} s");
        }
    }
}

#[test]
fn edits_of_the_spec_do_not_hold_up_a_change_of_the_key() {
    let edit = |generation| Inputs { generation: Some(generation), ..Inputs::default() };
    let mut history = History::default();
    for now in 0..5 {
        history.contested(&edit(now), at(now), None);
    }
    let until = history.contested_until(Some(IssueReason::CredentialsChanged), &edit(4), at(5));
    assert_eq!(until, Some(at(6)), "as after the first edit");
    for (now, wait) in [(6, 4), (10, 8)] {
        history.contested(&edit(4), at(now), None);
        let until = history.contested_until(Some(IssueReason::CredentialsChanged), &edit(4), at(now));
        assert_eq!(until, Some(at(now + wait)), "the changes of the key are a contest");
    }
}

#[test]
fn a_token_waits_only_for_a_write_that_answered_it() {
    let token = |renew: &str| Inputs { renew: Some(renew.into()), ..Inputs::default() };
    let mut history = History::default();
    history.contested(&token("a"), at(0), None);
    let waits = |reason, inputs: &Inputs| history.contested_until(Some(reason), inputs, at(1)).is_some();
    assert!(waits(IssueReason::Requested, &token("a")));
    assert!(!waits(IssueReason::Requested, &token("b")));
    assert!(waits(IssueReason::Missing, &token("b")));
}

#[test]
fn nothing_waits_for_a_clock_that_was_put_back() {
    let mut history = History::default();
    let retry_at = history.failed(&Inputs::default(), &trouble(), at(1000), None, Some(300));
    history.contested(&Inputs::default(), at(1000), None);
    for now in [at(999), at(0), at(-90_000)] {
        assert_eq!(history.backoff(&Inputs::default(), now), None);
        assert_eq!(until(&history, now), None);
    }
    assert_eq!(history.backoff(&Inputs::default(), at(1299)), Some((&trouble(), retry_at)));
    history.contested(&Inputs::default(), at(0), None);
    assert_eq!(until(&history, at(0)), Some(at(2)), "a contest of a later time is none");
}

#[test]
fn counts_in_a_row_end_with_a_success() {
    let mut history = History::default();
    assert_eq!([history.outdated(), history.outdated(), history.overloaded()], [1, 2, 1]);
    assert!(history.was_outdated());
    history.succeeded(at(0));
    assert!(history.is_at_rest() && !history.was_outdated());
    assert_eq!([history.outdated(), history.overloaded()], [1, 1]);
}

#[test]
fn what_repeats_what_others_undo_is_contested() {
    for (reason, first, ours, planted) in [
        (IssueReason::Missing, false, true, true),
        (IssueReason::Expired, false, false, true),
        (IssueReason::SpecChanged, true, true, true),
        (IssueReason::CredentialsChanged, true, true, true),
        (IssueReason::Drifted, true, true, true),
        (IssueReason::Requested, true, true, true),
        (IssueReason::RenewalDue, false, false, true),
    ] {
        assert_eq!(is_contested(reason, false, true), first, "{reason}: never issued");
        assert_eq!(is_contested(reason, true, true), ours, "{reason}: our URL");
        assert_eq!(is_contested(reason, true, false), planted, "{reason}: another's URL");
    }
}

#[test]
fn what_an_object_waits_for_is_overdue_when_it_was_not_read_for_the_time_of_the_safety_net() {
    let (credentials, target) = (Some(Awaited::Credentials), Some(Awaited::Target));
    let net = i64::from(SAFETY_NET);
    let mut history = History::default();
    assert_eq!(history.overdue(at(net)), None);
    history.set_awaits(credentials, true, at(0));
    for (now, expected) in [(-1, credentials), (0, None), (net - 1, None), (net, credentials)] {
        assert_eq!(history.overdue(at(now)), expected, "at {now}");
    }
    history.set_awaits(credentials, false, at(10));
    assert_eq!(history.overdue(at(net)), credentials, "a reconcile without a read changes nothing");
    history.set_awaits(credentials, true, at(10));
    assert_eq!(history.overdue(at(net)), None, "it was read");
    history.set_awaits(target, false, at(20));
    assert_eq!((history.awaits(), history.overdue(at(net + 19))), (target, None), "another Secret");
    assert_eq!(history.overdue(at(net + 20)), target);
    history.set_awaits(None, false, at(30));
    assert_eq!((history.awaits(), history.overdue(at(9 * net))), (None, None));
}

#[test]
fn a_signer_that_is_missing_is_no_secret_to_wait_for() {
    let of = |reason| Awaited::of(&Progress::Failed(Problem::new(reason, "trouble".to_owned())));
    assert_eq!(of(FailureReason::SignerNotFound), None);
    assert_eq!(of(FailureReason::CredentialsNotFound), Some(Awaited::Credentials));
}

#[test]
fn only_an_internal_error_has_a_panic_backoff() {
    let inputs = Inputs::default();
    for (reason, is_panic) in [(FailureReason::InternalError, true), (FailureReason::ApiError, false)] {
        let problem = Problem::new(reason, "trouble".to_owned());
        let mut history = History::default();
        let until = history.failed(&inputs, &problem, at(0), None, None);
        assert_eq!(history.panic_backoff(&inputs, at(0)), Some(&problem).filter(|_| is_panic), "{reason}");
        assert_eq!(history.panic_backoff(&inputs, until), None, "{reason}");
    }
}

#[test]
fn a_status_that_is_written_ends_the_backoff_of_status_writes() {
    let mut history = History::default();
    for expected in [2, 4, 8] {
        assert_eq!(history.status_not_written(at(0), None, None), at(expected));
    }
    history.status_is_current();
    assert_eq!(history.status_not_written(at(0), None, None), at(2));
}
