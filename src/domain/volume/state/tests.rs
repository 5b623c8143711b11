//! A volume is never lost, nothing is written after it was unmounted, and a URL that lives is never an error.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::domain::model::at;
use crate::domain::volume::VolumeReason;

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
    VolumePlan { urls: Vec::new() }
}

fn inputs(group: u32) -> VolumeInputs {
    VolumeInputs { fs_group: Some(group), ..VolumeInputs::default() }
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
        VolumeEffect::Keep => "keep",
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
fn published() -> Volume {
    let mut volume = Volume::unknown();
    assert_eq!(names(&volume.publish(inputs(1), Ok(plan()), false, at(0))), "sign");
    assert_eq!(names(&volume.signed(1, Ok(signed(0, 900)), at(0))), "write");
    assert_eq!(names(&volume.written(Ok(()), at(0))), "ok");
    volume
}

#[test]
fn is_published_renewed_and_unpublished() {
    let mut volume = published();
    assert_eq!(names(&volume.tick(at(599), false)), "");
    assert_eq!(names(&volume.publish(inputs(1), Ok(plan()), true, at(60))), "ok");
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
    let mut volume = Volume::unknown();
    assert_eq!(names(&volume.publish(inputs(1), Err(lasting()), false, at(0))), "unmount");
    assert_eq!(names(&volume.unmounted(Ok(()), at(0))), "error gone forget");

    let mut volume = Volume::unknown();
    let _ = volume.publish(inputs(1), Ok(plan()), false, at(0));
    assert_eq!(names(&volume.signed(1, Err(SignFault::Failure(temporary())), at(0))), "");
    assert_eq!(names(&volume.tick(at(1), true)), "");
    assert_eq!(names(&volume.tick(at(2), true)), "sign");
    assert_eq!(names(&volume.signed(2, Err(SignFault::Failure(lasting())), at(2))), "unmount");
    assert_eq!(names(&volume.unmounted(Ok(()), at(2))), "error gone forget");
}

#[test]
fn what_the_kubelet_gave_up_before_the_first_url_is_removed() {
    let mut volume = Volume::unknown();
    let _ = volume.publish(inputs(1), Ok(plan()), false, at(0));
    let _ = volume.signed(1, Err(SignFault::Failure(temporary())), at(0));
    assert_eq!(names(&volume.tick(at(1), false)), "unmount");
}

#[test]
fn a_republish_is_no_error_while_a_url_lives() {
    let mut volume = published();
    assert_eq!(names(&volume.publish(inputs(1), Err(lasting()), true, at(899))), "ok");
    assert_eq!(names(&volume.publish(inputs(1), Err(lasting()), true, at(900))), "error");
    assert_eq!(names(&volume.tick(at(900), false)), "sign", "the last good inputs stay in use");
}

#[test]
fn what_changed_is_signed_at_once_even_while_something_is_in_flight() {
    let mut volume = published();
    assert_eq!(names(&volume.publish(inputs(2), Ok(plan()), true, at(10))), "keep sign ok");
    assert_eq!(names(&volume.publish(inputs(3), Ok(plan()), true, at(11))), "keep stop sign ok");
    assert_eq!(names(&volume.signed(2, Ok(signed(10, 900)), at(11))), "", "it was aborted");
    assert_eq!(names(&volume.signed(3, Ok(signed(11, 900)), at(11))), "write");
    assert_eq!(names(&volume.publish(inputs(4), Ok(plan()), true, at(12))), "keep ok");
    assert_eq!(names(&volume.written(Ok(()), at(13))), "ok sign");
}

#[test]
fn an_unpublish_waits_for_a_write_and_aborts_signing() {
    let mut volume = published();
    let _ = volume.tick(at(600), false);
    assert_eq!(names(&volume.unpublish()), "error stop unmount");
    assert_eq!(names(&volume.signed(2, Ok(signed(600, 900)), at(601))), "");
    assert_eq!(names(&volume.publish(inputs(1), Ok(plan()), true, at(601))), "error");

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
            let _ = volume.signed(job, Err(SignFault::Failure(temporary())), at(now));
            job += 1;
        }
        now += 1;
    }
    assert!(tries.len() > 12, "{tries:?}");
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
    let mut volume = Volume::adopted(inputs(1), Ok(plan()), times(10_000, 900));
    assert_eq!(names(&volume.tick(at(0), false)), "sign");
    assert_eq!(names(&volume.signed(1, Err(SignFault::Gone), at(0))), "unmount");
    assert_eq!(names(&volume.unmounted(Ok(()), at(0))), "gone forget");
}

/// Something that happens to a volume.
#[derive(Clone, Debug)]
enum Happening {
    Publish { group: u32, is_valid: bool, is_in_place: bool },
    Unpublish,
    Ends { is_good: bool, is_temporary: bool },
    Breaks,
    Time { seconds: i64, has_waiters: bool },
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0..3u32, any::<bool>(), prop::bool::weighted(0.9)).prop_map(|(group, is_valid, is_in_place)| {
            Happening::Publish { group, is_valid, is_in_place }
        }),
        1 => Just(Happening::Unpublish),
        4 => (any::<bool>(), any::<bool>())
            .prop_map(|(is_good, is_temporary)| Happening::Ends { is_good, is_temporary }),
        1 => Just(Happening::Breaks),
        4 => (0..700i64, any::<bool>())
            .prop_map(|(seconds, has_waiters)| Happening::Time { seconds, has_waiters }),
    ]
}

/// A shell that carries out nothing: it knows which job is in flight, and what was answered.
#[derive(Default)]
struct Shell {
    signing: Option<u64>,
    writing: Option<VolumeTimes>,
    is_unmounting: bool,
    is_forgotten: bool,
    answers: BTreeSet<&'static str>,
}

impl Shell {
    fn jobs(&self) -> usize {
        usize::from(self.signing.is_some())
            + usize::from(self.writing.is_some())
            + usize::from(self.is_unmounting)
    }

    fn carry_out(&mut self, effects: Vec<VolumeEffect>) {
        self.answers.clear();
        for effect in effects {
            assert!(!self.is_forgotten, "nothing follows the end");
            match effect {
                VolumeEffect::Sign(job) => self.signing = Some(job),
                VolumeEffect::StopSigning => self.signing = None,
                VolumeEffect::Write(signed) => self.writing = Some(signed.times),
                VolumeEffect::Unmount => self.is_unmounting = true,
                VolumeEffect::AnswerPublish(Ok(())) => drop(self.answers.insert("ok")),
                VolumeEffect::AnswerPublish(Err(_)) => drop(self.answers.insert("error")),
                VolumeEffect::Forget => self.is_forgotten = true,
                VolumeEffect::AnswerUnpublish(_) | VolumeEffect::Keep | VolumeEffect::Note(_) => {}
            }
            assert!(self.jobs() <= 1, "one job at a time");
        }
    }

    fn end(&mut self, volume: &mut Volume, is_good: bool, failure: &VolumeFailure, now: i64) {
        let effects = if let Some(job) = self.signing.take() {
            let outcome = if is_good {
                Ok(signed(now, 900))
            } else {
                Err(SignFault::Failure(failure.clone()))
            };
            volume.signed(job, outcome, at(now))
        } else if self.writing.take().is_some() {
            volume.written(if is_good { Ok(()) } else { Err(temporary()) }, at(now))
        } else if std::mem::take(&mut self.is_unmounting) {
            volume.unmounted(if is_good { Ok(()) } else { Err(temporary()) }, at(now))
        } else {
            Vec::new()
        };
        self.carry_out(effects);
    }
}

proptest! {
    #[test]
    fn whatever_happens_a_volume_is_never_lost(happenings in prop::collection::vec(happening(), 1..60)) {
        let (mut volume, mut shell, mut now, mut is_ended) = (Volume::unknown(), Shell::default(), 0, false);
        shell.carry_out(volume.publish(inputs(0), Ok(plan()), false, at(0)));
        for happening in happenings {
            if shell.is_forgotten {
                break;
            }
            match happening {
                Happening::Publish { group, is_valid, is_in_place } => {
                    let lives = is_in_place && volume.issued().is_some_and(|times| times.are_alive(at(now)));
                    let plan = if is_valid { Ok(plan()) } else { Err(lasting()) };
                    let was_ending = volume.state(at(now)) == VolumeState::Ending;
                    shell.carry_out(volume.publish(inputs(group), plan, is_in_place, at(now)));
                    prop_assert!(!lives || was_ending || shell.answers.contains("ok"));
                    prop_assert!(!lives || was_ending || !shell.answers.contains("error"));
                }
                Happening::Unpublish => {
                    is_ended = true;
                    shell.carry_out(volume.unpublish());
                }
                Happening::Ends { is_good, is_temporary } => {
                    let failure = if is_temporary { temporary() } else { lasting() };
                    shell.end(&mut volume, is_good, &failure, now);
                }
                Happening::Breaks => {
                    if shell.jobs() > 0 {
                        (shell.signing, shell.writing, shell.is_unmounting) = (None, None, false);
                        shell.carry_out(volume.broke(at(now)));
                    }
                }
                Happening::Time { seconds, has_waiters } => {
                    now += seconds;
                    shell.carry_out(volume.tick(at(now), has_waiters));
                }
            }
            prop_assert!(!is_ended || (shell.signing.is_none()), "nothing is signed after the end");
        }
        // From here on, everything succeeds.
        for _ in 0..1000 {
            if shell.is_forgotten {
                return Ok(());
            }
            now += 1;
            shell.end(&mut volume, true, &temporary(), now);
            if !shell.is_forgotten {
                shell.carry_out(volume.tick(at(now), false));
            }
        }
        prop_assert!(!is_ended, "a volume that ended is forgotten");
        prop_assert_eq!(volume.state(at(now)), VolumeState::Serving);
    }
}
