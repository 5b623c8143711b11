//! What must be true after the quiet, and what must never have happened.

use jiff::Timestamp;
use serde_json::Value;

use std::time::Duration;

use presign_operator::controller::{CachedObject, Snapshot};

use crate::cluster::{Kind, Name, uid};
use crate::objects::key_id;
use crate::state::State;

/// Everything that must hold once nothing happens any more.
pub fn assert_well(state: &State, now: Timestamp, when: &str) {
    assert_eq!(state.wrongs, Vec::<String>::new());
    for (name, url) in &state.cluster.stored.urls {
        let secret = state.cluster.secret(name);
        let (is_ready, reason) = ready(url).unwrap_or_else(|| panic!("{when}: {name:?} has no status"));
        if url["spec"]["suspend"] == true {
            // Nothing is written for it, so its Secret may be owned as before an edit.
            let is_right = || secret.is_some_and(|secret| holds_url(state, url, &secret, now, None));
            assert!(!is_ready || is_right(), "{when}: {name:?} is suspended and ready without its URL");
            continue;
        }
        assert!(is_ready, "{when}: {name:?} is not ready: {reason}");
        let secret = secret.unwrap_or_else(|| panic!("{when}: {name:?} is ready without a Secret"));
        let is_right = holds_url(state, url, &secret, now, Some(1)) && is_owned_as_wanted(url, &secret);
        assert!(is_right, "{when}: {name:?} has another URL: {secret}");
    }
    for name in state.cluster.stored.secrets.keys().filter(|name| name.1 != "keys") {
        let Some(secret) = state.cluster.secret(name) else { continue };
        let is_retained = secret["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty);
        let has_owner = state.cluster.stored.urls.contains_key(name);
        assert!(is_retained || has_owner, "{when}: a Secret without a PresignedUrl: {name:?}");
    }
}

/// What the operator holds in memory is what is stored: no more, no less, nothing older.
pub fn assert_remembered(state: &State, memory: &Snapshot, when: &str) {
    let held = |object: &Value| CachedObject {
        namespace: text(&object["metadata"]["namespace"]),
        name: text(&object["metadata"]["name"]),
        uid: text(&object["metadata"]["uid"]),
        resource_version: text(&object["metadata"]["resourceVersion"]).parse().unwrap(),
    };
    let sorted = |mut objects: Vec<CachedObject>| {
        objects.sort();
        objects
    };
    let urls = state.cluster.stored.urls.values().map(held).collect();
    assert_eq!(sorted(memory.presigned_urls.clone()), sorted(urls), "{when}");
    let secrets = state.cluster.stored.secrets.keys().filter_map(|name| state.cluster.secret(name));
    let managed = secrets.filter(|secret| secret["metadata"]["labels"]["presign.dev/managed"] == "true");
    assert_eq!(
        sorted(memory.secrets.clone()),
        sorted(managed.map(|secret| held(&secret)).collect()),
        "{when}"
    );
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// In how many seconds the next URL is due.
pub fn next_renewal(state: &State, now: Timestamp) -> i64 {
    let due = state.cluster.stored.urls.values().filter_map(|url| {
        let times =
            ["renewalTime", "expirationTime"].into_iter().filter_map(|time| url["status"][time].as_str());
        times
            .filter_map(|time| Some(time.parse::<Timestamp>().ok()?.as_second() - now.as_second()))
            .filter(|left| *left >= 0)
            .min()
    });
    due.min().unwrap_or(i64::MAX)
}

/// No Secret is written more than five times in eight seconds, beside what people asked for.
pub fn assert_few_writes(state: &State) {
    let writes = || {
        state.writes.iter().filter(|write| write.kind == Kind::Secrets && write.code.is_some_and(|c| c < 300))
    };
    for first in writes() {
        let window = first.sent..first.sent + Duration::from_secs(8);
        let is_there = |name: &Name, at| *name == first.name && window.contains(&at);
        let count = writes().filter(|write| is_there(&write.name, write.sent)).count();
        let asked = state.inputs.iter().filter(|(name, at)| is_there(name, *at)).count();
        assert!(count <= 5 + asked, "{count} writes of {:?} in 8 s, {asked} of them asked for", first.name);
    }
}

/// Whether an object is ready, and the reason.
pub fn ready(url: &Value) -> Option<(bool, &str)> {
    let conditions = url["status"]["conditions"].as_array()?;
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready")?;
    Some((ready["status"] == "True", ready["reason"].as_str()?))
}

/// Whether a Secret holds an unexpired URL of what the spec asks for, by the key of this number or a session
/// that is wanted.
fn holds_url(state: &State, url: &Value, secret: &Value, now: Timestamp, key: Option<u8>) -> bool {
    let (Some(text), Some(expires)) = (data(secret, "url"), data(secret, "expires-at")) else { return false };
    let is_alive = expires.parse::<Timestamp>().is_ok_and(|end| now < end);
    let is_signed = key.map(key_id).is_none_or(|key_id| {
        let is_of_key = || text.contains(&format!("X-Amz-Credential={key_id}%2F"));
        state.is_of_right_session(&text, &url["spec"], &key_id, now).unwrap_or_else(is_of_key)
    });
    let is_of_object = text.contains(url["spec"]["key"].as_str().unwrap());
    is_alive && is_signed && is_of_object
}

/// A value of a Secret.
pub fn data(secret: &Value, key: &str) -> Option<String> {
    let bytes: k8s_openapi::ByteString = serde_json::from_value(secret["data"][key].clone()).ok()?;
    String::from_utf8(bytes.0).ok()
}

/// Whether it goes with its `PresignedUrl`, or stays without it, as the spec asks.
fn is_owned_as_wanted(url: &Value, secret: &Value) -> bool {
    let is_retained = url["spec"]["secret"]["deletionPolicy"] == "Retain";
    let owner = secret["metadata"]["ownerReferences"][0]["uid"].as_str();
    owner == uid(url).filter(|_| !is_retained)
}
