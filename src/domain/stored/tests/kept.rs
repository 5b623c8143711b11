//! What the caches keep of names that are too long, and of Secrets of others.

use super::*;
use crate::domain::ended::{EndReason, Ended};

#[test]
fn names_that_are_too_long_are_not_kept() {
    let long = "x".repeat(250_000);
    let mut world = issued();
    world.server.update(THEM, at(9), |secret| {
        secret.annotations_mut().insert(ANNOTATION_OWNER.to_owned(), long.clone());
        secret.annotations_mut().insert(ANNOTATION_RENEW.to_owned(), long.clone());
        let owner = &mut secret.owner_references_mut()[0];
        (owner.name, owner.uid) = (long.clone(), long.clone());
    });
    let shown = format!("{:?}", world.stored().unwrap());
    assert!(shown.len() < 2000, "{} bytes", shown.len());
    for (length, is_kept) in [(MAX_NAME, true), (MAX_NAME + 1, false)] {
        let name = "x".repeat(length);
        world.server.update(THEM, at(9), |secret| secret.owner_references_mut()[0].name = name.clone());
        assert_eq!(*world.stored().unwrap().controller.unwrap().name == *name, is_kept, "{length}");
    }
}

#[test]
fn of_a_secret_of_others_the_content_is_not_kept() {
    let issued = issued().stored().unwrap();
    let ended = Ended { why: EndReason::Expired, expiration: None, request: None };
    let whole = Stored { source: Some(Digest::of("a session")), ended: Some(Box::new(ended)), ..issued };
    assert!(whole.content.url.is_some() && whole.content.usage.is_some() && whole.handled_renew.is_some());
    let uid = whole.uid.clone();
    let kept = whole.without_content();
    assert_eq!(
        (kept.content.url, kept.content.usage, kept.content.other_fields),
        (None, None, Digest::default())
    );
    assert_eq!((kept.handled_renew, kept.source, kept.ended), (None, None, None));
    assert_eq!(kept.uid, uid);
}
