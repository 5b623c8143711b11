//! What RotationSafe says, reason by reason.
#![allow(clippy::doc_markdown, reason = "RotationSafe is the name of a condition")]

use super::*;
use crate::domain::pods::{NoAnnotation, StaleUse, StaleUser, StaleUsers};
use crate::domain::request::Overlap;

/// Every way to stand, one for each reason; the last is a pod that never refreshes.
fn standings() -> Vec<(ReportedUrl, Progress, PodUses)> {
    let safe = reported();
    let validity = Validity { signing_time: at(0), lifetime: 60 };
    let too_short = ReportedUrl { validity, ..ReportedUrl::new(&request(), validity, None, 0) };
    let unknown = ReportedUrl { rotation: Rotation::ExpiryUnknown, ..reported() };
    vec![
        (safe.clone(), Progress::UpToDate, PodUses::default()),
        (too_short, Progress::UpToDate, PodUses::default()),
        (unknown, Progress::UpToDate, PodUses::default()),
        (safe.clone(), Progress::AwaitingCredentials, PodUses::default()),
        (safe, Progress::UpToDate, stale(0)),
    ]
}

/// A Deployment whose pods never refresh, and others.
fn stale(others: usize) -> PodUses {
    let user = "Deployment \"web\"".to_owned();
    let stale = StaleUser { user, container: "app".to_owned(), how: StaleUse::Env };
    PodUses { stale: StaleUsers::By(stale, others), no_annotation: None }
}

fn status_of(reported: ReportedUrl, progress: Progress, pods: PodUses) -> PresignedUrlStatus {
    let report = Report { pods, ..report(Seen::Url(reported), progress) };
    next_status(&PresignedUrlStatus::default(), &report, at(5))
}

#[test]
fn every_reason_outlives_a_read_that_failed() {
    let mut reasons = std::collections::BTreeSet::new();
    for (reported, progress, pods) in standings() {
        let before = status_of(reported, progress, pods);
        let after = next_status(&before, &report(Seen::Unknown, failed(FailureReason::ApiError)), at(9));
        assert_eq!(condition(&after, ROTATION_SAFE), condition(&before, ROTATION_SAFE));
        reasons.insert(verdict(&before, ROTATION_SAFE).unwrap().1.to_owned());
    }
    assert_eq!(reasons.len(), 5, "{reasons:?}");
}

#[test]
fn what_touches_every_pod_comes_before_what_touches_one() {
    for (reported, progress, pods) in standings() {
        let alone = status_of(reported.clone(), progress.clone(), pods);
        let with_pod = status_of(reported, progress, stale(0));
        let expected = match verdict(&alone, ROTATION_SAFE) {
            Some(("True", _)) => Some(("False", NEVER_REFRESHED)),
            other => other,
        };
        assert_eq!(verdict(&with_pod, ROTATION_SAFE), expected);
    }
}

#[test]
fn a_pod_that_never_refreshes_is_named_with_what_to_do() {
    for (others, text) in [
        (0, "Deployment \"web\" uses Secret \"report\" by an environment variable of container \"app\""),
        (2, "Deployment \"web\" (and 2 more) uses Secret \"report\" by an environment variable"),
    ] {
        let status = status_of(reported(), Progress::UpToDate, stale(others));
        let message = &condition(&status, ROTATION_SAFE).unwrap().message;
        assert!(message.starts_with(text) && message.contains("mount the whole Secret"), "{message}");
        assert_eq!(verdict(&status, READY), Some(("True", "Issued")));
    }
}

#[test]
fn until_pods_are_listed_again_the_condition_stays() {
    let before = status_of(reported(), Progress::UpToDate, stale(0));
    let not_yet = PodUses { stale: StaleUsers::Unchanged, no_annotation: None };
    let settled = |pods| Report { pods, ..report(Seen::Url(reported()), Progress::UpToDate) };
    assert_eq!(next_status(&before, &settled(not_yet.clone()), at(9)), before);
    let clear = next_status(&before, &settled(PodUses::default()), at(9));
    assert_eq!(verdict(&clear, ROTATION_SAFE), Some(("True", "OverlapSufficient")));
    // There was nothing of that kind to stand.
    assert_eq!(next_status(&clear, &settled(not_yet), at(10)), clear);
}

#[test]
fn annotations_that_cannot_be_are_mentioned_once_and_change_no_reason() {
    for (no_annotation, text) in [
        (NoAnnotation::NotGranted, "the operator runs without --pods"),
        (NoAnnotation::Forbidden("list"), "the API server forbids the operator to list pods"),
    ] {
        for (reported, progress, pods) in standings() {
            let quiet = status_of(reported.clone(), progress.clone(), pods.clone());
            let report = Report {
                pods: PodUses { no_annotation: Some(no_annotation), ..pods },
                ..report(Seen::Url(reported), progress)
            };
            let mut status = next_status(&quiet, &report, at(9));
            for second in [10, 11] {
                status = next_status(&status, &report, at(second));
            }
            assert_eq!(verdict(&status, ROTATION_SAFE), verdict(&quiet, ROTATION_SAFE));
            let message = &condition(&status, ROTATION_SAFE).unwrap().message;
            let (first, rest) =
                message.split_once("; spec.podRefresh: Annotate has no effect, because ").unwrap();
            assert_eq!(first, condition(&quiet, ROTATION_SAFE).unwrap().message);
            assert!(rest.starts_with(text) && rest.contains("pods.enabled"), "{message}");
        }
    }
}

#[test]
fn a_message_that_stays_is_not_made_longer() {
    let of = |pods: PodUses| {
        let pods = PodUses { no_annotation: Some(NoAnnotation::NotGranted), ..pods };
        Report { pods, ..report(Seen::Url(reported()), Progress::UpToDate) }
    };
    let status = next_status(&PresignedUrlStatus::default(), &of(stale(0)), at(5));
    assert!(condition(&status, ROTATION_SAFE).unwrap().message.contains("has no effect"));
    let unchanged = PodUses { stale: StaleUsers::Unchanged, no_annotation: None };
    assert_eq!(next_status(&status, &of(unchanged), at(6)), status);
}

#[test]
fn an_overlap_that_is_too_short_says_which_value_to_change_and_to_what() {
    let validity = Validity { signing_time: at(0), lifetime: 60 };
    let request = Request { expires_in: 60, overlap: Overlap::Seconds(20), ..request() };
    let status =
        status_of(ReportedUrl::new(&request, validity, None, 0), Progress::UpToDate, PodUses::default());
    assert_eq!(
        condition(&status, ROTATION_SAFE).unwrap().message,
        "a new URL is written only 20s before the old one expires, and the kubelet updates a mounted Secret up to 2m later: set spec.renewBefore to 3m and set spec.expiresIn to 4m"
    );
}

#[test]
fn an_overlap_promises_no_url_that_cannot_be_written() {
    let validity = Validity { signing_time: at(0), lifetime: 3600 };
    let reported = ReportedUrl::new(&request(), validity, None, 0);
    let problem = Problem::new(FailureReason::NotPermitted, "no rule allows it".to_owned());
    let message = |progress| {
        let status = status_of(reported.clone(), progress, PodUses::default());
        let condition = condition(&status, ROTATION_SAFE).unwrap().clone();
        assert_eq!(condition.status, "True");
        condition.message
    };
    assert!(message(Progress::UpToDate).starts_with("a new URL is written "));
    assert!(message(Progress::Failed(problem)).ends_with(", but no new URL can be written now: see Ready"));
}

#[test]
fn rotation_is_safe_from_three_minutes_on() {
    let safe = |overlap, is_cut| (overlap, is_cut, true);
    let too_short = |overlap, is_cut| (overlap, is_cut, false);
    for (lifetime, asked, expected) in [
        (540, Overlap::Third, safe(180, false)),
        (539, Overlap::Third, too_short(179, false)),
        (3600, Overlap::Seconds(180), safe(180, false)),
        (3600, Overlap::Seconds(179), too_short(179, false)),
        (3600, Overlap::Percentage(5), safe(180, false)),
        (3599, Overlap::Percentage(5), too_short(179, false)),
        (3600, Overlap::Seconds(3001), safe(3000, true)),
        (300, Overlap::Seconds(251), safe(250, true)),
        (215, Overlap::Seconds(600), too_short(179, true)),
    ] {
        let request = Request { overlap: asked, ..request() };
        let validity = Validity { signing_time: at(0), lifetime };
        let reported = ReportedUrl::new(&request, validity, None, u32::MAX);
        let found = match reported.rotation {
            Rotation::Safe { overlap, is_cut } => safe(overlap, is_cut),
            Rotation::TooShort { overlap, is_cut, .. } => too_short(overlap, is_cut),
            Rotation::ExpiryUnknown => panic!("{lifetime} {asked:?}"),
        };
        assert_eq!(found, expected, "{lifetime} {asked:?}");
        let status = first(Seen::Url(reported), Progress::UpToDate, 0);
        let (_, is_cut, is_safe) = expected;
        let verdict = verdict(&status, ROTATION_SAFE);
        let named = if is_safe { ("True", "OverlapSufficient") } else { ("False", "OverlapTooShort") };
        assert_eq!(verdict, Some(named), "{lifetime} {asked:?}");
        let message = &condition(&status, ROTATION_SAFE).unwrap().message;
        assert_eq!(
            message.contains(
                "spec.renewBefore asks for more than five sixths of the lifetime: five sixths are used"
            ),
            is_cut,
            "{message}"
        );
        assert_eq!(
            message.contains("spec.renewBefore: 3m")
                || message.contains("spec.renewBefore to 3m")
                || message.contains("last 4m"),
            !is_safe,
            "{message}"
        );
    }
}

#[test]
fn a_session_of_unknown_end_is_not_safe() {
    let validity = Validity { signing_time: at(0), lifetime: 3600 };
    let session = credentials("ASIA", Some(at(9999)));
    let endless = Credentials { expiration: None, ..session.clone() };
    for (credentials, expected) in [
        (Some(&endless), Some(("False", "CredentialExpiryUnknown"))),
        (Some(&session), Some(("True", "OverlapSufficient"))),
        (None, Some(("True", "OverlapSufficient"))),
    ] {
        let reported = ReportedUrl::new(&request(), validity, credentials, 0);
        let status = first(Seen::Url(reported.clone()), Progress::UpToDate, 0);
        assert_eq!(verdict(&status, ROTATION_SAFE), expected);
        let waiting = first(Seen::Url(reported), Progress::AwaitingCredentials, 0);
        assert_eq!(verdict(&waiting, ROTATION_SAFE), Some(("False", "AwaitingCredentials")));
    }
    assert_eq!(condition(&first(Seen::Nothing, Progress::Suspended, 0), ROTATION_SAFE), None);
}
