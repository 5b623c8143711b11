//! The condition Verified: which answer stays, and which one another URL ends.

use super::*;
use crate::crd::VERIFIED;
use crate::domain::verification::{Finding, VerifyAnswer, VerifyNews, VerifyPlace};

fn report_of(seen: Seen, news: VerifyNews) -> Report {
    Report { verification: news, ..report(seen, Progress::UpToDate) }
}

fn answered(finding: Finding) -> VerifyNews {
    let message = finding.message(&VerifyPlace::default());
    VerifyNews::Answered(Box::new(VerifyAnswer { at: at(9), finding, message }))
}

fn url() -> Seen {
    Seen::Url(reported())
}

fn later_url() -> Seen {
    let validity = Validity { signing_time: at(1800), lifetime: 3600 };
    Seen::Url(ReportedUrl { validity, ..reported() })
}

fn after(previous: &PresignedUrlStatus, seen: Seen, news: VerifyNews) -> PresignedUrlStatus {
    next_status(previous, &report_of(seen, news), at(20))
}

#[test]
fn an_answer_is_a_condition_with_its_time_and_result() {
    let none = PresignedUrlStatus::default();
    for (finding, status, reason) in [
        (Finding::Accepted, "True", "Accepted"),
        (Finding::CredentialsAccepted, "True", "CredentialsAccepted"),
        (Finding::AccessDenied, "False", "AccessDenied"),
        (Finding::WrongRegion { named: None }, "False", "WrongRegion"),
        (Finding::Unreachable(crate::domain::verification::VerifyOutage::Timeout), "Unknown", "Unreachable"),
    ] {
        let next = after(&none, url(), answered(finding.clone()));
        assert_eq!(verdict(&next, VERIFIED), Some((status, reason)));
        let verified = next.verified.unwrap();
        assert_eq!((Some(verified.result), verified.time.0), (finding.result(), at(9)));
    }
}

#[test]
fn a_restart_keeps_the_answer_about_the_stored_url_and_writes_nothing() {
    for finding in [Finding::Accepted, Finding::CredentialsAccepted, Finding::UnknownKey] {
        let before = after(&PresignedUrlStatus::default(), url(), answered(finding));
        assert_eq!(after(&before, url(), VerifyNews::Unchanged), before);
        // What the cache keeps of the usual status has no messages.
        let mut outline = before.clone();
        outline.conditions.iter_mut().filter(|c| c.status == "True").for_each(|c| c.message.clear());
        assert_eq!(after(&outline, url(), VerifyNews::Unchanged), before);
    }
}

#[test]
fn the_answer_about_another_url_ends() {
    let before = after(&PresignedUrlStatus::default(), url(), answered(Finding::Accepted));
    let asked = |seen, news| {
        let next = after(&before, seen, news);
        (verdict(&next, VERIFIED).map(|(_, reason)| reason.to_owned()), next.verified.is_some())
    };
    let some = |reason: &str| Some(reason.to_owned());
    assert_eq!(asked(later_url(), VerifyNews::Unchanged), (some("NotAsked"), false));
    assert_eq!(asked(later_url(), VerifyNews::Asking), (some("Asking"), false));
    assert_eq!(asked(later_url(), VerifyNews::Renewed), (some("Accepted"), true));
    assert_eq!(asked(url(), VerifyNews::NotWanted), (None, false));
    assert_eq!(asked(url(), VerifyNews::Disabled), (some("Disabled"), false));
    assert_eq!(asked(Seen::Nothing, VerifyNews::Unchanged), (None, false));
    assert_eq!(asked(Seen::Unknown, VerifyNews::Unjudged), (some("Accepted"), true));
    assert_eq!(asked(Seen::Unknown, VerifyNews::Unchanged), (some("Accepted"), true));
}

#[test]
fn a_question_that_a_restart_lost_is_not_said_to_be_asked() {
    let before = after(&PresignedUrlStatus::default(), url(), VerifyNews::Asking);
    let next = after(&before, url(), VerifyNews::Unchanged);
    assert_eq!(verdict(&next, VERIFIED), Some(("Unknown", "NotAsked")));
    assert_eq!(after(&next, url(), VerifyNews::Unchanged), next);
    assert!(!has_answer(&next));
    assert!(has_answer(&after(&next, url(), answered(Finding::Accepted))));
}
