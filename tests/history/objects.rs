//! The objects of a history: their names, and what they ask for.

use serde_json::{Value, json};

use crate::cluster::Name;
use crate::{accounts, sts};

/// Namespaces, and objects in each.
pub const NAMESPACES: u8 = 2;
pub const OBJECTS: u8 = 3;
/// The object of each namespace that is signed with a session.
pub const WITH_SESSION: u8 = 2;
/// The namespace whose sessions begin with a token. Those of the other ones begin with the access key.
pub const WITH_TOKENS: u8 = 0;

/// An object by its namespace and its number.
pub type Who = (u8, u8);

pub fn everyone() -> impl Iterator<Item = Who> {
    (0..NAMESPACES).flat_map(|namespace| (0..OBJECTS).map(move |object| (namespace, object)))
}

pub fn namespace(number: u8) -> String {
    format!("team-{number}")
}

/// The name of an object, and of its Secret.
pub fn name((of, object): Who) -> Name {
    (namespace(of), format!("report-{object}"))
}

/// The Secret with the access key of a namespace.
pub fn credentials(of: u8) -> Name {
    (namespace(of), "keys".to_owned())
}

/// The id of the access key of this number.
pub fn key_id(number: u8) -> String {
    format!("KEYNUMBER{number}")
}

/// The `ServiceAccount` of a namespace.
pub fn account(of: u8) -> Name {
    (namespace(of), accounts::NAME.to_owned())
}

/// The role of this number.
pub fn role(number: u8) -> String {
    format!("arn:aws:iam::0:role/{number}")
}

/// What an object asks for. Most URLs live so long that a renewal does not make good what is forgotten.
pub fn spec((namespace, object): Who) -> Value {
    let is_brief = object == 0 || (namespace, object) == (WITH_TOKENS, WITH_SESSION);
    let duration = if is_brief { 15 * 60 } else { 12 * 60 * 60 };
    let credentials = match (object, namespace) {
        (WITH_SESSION, WITH_TOKENS) => with_token(duration),
        (WITH_SESSION, _) => json!({
            "secretRef": {"name": "keys"}, "assumeRole": {"roleARN": role(0)}, "session": session(2 * 60 * 60),
        }),
        _ => json!({"secretRef": {"name": "keys"}}),
    };
    json!({
        "bucket": "reports", "key": "key-0", "expiresIn": if is_brief { "10m" } else { "24h" },
        "s3": {"endpoint": "https://s3.example.org", "region": "us-west", "credentials": credentials},
    })
}

/// Credentials by a token, for a session of so many seconds.
pub fn with_token(duration: u32) -> Value {
    let account = json!({"name": accounts::NAME});
    json!({
        "webIdentity": {"serviceAccountRef": account, "roleARN": role(0)}, "session": session(duration),
    })
}

fn session(duration: u32) -> Value {
    json!({"sts": {"endpoint": format!("https://{}", sts::HOST)}, "duration": format!("{duration}s")})
}
