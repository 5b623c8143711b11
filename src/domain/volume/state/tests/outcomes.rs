//! What a volume tells about itself, and what the end of each job changes.

use super::*;

/// Whether a failure was noted, and whether as a new one.
fn noted(effects: &[VolumeEffect]) -> Option<bool> {
    effects.iter().find_map(|effect| match effect {
        VolumeEffect::Note(VolumeNote::Failed { is_new, .. }) => Some(*is_new),
        _ => None,
    })
}

#[test]
fn a_volume_tells_what_it_was_published_with_and_what_it_holds() {
    let unknown = UrlVolume::unknown();
    assert!(unknown.work().is_none() && unknown.inputs().is_none() && unknown.issued().is_none());
    let volume = published();
    let (work, to_sign) = volume.work().unwrap();
    assert_eq!((work.fs_group, &*to_sign.unwrap()), (Some(1), &plan()));
    assert_eq!(volume.inputs().unwrap().fs_group, Some(1));
    assert_eq!(volume.issued(), Some(times(0, 900)));
}

#[test]
fn a_write_that_fails_is_tried_again_unless_the_volume_ends() {
    let mut volume = published();
    for (second, is_new) in [(600, true), (602, false)] {
        assert_eq!(names(&volume.tick(at(second), false)), "sign");
        let job = if is_new { 2 } else { 3 };
        assert_eq!(names(&volume.signed(job, Ok(signed(second, 900)), at(second))), "write");
        let effects = volume.written(Err(temporary()), at(second));
        assert_eq!((names(&effects).as_str(), noted(&effects)), ("", Some(is_new)));
        assert_eq!(volume.failure(), Some(&temporary()));
    }
    let mut volume = published();
    assert_eq!(names(&volume.tick(at(600), false)), "sign");
    assert_eq!(names(&volume.signed(2, Ok(signed(600, 900)), at(600))), "write");
    assert_eq!(names(&volume.unpublish()), "error");
    let effects = volume.written(Err(temporary()), at(601));
    assert_eq!((names(&effects).as_str(), noted(&effects)), ("unmount", None));
    assert_eq!(volume.failure(), None);
}

#[test]
fn a_clock_that_is_a_little_ahead_signs_nothing_again() {
    let skew = i64::from(MAX_CLOCK_SKEW);
    for (signed, effects) in [(skew, ""), (skew + 1, "sign")] {
        let mut volume = UrlVolume::adopted(inputs(1), Ok(plan()), times(signed, 900));
        assert_eq!(names(&volume.tick(at(0), false)), effects, "signed {signed} s from now");
    }
}
