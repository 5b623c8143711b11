//! What must never be written down: every story is searched for it when it ends.

use super::{World, world::SECOND_KEY};

/// Fails if `written` holds part of a URL's query or of an access key; `what` says where it
/// was written.
pub fn assert_none(world: &World, what: &str, written: &str) {
    let hidden = [
        "X-Amz-Signature",
        "X-Amz-Credential",
        "X-Amz-Security-Token",
        world.store.access_key_id(),
        world.store.secret_access_key(),
        SECOND_KEY.0,
        SECOND_KEY.1,
    ];
    for text in hidden {
        if let Some(at) = written.find(text) {
            let before: String = written[..at].chars().rev().take(200).collect();
            let before: String = before.chars().rev().collect();
            panic!("{text} is in {what}, after: {before:?}");
        }
    }
}
