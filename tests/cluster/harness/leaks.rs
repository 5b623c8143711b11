//! What must never be written down: every story is searched for it when it ends.

use std::sync::{Arc, Mutex};

use testbed::{StsAnswer, StsFront, element};

use super::{World, world::SECOND_KEY};

/// The STS of each namespace that has one.
static FRONTS: Mutex<Vec<(String, Arc<StsFront>)>> = Mutex::new(Vec::new());

/// From now on, no session of this STS and no token that it was sent may be in what is written for the
/// namespace.
#[allow(dead_code, reason = "only the tests of sessions have an STS")]
pub fn hide_sessions(namespace: &str, front: Arc<StsFront>) {
    FRONTS.lock().unwrap().push((namespace.to_owned(), front));
}

/// The sessions of the STS of a namespace, with their secrets, and the tokens that it was sent.
pub fn hidden_sessions(namespace: &str) -> Vec<String> {
    let fronts = FRONTS.lock().unwrap();
    let of_namespace = fronts.iter().filter(|(name, _)| name == namespace);
    of_namespace.flat_map(|(_, front)| front.answers()).flat_map(|answer| secrets(&answer)).collect()
}

fn secrets(answer: &StsAnswer) -> Vec<String> {
    let field = |name: &str| element(&answer.body, name);
    [field("SecretAccessKey"), field("SessionToken"), answer.token.clone()].into_iter().flatten().collect()
}

/// Fails if `written` holds part of a URL's query, an access key, a token, or a session policy; `what`
/// says where it was written, and `namespace` for which story.
pub fn assert_none(world: &World, namespace: &str, what: &str, written: &str) {
    let hidden = [
        "X-Amz-Signature",
        "X-Amz-Credential",
        "X-Amz-Security-Token",
        // The same of a form, and the begin of its policy.
        "x-amz-signature",
        "x-amz-credential",
        "x-amz-security-token",
        "eyJleHBpcmF0aW9u",
        world.store.access_key_id(),
        world.store.secret_access_key(),
        SECOND_KEY.0,
        SECOND_KEY.1,
        // The begin of every token in the form of a JWT.
        "eyJhbGciOi",
        // The version of every session policy.
        "2012-10-17",
    ];
    let sessions = hidden_sessions(namespace);
    for text in hidden.into_iter().chain(sessions.iter().map(String::as_str)) {
        if let Some(at) = written.find(text) {
            let before: String = written[..at].chars().rev().take(200).collect();
            let before: String = before.chars().rev().collect();
            panic!("{text} is in {what}, after: {before:?}");
        }
    }
}
