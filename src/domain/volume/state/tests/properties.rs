//! A volume is never lost, nothing is written after it was unpublished, and a URL that lives is never an error.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

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
        3 => (0..3u32, any::<bool>(), prop::bool::weighted(0.9)).prop_map(|(group, is_valid, is_in_place)| {
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
#[allow(clippy::struct_excessive_bools, reason = "each says that one thing has happened")]
struct Shell {
    signing: Option<u64>,
    writing: Option<VolumeTimes>,
    is_unmounting: bool,
    /// Whether it was unmounted, and whether the kubelet has unpublished it.
    is_unmounted: bool,
    is_ended: bool,
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
            let is_work = matches!(effect, VolumeEffect::Sign(_) | VolumeEffect::Write(_));
            assert!(!self.is_ended || !is_work, "nothing is signed or written after it was unpublished");
            let says_gone = matches!(effect, VolumeEffect::AnswerUnpublish(Ok(())));
            assert!(self.is_unmounted || !says_gone, "it is still mounted");
            match effect {
                VolumeEffect::Sign(job) => self.signing = Some(job),
                VolumeEffect::StopSigning => self.signing = None,
                VolumeEffect::Write(signed) => self.writing = Some(signed.times),
                VolumeEffect::Unmount => self.is_unmounting = true,
                VolumeEffect::AnswerPublish(Ok(())) => drop(self.answers.insert("ok")),
                VolumeEffect::AnswerPublish(Err(_)) => drop(self.answers.insert("error")),
                VolumeEffect::Forget => self.is_forgotten = true,
                VolumeEffect::AnswerUnpublish(_) | VolumeEffect::Keep(_) | VolumeEffect::Note(_) => {}
            }
            assert!(self.jobs() <= 1, "one job at a time");
        }
    }

    fn end(&mut self, volume: &mut UrlVolume, is_good: bool, failure: &VolumeFailure, now: i64) {
        let effects = if let Some(job) = self.signing.take() {
            let outcome =
                if is_good { Ok(signed(now, 900)) } else { Err(SignJobFailure::Failure(failure.clone())) };
            volume.signed(job, outcome, at(now))
        } else if self.writing.take().is_some() {
            volume.written(if is_good { Ok(()) } else { Err(temporary()) }, at(now))
        } else if std::mem::take(&mut self.is_unmounting) {
            self.is_unmounted = is_good;
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
        let (mut volume, mut shell, mut now) = (UrlVolume::unknown(), Shell::default(), 0);
        shell.carry_out(volume.publish(Ok((inputs(0), plan())), false, at(0)));
        for happening in happenings {
            if shell.is_forgotten {
                break;
            }
            match happening {
                Happening::Publish { group, is_valid, is_in_place } => {
                    let lives = is_in_place && volume.issued().is_some_and(|times| times.are_alive(at(now)));
                    let asked = if is_valid { Ok((inputs(group), plan())) } else { Err(lasting()) };
                    let was_ending = volume.state(at(now)) == VolumeState::Ending;
                    shell.carry_out(volume.publish(asked, is_in_place, at(now)));
                    prop_assert!(!lives || was_ending || shell.answers.contains("ok"));
                    prop_assert!(!lives || was_ending || !shell.answers.contains("error"));
                }
                Happening::Unpublish => {
                    shell.is_ended = true;
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
            prop_assert!(!shell.is_ended || shell.signing.is_none(), "nothing is signed after the end");
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
        prop_assert!(!shell.is_ended, "a volume that ended is forgotten");
        prop_assert_eq!(volume.state(at(now)), VolumeState::Serving);
    }
}
