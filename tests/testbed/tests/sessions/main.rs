//! Sessions of a real S3 server with an STS: who gets one, what it can do, and each way in
//! which the STS can fail.

// Clippy spares only the test functions themselves.
#![allow(clippy::unwrap_used)]

mod front;
mod store;

use std::{process::Command, sync::LazyLock};

use testbed::{ControlPlane, Role, SessionStore, allow, curl_command, element, output};

static PLANE: LazyLock<ControlPlane> = LazyLock::new(|| {
    let plane = ControlPlane::start().unwrap();
    for account in ["uploader", "stranger"] {
        output(plane.kubectl().args(["create", "serviceaccount", account])).unwrap();
    }
    plane
});

static STORE: LazyLock<SessionStore> = LazyLock::new(|| {
    let store = SessionStore::builder()
        .issuer(&PLANE)
        .unwrap()
        .identity("KEY", "secret", &[])
        .identity("OTHER", "secret", &["Admin"])
        .role(uploader())
        .role(Role::new("keyed", team_a()).identity("KEY"))
        .role(Role::new("chained", team_a()).role("uploader"))
        .start()
        .unwrap();
    fill(&store);
    store
});

fn uploader() -> Role {
    Role::new("uploader", team_a()).service_account("default", "uploader")
}

fn team_a() -> serde_json::Value {
    allow(&["s3:GetObject", "s3:PutObject"], &["arn:aws:s3:::bucket/team-a/*"])
}

fn fill(store: &SessionStore) {
    store.create_bucket("bucket").unwrap();
    store.create_bucket("bucket").unwrap();
    store.put_object("bucket", "team-a/report", "of a").unwrap();
    store.put_object("bucket", "team-b/report", "of b").unwrap();
}

/// An access key, with a token if it is of a session.
struct Key {
    id: String,
    secret: String,
    token: Option<String>,
}

impl Key {
    fn of(id: &str, secret: &str) -> Self {
        Self { id: id.to_owned(), secret: secret.to_owned(), token: None }
    }

    /// That of the session in an answer of the STS.
    fn in_answer(body: &str) -> Self {
        let token = Some(field(body, "SessionToken"));
        Self { id: field(body, "AccessKeyId"), secret: field(body, "SecretAccessKey"), token }
    }
}

/// The text of an XML element.
fn field(body: &str, name: &str) -> String {
    element(body, name).unwrap_or_else(|| panic!("no {name}: {body}"))
}

/// A token of a service account.
fn token(account: &str, audience: &str) -> String {
    let audience = format!("--audience={audience}");
    let token = output(PLANE.kubectl().args(["create", "token", account, &audience]));
    token.unwrap().trim().to_owned()
}

/// curl, which prints the status in a last line of its own.
fn curl(key: Option<&Key>, service: &str) -> Command {
    let mut curl = curl_command();
    curl.args(["-w", "\n%{http_code}"]);
    if let Some(Key { id, secret, token }) = key {
        curl.args(["--aws-sigv4", &format!("aws:amz:us-east-1:{service}")]);
        curl.args(["--user", &format!("{id}:{secret}")]);
        if service == "s3" {
            // Older versions of curl leave it out, which means an empty body.
            curl.args(["-H", "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD"]);
        }
        if let Some(token) = token {
            curl.args(["-H", &format!("X-Amz-Security-Token: {token}")]);
        }
    }
    curl
}

/// The status and the body, or curl's complaint.
fn answer(curl: &mut Command) -> Result<(u16, String), String> {
    let said = output(curl)?;
    let (body, status) = said.rsplit_once('\n').unwrap();
    Ok((status.parse().unwrap(), body.to_owned()))
}

/// A call of an STS at an address.
fn ask(
    endpoint: &str,
    key: Option<&Key>,
    action: &str,
    role: &str,
    further: &[(&str, &str)],
) -> Result<(u16, String), String> {
    let mut curl = curl(key, "sts");
    let role = format!("arn:aws:iam::000000000000:role/{role}");
    let fields =
        [("Action", action), ("Version", "2011-06-15"), ("RoleArn", &role), ("RoleSessionName", "test")];
    for (name, value) in fields.iter().chain(further) {
        curl.args(["--data-urlencode", &format!("{name}={value}")]);
    }
    answer(curl.arg(endpoint))
}

/// The exchange of a service account's token.
fn exchange(role: &str, token: &str, further: &[(&str, &str)]) -> (u16, String) {
    let further: Vec<_> = [("WebIdentityToken", token)].iter().chain(further).copied().collect();
    ask(&STORE.endpoint(), None, "AssumeRoleWithWebIdentity", role, &further).unwrap()
}

/// A role assumed with a key.
fn assume(key: &Key, role: &str, further: &[(&str, &str)]) -> (u16, String) {
    ask(&STORE.endpoint(), Some(key), "AssumeRole", role, further).unwrap()
}

/// The session in an answer of the STS, which has to be one.
fn session((status, body): (u16, String)) -> Key {
    assert_eq!(status, 200, "{body}");
    Key::in_answer(&body)
}

/// That an answer is a refusal with this status and code.
fn assert_refused((status, body): (u16, String), expected: u16, code: &str) {
    assert_eq!((status, field(&body, "Code").as_str()), (expected, code), "{body}");
}

fn get(store: &SessionStore, key: &Key, object: &str) -> (u16, String) {
    answer(curl(Some(key), "s3").arg(format!("{}/bucket/{object}", store.endpoint()))).unwrap()
}

fn put(store: &SessionStore, key: &Key, object: &str) -> (u16, String) {
    let url = format!("{}/bucket/{object}", store.endpoint());
    answer(curl(Some(key), "s3").args(["-X", "PUT", "-d", "new", &url])).unwrap()
}
