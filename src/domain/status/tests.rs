//! The error table of the architecture, row by row, and when a status changes at all.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

mod messages;
mod rotation;
mod verified;

use super::*;
use crate::crd::{READY, ROTATION_SAFE, STALLED};
use crate::domain::model::{at, credentials, request};

/// An hour's URL, signed at 0, as it is reported.
fn reported() -> ReportedUrl {
    let validity = Validity { signing_time: at(0), lifetime: 3600 };
    ReportedUrl {
        location: Some("https://h/reports/q3.pdf".to_owned()),
        handled_renew: Some("token".to_owned()),
        ..ReportedUrl::new(&request(), validity, None, 0)
    }
}

fn report(seen: Seen, progress: Progress) -> Report {
    Report {
        generation: Some(7),
        secret_name: Some("report".to_owned()),
        credentials_place: Some("in Secret \"keys\"".to_owned()),
        has_session: false,
        permission: Permission::NotNeeded,
        seen,
        progress,
        hints: Vec::new(),
        pods: PodUses::default(),
        verification: VerifyNews::default(),
        is_clock_skewed: false,
        is_renew_refused: false,
    }
}

fn failed(reason: FailureReason) -> Progress {
    Progress::Failed(Problem::new(reason, "what to do".to_owned()))
}

fn first(seen: Seen, progress: Progress, second: i64) -> PresignedUrlStatus {
    next_status(&PresignedUrlStatus::default(), &report(seen, progress), at(second))
}

fn condition<'a>(status: &'a PresignedUrlStatus, kind: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.type_ == kind)
}

/// Status and reason of a condition.
fn verdict<'a>(status: &'a PresignedUrlStatus, kind: &str) -> Option<(&'a str, &'a str)> {
    condition(status, kind).map(|condition| (condition.status.as_str(), condition.reason.as_str()))
}

/// What can be known of the target Secret: name, what is seen, at which second.
fn sights() -> [(&'static str, Seen, i64); 6] {
    let other = ReportedUrl { matches: false, ..reported() };
    [
        ("valid", Seen::Url(reported()), 3599),
        ("not what the spec asks for", Seen::Url(other.clone()), 3599),
        ("expired", Seen::Url(reported()), 3600),
        ("neither", Seen::Url(other), 3600),
        ("nothing", Seen::Nothing, 0),
        ("unknown", Seen::Unknown, 0),
    ]
}

#[test]
fn each_class_of_failures_has_its_row() {
    use FailureReason as R;
    let user = [
        ("False", true),
        ("False", true),
        ("False", true),
        ("False", true),
        ("False", true),
        ("False", true),
    ];
    let waiting = [
        ("True", false),
        ("False", false),
        ("False", false),
        ("False", false),
        ("False", false),
        ("False", false),
    ];
    let retry = [
        ("True", false),
        ("False", false),
        ("False", false),
        ("False", false),
        ("False", false),
        ("Unknown", false),
    ];
    let rows = [
        (R::InvalidSpec, user),
        (R::SecretConflict, user),
        (R::CredentialsNotFound, waiting),
        (R::CredentialsInvalid, waiting),
        (R::CredentialsExpired, waiting),
        (R::ApiError, retry),
        (R::SigningFailed, retry),
    ];
    for (reason, row) in rows {
        for ((name, seen, second), (ready, is_stalled)) in sights().into_iter().zip(row) {
            let status = first(seen, failed(reason), second);
            let own: &str = reason.into();
            let expected = if ready == "True" { "RenewalFailing" } else { own };
            assert_eq!(verdict(&status, READY), Some((ready, expected)), "{reason} {name}");
            assert_eq!(verdict(&status, STALLED), is_stalled.then_some(("True", own)), "{reason} {name}");
        }
    }
}

#[test]
fn whatever_is_no_failure_has_its_row_too() {
    let valid = |reason| [("True", reason), ("False", ""), ("False", ""), ("False", ""), ("False", "")];
    let rows = [
        (Progress::UpToDate, valid("Issued"), "Expired"),
        (Progress::Suspended, valid("Suspended"), "Suspended"),
        (Progress::AwaitingCredentials, valid("AwaitingCredentials"), "CredentialsExpired"),
        (Progress::AwaitingCollection, [("False", ""); 5], "SecretConflict"),
    ];
    for (progress, row, otherwise) in rows {
        for ((name, seen, second), (ready, reason)) in sights().into_iter().zip(row) {
            let status = first(seen, progress.clone(), second);
            let reason = if reason.is_empty() { otherwise } else { reason };
            assert_eq!(verdict(&status, READY), Some((ready, reason)), "{progress:?} {name}");
            assert_eq!(condition(&status, STALLED), None, "{progress:?} {name}");
        }
    }
}

#[test]
fn a_failure_says_what_to_do_and_how_long_there_is() {
    let message = |seen, second| {
        let status = first(seen, failed(FailureReason::CredentialsNotFound), second);
        condition(&status, READY).unwrap().message.clone()
    };
    assert_eq!(
        message(Seen::Url(reported()), 0),
        "what to do; the stored URL works until 2030-01-01T01:00:00Z"
    );
    assert_eq!(message(Seen::Url(reported()), 3600), "what to do; the stored URL has expired");
    assert_eq!(message(Seen::Nothing, 0), "what to do");
    let stalled = first(Seen::Nothing, failed(FailureReason::SecretConflict), 0);
    assert_eq!(condition(&stalled, STALLED).unwrap().message, "what to do");
}

#[test]
fn reports_the_url_that_is_stored() {
    let status = first(Seen::Url(reported()), Progress::UpToDate, 5);
    assert_eq!(status.observed_generation, Some(7));
    assert_eq!(status.secret_name.as_deref(), Some("report"));
    assert_eq!(status.location.as_deref(), Some("https://h/reports/q3.pdf"));
    assert_eq!(status.signing_time, Some(Time(at(0))));
    assert_eq!(status.expiration_time, Some(Time(at(3600))));
    assert_eq!(status.renewal_time, Some(Time(at(2400))));
    assert_eq!(status.limited_by, Some(LimitedBy::Requested));
    assert_eq!(status.last_handled_renew.as_deref(), Some("token"));
    assert!(status.conditions.iter().all(|condition| condition.observed_generation == Some(7)));
    let nothing = next_status(&status, &report(Seen::Nothing, failed(FailureReason::ApiError)), at(6));
    assert_eq!((nothing.location, nothing.signing_time, nothing.last_handled_renew), (None, None, None));
    assert_eq!((nothing.expiration_time, nothing.renewal_time, nothing.limited_by), (None, None, None));
}

#[test]
fn what_cannot_be_read_is_reported_as_it_was() {
    let before = first(Seen::Url(reported()), Progress::UpToDate, 5);
    let mut unknown = report(Seen::Unknown, failed(FailureReason::ApiError));
    unknown.generation = Some(8);
    // As when the spec cannot be read.
    unknown.secret_name = None;
    let after = next_status(&before, &unknown, at(9));
    assert_eq!(verdict(&after, READY), Some(("Unknown", "ApiError")));
    let rotation = |status| condition(status, ROTATION_SAFE).unwrap().clone();
    let kept = Condition { observed_generation: Some(8), ..rotation(&before) };
    assert_eq!(rotation(&after), kept);
    let but_conditions = |status: &PresignedUrlStatus| PresignedUrlStatus {
        conditions: Vec::new(),
        observed_generation: None,
        ..status.clone()
    };
    assert_eq!(but_conditions(&after), but_conditions(&before));
    assert_eq!(after.observed_generation, Some(8));
    let never = first(Seen::Unknown, failed(FailureReason::ApiError), 9);
    assert_eq!(condition(&never, ROTATION_SAFE), None);
}

#[test]
fn an_unchanged_state_is_an_equal_status() {
    let progresses = [
        Progress::UpToDate,
        Progress::Suspended,
        Progress::AwaitingCredentials,
        Progress::AwaitingCollection,
    ]
    .into_iter()
    .chain(
        [FailureReason::InvalidSpec, FailureReason::CredentialsInvalid, FailureReason::ApiError].map(failed),
    );
    for progress in progresses {
        for (name, seen, second) in sights() {
            let (earlier, later) = if second == 3599 { (0, 3599) } else { (second, second + 1000) };
            let report = report(seen, progress.clone());
            let before = next_status(&PresignedUrlStatus::default(), &report, at(earlier));
            assert_eq!(next_status(&before, &report, at(later)), before, "{progress:?} {name}");
        }
    }
}

#[test]
fn transition_times_move_only_on_a_flip() {
    let settled = report(Seen::Url(reported()), Progress::UpToDate);
    let failing = report(Seen::Url(reported()), failed(FailureReason::CredentialsNotFound));
    let stalled = report(Seen::Url(reported()), failed(FailureReason::SecretConflict));
    let mut status = PresignedUrlStatus::default();
    for (second, report, ready, stalled) in [
        (10, &settled, 10, None),
        (20, &failing, 10, None),
        (30, &stalled, 30, Some(30)),
        (40, &stalled, 30, Some(30)),
        (50, &settled, 50, None),
        (60, &stalled, 60, Some(60)),
        (3600, &failing, 60, None),
        (3700, &settled, 60, None),
    ] {
        status = next_status(&status, report, at(second));
        let since = |kind| condition(&status, kind).map(|condition| condition.last_transition_time.0);
        assert_eq!(since(READY), Some(at(ready)), "{second}");
        assert_eq!(since(STALLED), stalled.map(at), "{second}");
        assert_eq!(since(ROTATION_SAFE), Some(at(10)), "{second}");
    }
}

#[test]
fn a_shorter_life_than_asked_for_is_limited_by_the_credentials() {
    for (lifetime, expected) in [(3600, LimitedBy::Requested), (3599, LimitedBy::Credentials)] {
        let reported = ReportedUrl::new(&request(), Validity { signing_time: at(0), lifetime }, None, 0);
        assert_eq!(reported.limited_by, expected);
    }
}

#[test]
fn a_token_that_is_too_long_is_reported_and_stops_nothing() {
    let report = Report { is_renew_refused: true, ..report(Seen::Url(reported()), Progress::UpToDate) };
    let status = next_status(&PresignedUrlStatus::default(), &report, at(0));
    assert_eq!(verdict(&status, READY), Some(("True", "Issued")));
    let message = &condition(&status, READY).unwrap().message;
    assert!(message.contains("works until") && message.contains("presign.dev/renew is refused"), "{message}");
}

#[test]
fn a_hint_stands_beside_what_was_issued_and_changes_nothing_else() {
    let hinted = Report {
        hints: vec!["a".to_owned(), "b".to_owned()],
        ..report(Seen::Url(reported()), Progress::UpToDate)
    };
    let status = next_status(&PresignedUrlStatus::default(), &hinted, at(0));
    let message = &condition(&status, READY).unwrap().message;
    assert!(message.ends_with("; note: a; b"), "{message}");
    let without = first(Seen::Url(reported()), Progress::UpToDate, 0);
    assert_eq!(verdict(&status, READY), verdict(&without, READY));
    assert!(message.starts_with(&condition(&without, READY).unwrap().message));
    assert_eq!(condition(&status, STALLED), None);
}
