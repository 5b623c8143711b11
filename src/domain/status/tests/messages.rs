//! What single conditions say, and which of them are there.

use super::*;
use crate::crd::{PERMITTED, VERIFIED};
use crate::domain::verification::VerifyNews;

fn message(status: &PresignedUrlStatus, kind: &str) -> String {
    condition(status, kind).map(|condition| condition.message.clone()).unwrap_or_default()
}

#[test]
fn a_denied_url_says_how_long_it_works_and_that_it_is_not_renewed() {
    for (reason, end) in [
        (FailureReason::NotPermitted, "; the stored URL works until 2030-01-01T01:00:00Z and is not renewed"),
        (FailureReason::SecretConflict, ""),
    ] {
        let status = first(Seen::Url(reported()), failed(reason), 5);
        assert_eq!(message(&status, READY), format!("what to do{end}"), "{reason}");
    }
    let other = Seen::Url(ReportedUrl { matches: false, ..reported() });
    let status = first(other, failed(FailureReason::NotPermitted), 5);
    assert_eq!(message(&status, READY), "what to do", "it is not what the spec asks for, but it works");
}

#[test]
fn an_ended_url_says_why_and_what_comes_next() {
    for (why, deleted_at, text) in [
        (
            EndReason::Expired,
            Some(at(60)),
            "has expired, and is not renewed (spec.renewPolicy: Never): this PresignedUrl is deleted at 2030-01-01T00:01:00Z",
        ),
        (
            EndReason::Expired,
            None,
            "has expired, and is not renewed (spec.renewPolicy: Never): change the annotation presign.dev/renew to sign a new one",
        ),
        (
            EndReason::Denied,
            None,
            "was removed, because its signer did not permit it, and is not renewed (spec.renewPolicy: Never): change the annotation presign.dev/renew to sign a new one",
        ),
    ] {
        let status = first(Seen::Nothing, Progress::Ended { why, deleted_at }, 5);
        let text = format!("the URL in Secret \"report\" {text}");
        assert_eq!(verdict(&status, READY), Some(("False", "Expired")));
        assert_eq!(message(&status, READY), text);
        // With a time of deletion nobody has to act.
        let stalled = deleted_at.is_none().then_some(("True", "Expired"));
        assert_eq!(verdict(&status, STALLED), stalled, "{text}");
        assert_eq!(message(&status, STALLED), if stalled.is_some() { text } else { String::new() });
    }
}

#[test]
fn what_a_signer_says_is_a_condition_of_its_own() {
    let denied =
        |reason| Permission::Denied { problem: Problem::new(reason, "no".to_owned()), is_withdrawn: false };
    for (permission, expected, text) in [
        (Permission::NotNeeded, None, ""),
        (Permission::Allowed { why: "rule a".to_owned() }, Some(("True", "Allowed")), "rule a"),
        (Permission::Audited { why: "no rule".to_owned() }, Some(("False", "NotPermitted")), "no rule"),
        (denied(FailureReason::NotPermitted), Some(("False", "NotPermitted")), "no"),
        (denied(FailureReason::SignerNotFound), None, ""),
    ] {
        for seen in [Seen::Nothing, Seen::Unknown, Seen::Url(reported())] {
            let report = Report { permission: permission.clone(), ..report(seen, Progress::UpToDate) };
            let status = next_status(&PresignedUrlStatus::default(), &report, at(5));
            assert_eq!(verdict(&status, PERMITTED), expected, "{permission:?}");
            assert_eq!(message(&status, PERMITTED), text);
        }
    }
}

#[test]
fn a_renewal_that_waits_says_for_which_credentials() {
    let until = "the stored URL works until 2030-01-01T01:00:00Z";
    for (has_session, text) in [
        (
            false,
            format!(
                "the credentials in Secret \"keys\" expire too soon for a longer-lived URL: renew them; {until}"
            ),
        ),
        (
            true,
            format!(
                "no session in Secret \"keys\" lasts long enough for a longer-lived URL: the operator asks again; {until}"
            ),
        ),
    ] {
        let report = Report { has_session, ..report(Seen::Url(reported()), Progress::AwaitingCredentials) };
        let status = next_status(&PresignedUrlStatus::default(), &report, at(5));
        for kind in [READY, ROTATION_SAFE] {
            assert_eq!(message(&status, kind), text, "{kind}");
        }
    }
    let expired = first(Seen::Nothing, Progress::AwaitingCredentials, 5);
    assert_eq!(message(&expired, READY), "the credentials in Secret \"keys\" have expired: renew them");
}

#[test]
fn a_url_that_is_signed_once_is_not_judged_for_its_rotation() {
    let once = ReportedUrl { renewal_time: None, ..reported() };
    let status = first(Seen::Url(once), Progress::UpToDate, 5);
    assert_eq!((condition(&status, ROTATION_SAFE), &status.renewal_time), (None, &None));
    assert!(condition(&first(Seen::Url(reported()), Progress::UpToDate, 5), ROTATION_SAFE).is_some());
}

#[test]
fn the_times_of_a_url_that_another_client_wrote_are_not_shown() {
    let planted = ReportedUrl { is_planted: true, ..reported() };
    let status = first(Seen::Url(planted), Progress::UpToDate, 5);
    assert_eq!((status.location, status.signing_time, status.last_handled_renew), (None, None, None));
    assert_eq!((status.expiration_time, status.renewal_time, status.limited_by), (None, None, None));
}

#[test]
fn what_cannot_be_read_keeps_the_times_but_not_what_is_known_without_them() {
    let finding = crate::domain::verification::Finding::Accepted;
    let answer = crate::domain::verification::VerifyAnswer { at: at(4), finding, message: String::new() };
    let answered = VerifyNews::Answered(Box::new(answer));
    let before = Report { verification: answered, ..report(Seen::Url(reported()), Progress::UpToDate) };
    let before = next_status(&PresignedUrlStatus::default(), &before, at(5));
    assert!(before.verified.is_some() && condition(&before, VERIFIED).is_some());
    let unread = Report {
        secret_name: Some("other".to_owned()),
        verification: VerifyNews::NotWanted,
        ..report(Seen::Unknown, failed(FailureReason::ApiError))
    };
    let status = next_status(&before, &unread, at(6));
    assert_eq!((status.secret_name.as_deref(), &status.verified), (Some("other"), &None));
    assert_eq!((&status.expiration_time, condition(&status, VERIFIED)), (&before.expiration_time, None));
}
