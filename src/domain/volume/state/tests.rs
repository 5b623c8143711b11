//! A volume is published, renewed and unpublished, and each can fail.

mod outcomes;
mod properties;

use super::*;
use crate::domain::Sensitive;
use crate::domain::model::at;
use crate::domain::volume::{SignJobFailure, SignedVolume};

fn times(signed: i64, lives: i64) -> VolumeTimes {
    VolumeTimes {
        signing_time: at(signed),
        renewal_time: at(signed + lives * 2 / 3),
        expiration_time: at(signed + lives),
    }
}

fn signed(now: i64, lives: i64) -> SignedVolume {
    SignedVolume { files: Vec::new(), times: times(now, lives) }
}

fn plan() -> VolumePlan {
    VolumePlan::Own(Vec::new())
}

fn inputs(group: u32) -> VolumeInputs {
    VolumeInputs { fs_group: Some(group), ..VolumeInputs::default() }
}

fn with_other_token() -> VolumeInputs {
    VolumeInputs { tokens: Some(Sensitive::new("t".to_owned())), ..inputs(1) }
}

fn lasting() -> VolumeFailure {
    VolumeFailure::lasting(VolumeReason::CredentialsInvalid, "it is wrong")
}

fn temporary() -> VolumeFailure {
    VolumeFailure::temporary(VolumeReason::CredentialsUnavailable, "it is away")
}

/// The effects, by short names.
fn names(effects: &[VolumeEffect]) -> String {
    let name = |effect: &VolumeEffect| match effect {
        VolumeEffect::Sign(_) => "sign",
        VolumeEffect::StopSigning => "stop",
        VolumeEffect::Keep(_) => "keep",
        VolumeEffect::Write(_) => "write",
        VolumeEffect::Unmount => "unmount",
        VolumeEffect::AnswerPublish(Ok(())) => "ok",
        VolumeEffect::AnswerPublish(Err(_)) => "error",
        VolumeEffect::AnswerUnpublish(Ok(())) => "gone",
        VolumeEffect::AnswerUnpublish(Err(_)) => "stuck",
        VolumeEffect::Note(_) => "",
        VolumeEffect::Forget => "forget",
    };
    effects.iter().map(name).filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A volume whose URLs were signed at 0 and live for 900 seconds.
fn published() -> UrlVolume {
    let mut volume = UrlVolume::unknown();
    assert_eq!(names(&volume.publish(Ok((inputs(1), plan())), false, at(0))), "sign");
    assert_eq!(names(&volume.signed(1, Ok(signed(0, 900)), at(0))), "write");
    assert_eq!(names(&volume.written(Ok(()), at(0))), "ok");
    volume
}

#[test]
fn is_published_renewed_and_unpublished() {
    let mut volume = published();
    assert_eq!(names(&volume.tick(at(599), false)), "");
    assert_eq!(names(&volume.publish(Ok((inputs(1), plan())), true, at(60))), "ok");
    assert_eq!(names(&volume.tick(at(600), false)), "sign");
    assert_eq!(names(&volume.signed(2, Ok(signed(600, 900)), at(600))), "write");
    let effects = volume.written(Ok(()), at(601));
    assert!(matches!(
        effects[0],
        VolumeEffect::Note(VolumeNote::Issued { reason: IssueReason::RenewalDue, lag: Some(1), .. })
    ));
    assert_eq!(names(&volume.tick(at(1199), false)), "");
    assert_eq!(names(&volume.unpublish()), "error unmount");
    assert_eq!(names(&volume.unmounted(Ok(()), at(700))), "gone forget");
}

#[test]
fn a_first_publish_that_cannot_succeed_leaves_nothing_and_one_that_may_waits() {
    let mut volume = UrlVolume::unknown();
    assert_eq!(names(&volume.publish(Err(lasting()), false, at(0))), "unmount");
    assert_eq!(names(&volume.unmounted(Ok(()), at(0))), "error gone forget");

    let mut volume = UrlVolume::unknown();
    let _ = volume.publish(Ok((inputs(1), plan())), false, at(0));
    assert_eq!(names(&volume.signed(1, Err(SignJobFailure::Failure(temporary())), at(0))), "");
    assert_eq!(names(&volume.tick(at(1), true)), "");
    assert_eq!(names(&volume.tick(at(2), true)), "sign");
    assert_eq!(names(&volume.signed(2, Err(SignJobFailure::Failure(lasting())), at(2))), "unmount");
    assert_eq!(names(&volume.unmounted(Ok(()), at(2))), "error gone forget");
}

#[test]
fn what_the_kubelet_gave_up_before_the_first_url_is_removed() {
    let mut volume = UrlVolume::unknown();
    let _ = volume.publish(Ok((inputs(1), plan())), false, at(0));
    let _ = volume.signed(1, Err(SignJobFailure::Failure(temporary())), at(0));
    assert_eq!(names(&volume.tick(at(1), false)), "unmount");
}

#[test]
fn a_republish_is_no_error_while_a_url_lives() {
    let mut volume = published();
    assert_eq!(names(&volume.publish(Err(lasting()), true, at(899))), "ok");
    assert_eq!(names(&volume.publish(Err(lasting()), true, at(900))), "error");
    assert_eq!(names(&volume.tick(at(900), false)), "sign", "the last good inputs stay in use");
}

#[test]
fn what_changed_is_signed_at_once_even_while_something_is_in_flight() {
    let mut volume = published();
    assert_eq!(names(&volume.publish(Ok((inputs(2), plan())), true, at(10))), "keep sign ok");
    assert_eq!(names(&volume.publish(Ok((inputs(3), plan())), true, at(11))), "keep stop sign ok");
    assert_eq!(names(&volume.signed(2, Ok(signed(10, 900)), at(11))), "", "it was aborted");
    assert_eq!(names(&volume.signed(3, Ok(signed(11, 900)), at(11))), "write");
    assert_eq!(names(&volume.publish(Ok((inputs(4), plan())), true, at(12))), "keep ok");
    assert_eq!(names(&volume.written(Ok(()), at(13))), "ok sign");
}

#[test]
fn an_unpublish_waits_for_a_write_and_aborts_signing() {
    let mut volume = published();
    let _ = volume.tick(at(600), false);
    assert_eq!(names(&volume.unpublish()), "error stop unmount");
    assert_eq!(names(&volume.signed(2, Ok(signed(600, 900)), at(601))), "");
    assert_eq!(names(&volume.publish(Ok((inputs(1), plan())), true, at(601))), "error");

    let mut volume = published();
    let _ = volume.tick(at(600), false);
    let _ = volume.signed(2, Ok(signed(600, 900)), at(600));
    assert_eq!(names(&volume.unpublish()), "error");
    assert_eq!(names(&volume.written(Ok(()), at(601))), "unmount");
    assert_eq!(names(&volume.unmounted(Err(temporary()), at(601))), "stuck");
    assert_eq!(names(&volume.tick(at(603), false)), "unmount", "it is tried again without a call");
    assert_eq!(names(&volume.unmounted(Ok(()), at(604))), "gone forget");
}

#[test]
fn a_failing_renewal_is_tried_more_often_as_the_end_comes_near() {
    let mut volume = published();
    let (mut now, mut tries, mut job) = (600, Vec::new(), 2);
    while now < 900 {
        if names(&volume.tick(at(now), false)) == "sign" {
            tries.push(now);
            let _ = volume.signed(job, Err(SignJobFailure::Failure(temporary())), at(now));
            job += 1;
        }
        now += 1;
    }
    let gaps: Vec<i64> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let longest = *gaps.iter().max().unwrap();
    let from_longest = gaps.iter().skip_while(|gap| **gap < longest).copied().collect::<Vec<_>>();
    assert!(from_longest.is_sorted_by(|gap, next| next <= gap), "{gaps:?}");
    assert!(tries.len() > 12 && *gaps.last().unwrap() * 2 < longest, "{gaps:?}");
    assert_eq!(volume.state(at(899)), VolumeState::Late);
    assert_eq!(volume.state(at(900)), VolumeState::Expired);
}

#[test]
fn credentials_that_end_with_the_url_gain_nothing() {
    let mut volume = published();
    let _ = volume.tick(at(600), false);
    assert_eq!(names(&volume.signed(2, Ok(signed(600, 300)), at(600))), "");
    assert_eq!(volume.failure().map(|failure| failure.reason), Some(VolumeReason::CredentialsExpired));
    assert_eq!(names(&volume.tick(at(602), false)), "sign");
}

#[test]
fn a_pod_that_is_gone_ends_its_volume_and_a_future_signature_is_replaced() {
    let mut volume = UrlVolume::adopted(inputs(1), Ok(plan()), times(10_000, 900));
    assert_eq!(names(&volume.tick(at(0), false)), "sign");
    assert_eq!(names(&volume.signed(1, Err(SignJobFailure::Gone), at(0))), "error unmount");
    assert_eq!(names(&volume.unmounted(Ok(()), at(0))), "gone forget");
}

#[test]
fn a_volume_of_which_only_the_files_are_known_is_signed_but_never_unmounted_under_its_pod() {
    let found = |end| UrlVolume::found(end, at(100));
    let mut volume = found(Some(at(500)));
    assert_eq!(names(&volume.tick(at(101), false)), "", "what to sign is not known");
    assert_eq!(names(&volume.publish(Err(lasting()), true, at(101))), "ok", "the URL lives");
    assert_eq!(names(&volume.publish(Ok((inputs(1), plan())), true, at(102))), "keep sign ok");
    assert_eq!(names(&volume.signed(1, Err(SignJobFailure::Failure(lasting())), at(102))), "");
    assert_eq!(names(&volume.tick(at(499), false)), "sign");
    for end in [None, Some(at(100))] {
        let mut volume = found(end);
        let effects = volume.publish(Err(lasting()), true, at(101));
        assert!(
            matches!(&effects[1], VolumeEffect::AnswerPublish(Err(failure)) if failure.is_temporary),
            "a kubelet would forget what is mounted: {effects:?}"
        );
        assert_eq!(names(&volume.publish(Ok((inputs(1), plan())), true, at(102))), "keep sign");
        let effects = volume.signed(1, Err(SignJobFailure::Failure(lasting())), at(102));
        assert_eq!(names(&effects), "error");
        assert_eq!(names(&volume.tick(at(103), false)), "", "nothing is unmounted");
        assert_eq!(names(&volume.unpublish()), "error unmount");
    }
}

#[test]
fn a_restart_signs_what_was_due_when_the_credentials_changed() {
    let mut volume = published();
    let kept = |effects: &[VolumeEffect]| match effects[0] {
        VolumeEffect::Keep(times) => times.renewal_time,
        _ => panic!("{effects:?}"),
    };
    assert_eq!(kept(&volume.publish(Ok((inputs(2), plan())), true, at(10))), at(0));
    let mut volume = published();
    assert_eq!(kept(&volume.publish(Ok((with_other_token(), plan())), true, at(10))), at(600));
}

#[test]
fn a_publish_signs_for_a_reason_or_not_at_all() {
    let failing = || {
        let mut volume = published();
        assert_eq!(names(&volume.tick(at(600), false)), "sign");
        assert_eq!(names(&volume.signed(2, Err(SignJobFailure::Failure(temporary())), at(600))), "");
        volume
    };
    for (mut volume, inputs, now, reason) in [
        (published(), inputs(2), 10, Some(IssueReason::CredentialsChanged)),
        (published(), inputs(2), 900, Some(IssueReason::Expired)),
        (published(), inputs(1), 900, Some(IssueReason::Expired)),
        (failing(), with_other_token(), 601, Some(IssueReason::RenewalDue)),
        (published(), with_other_token(), 10, None),
        (failing(), inputs(1), 601, None),
    ] {
        let effects = volume.publish(Ok((inputs, plan())), true, at(now));
        let is_signed = effects.iter().any(|effect| matches!(effect, VolumeEffect::Sign(_)));
        assert_eq!(is_signed.then_some(volume.reason), reason, "{effects:?}");
    }
}

#[test]
fn a_publish_of_the_same_leaves_alone_what_is_in_flight() {
    let mut volume = published();
    assert_eq!(names(&volume.tick(at(600), false)), "sign");
    assert_eq!(names(&volume.publish(Ok((inputs(1), plan())), true, at(900))), "");
    assert_eq!(names(&volume.signed(2, Ok(signed(900, 900)), at(900))), "write");
    assert_eq!(names(&volume.publish(Ok((inputs(1), plan())), true, at(901))), "");
    assert_eq!(names(&volume.written(Ok(()), at(901))), "ok", "it is not signed again");
}

#[test]
fn a_clock_that_was_set_back_delays_no_attempt() {
    let mut volume = published();
    assert_eq!(names(&volume.tick(at(5000), false)), "sign");
    assert_eq!(names(&volume.signed(2, Err(SignJobFailure::Failure(temporary())), at(5000))), "");
    assert_eq!(names(&volume.tick(at(5002 - MAX_WAIT), false)), "", "an attempt can wait this long");
    assert_eq!(names(&volume.tick(at(5001 - MAX_WAIT), false)), "sign");
}

#[test]
fn a_refused_first_publish_is_noted() {
    let effects = UrlVolume::unknown().publish(Err(lasting()), false, at(0));
    assert!(matches!(effects[0], VolumeEffect::Note(VolumeNote::Failed { is_new: true, .. })), "{effects:?}");
}
