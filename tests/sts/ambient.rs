//! The identity of the operator itself. Each case is a process of its own, because the SDK reads the
//! environment.

use std::process::Command;
use std::{env, fs};

use presign_operator::runtime::{LogFormat, logging};
use presign_operator::sts::{AmbientSource, Sts, StsSettings};

use crate::metadata::Metadata;
use crate::scratch::{now, settings};
use crate::server::{StubServer, answer, session};

/// What the child logs first, at the lowest level.
const LOGGED: &str = "the child begins";
/// Addresses at which the child serves metadata, separated by commas.
const SERVE: &str = "TEST_SERVE";
/// A file that the child overwrites after its first call, and then calls again.
const REWRITE: &str = "TEST_REWRITE";
/// What runs in a network of its own, in which these addresses are this machine's: those of the container
/// agent and of the metadata service, and one of anybody.
const ISOLATED: &str = "ip link set lo up && ip addr add 169.254.170.2/32 dev lo && \
    ip addr add 169.254.170.23/32 dev lo && ip addr add 169.254.169.254/32 dev lo && \
    ip addr add 192.0.2.1/32 dev lo && exec \"$0\" \"$@\"";
/// Where the child serves there. It answers at each address to whatever is asked.
const SERVED: (&str, &str) = (SERVE, "169.254.170.2:80,169.254.170.23:80,169.254.169.254:80,192.0.2.1:80");

/// The child: prints the key id of each session, or the failure.
#[tokio::test]
#[ignore = "a part of the other tests"]
#[expect(clippy::disallowed_methods, reason = "the environment is what is tested")]
async fn child() {
    logging::init("trace,aws_smithy_runtime=trace,aws_config=trace,hyper_util=trace", LogFormat::Text)
        .unwrap();
    tracing::trace!("{LOGGED}");
    let metadata = Metadata::new();
    for address in env::var(SERVE).unwrap_or_default().split(',').filter(|address| !address.is_empty()) {
        metadata.serve(address).await;
    }
    let ambient = Some(AmbientSource::find(|name| env::var(name).ok()));
    let sts = Sts::new(StsSettings { ambient, ..settings("aws") }).unwrap();
    tell(&sts).await;
    if let Ok(path) = env::var(REWRITE) {
        fs::write(path, "second").unwrap();
        tell(&sts).await;
    }
}

async fn tell(sts: &Sts) {
    match sts.ambient(now).await {
        Ok(session) => {
            let credentials = session.credentials;
            assert!(credentials.expiration.is_some() && credentials.session_token.is_some());
            println!("TOLD {}", credentials.access_key_id.expose());
        }
        Err(failure) => {
            assert!(!format!("{failure} {failure:?}").contains("hidden"));
            println!("TOLD {failure}");
        }
    }
}

/// What the child tells with these variables and no other of AWS. It logs all that it may.
fn told(isolated: bool, variables: &[(&str, &str)]) -> Vec<String> {
    let own = env::current_exe().unwrap();
    let mut command = if isolated { Command::new("unshare") } else { Command::new(&own) };
    if isolated {
        command.args(["--map-root-user", "--net", "sh", "-c", ISOLATED]).arg(&own);
    }
    command.args(["--exact", "ambient::child", "--ignored", "--nocapture", "--test-threads=1"]);
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let logged = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{logged}");
    assert!(logged.contains(LOGGED), "the child does not log: {logged}");
    assert!(!logged.contains("hidden"), "{logged}");
    let told: Vec<_> = text.lines().filter_map(|line| Some(line.split_once("TOLD ")?.1.to_owned())).collect();
    assert!(!told.is_empty(), "{text}");
    told
}

async fn told_of(variables: Vec<(&'static str, String)>) -> Vec<String> {
    let run = move || {
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        told(false, &variables)
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

const ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
/// What is told of an endpoint that was not asked.
const UNUSABLE: &str =
    "the URL must begin with https or have an address of this machine or of the container agent";

#[tokio::test]
async fn instance_metadata_needs_a_token() {
    let metadata = Metadata::new();
    let url = format!("http://{}", metadata.serve("127.0.0.1:0").await);
    assert_eq!(told_of(vec![(ENDPOINT, url)]).await, ["ASIANODE"]);
    let roles = "GET /latest/meta-data/iam/security-credentials/";
    assert_eq!(
        metadata.seen(),
        ["PUT /latest/api/token 200".to_owned(), format!("{roles} 200"), format!("{roles}node-role 200")]
    );
}

#[tokio::test]
async fn instance_metadata_of_version_1_is_not_used() {
    let metadata = Metadata { has_tokens: false, ..Metadata::new() };
    let url = format!("http://{}", metadata.serve("127.0.0.1:0").await);
    let told = told_of(vec![(ENDPOINT, url)]).await;
    assert_eq!(told, ["the credentials endpoint of the operator refused to issue a session (status 404)"]);
    assert!(metadata.seen().iter().all(|request| request.starts_with("PUT ")), "{:?}", metadata.seen());
}

#[tokio::test]
async fn a_node_without_a_role_and_old_credentials_are_told() {
    for (metadata, expected) in [
        (Metadata { has_role: false, ..Metadata::new() }, "refused to issue a session (status 404)"),
        (Metadata { expiration: "2020-01-01T00:00:00Z".to_owned(), ..Metadata::new() }, "already expired"),
        (Metadata { expiration: "soon".to_owned(), ..Metadata::new() }, "no valid credentials"),
    ] {
        let url = format!("http://{}", metadata.serve("127.0.0.1:0").await);
        let told = told_of(vec![(ENDPOINT, url)]).await;
        assert!(told.len() == 1 && told[0].contains(expected), "{expected}: {told:?}");
    }
}

#[tokio::test]
async fn static_keys_and_disabled_metadata_are_no_identity() {
    let keys = [("AWS_ACCESS_KEY_ID", "AKIAHIDDEN"), ("AWS_SECRET_ACCESS_KEY", "hidden")];
    let mut variables: Vec<_> = keys.map(|(name, value)| (name, value.to_owned())).into();
    variables.push(("AWS_EC2_METADATA_DISABLED", "true".to_owned()));
    let told = told_of(variables).await;
    assert!(told[0].starts_with("the operator has no AWS identity of its own"), "{told:?}");
}

#[tokio::test]
async fn the_token_of_the_container_endpoint_is_read_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let metadata = Metadata { authorization: Some("first".to_owned()), ..Metadata::new() };
    let url = format!("http://{}/v1/credentials", metadata.serve("127.0.0.1:0").await);
    fs::write(&file, "first").unwrap();
    let path = file.to_str().unwrap().to_owned();
    let told =
        told_of(vec![(FULL_URI, url.clone()), (TOKEN_FILE, path.clone()), (REWRITE, path.clone())]).await;
    assert_eq!(told[0], "ASIAPOD");
    assert!(told[1].contains("status 401"), "{told:?}");
    fs::remove_file(&file).unwrap();
    let told = told_of(vec![(FULL_URI, url), (TOKEN_FILE, path)]).await;
    assert!(told[0].starts_with("the operator has no AWS identity of its own"), "{told:?}");
    assert_eq!(metadata.seen().len(), 2);
}

#[tokio::test]
async fn the_token_of_a_service_account_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "hidden-token\n").unwrap();
    let body = session("AssumeRoleWithWebIdentity", "ASIAIRSA", "hidden", "hidden", "2099-01-01T00:00:00Z");
    let server = StubServer::sends(answer(200, "", &body)).await;
    let told = told_of(vec![
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap().to_owned()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/operator".to_owned()),
        ("AWS_REGION", "eu-central-1".to_owned()),
        ("AWS_ENDPOINT_URL_STS", server.url()),
        (FULL_URI, "http://127.0.0.1:1/".to_owned()),
    ])
    .await;
    assert_eq!(told, ["ASIAIRSA"]);
    assert!(server.requests()[0].contains("&WebIdentityToken=hidden-token&"), "{:?}", server.requests());
}

/// The same in a network of its own, because these addresses may belong to somebody here.
#[cfg(target_os = "linux")]
fn told_in_a_network(variables: &[(&str, &str)]) -> Vec<String> {
    let may =
        Command::new("unshare").args(["--map-root-user", "--net", "sh", "-c", "ip link set lo up"]).output();
    let is_possible = may.is_ok_and(|output| output.status.success());
    assert!(is_possible, "a network of its own is needed: the programs unshare and ip, and user namespaces");
    told(true, &[&[SERVED], variables].concat())
}

#[cfg(target_os = "linux")]
#[test]
fn the_addresses_of_the_agents_are_asked() {
    let relative = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v1/credentials")];
    assert_eq!(told_in_a_network(&relative), ["ASIAPOD"]);
    assert_eq!(told_in_a_network(&[(FULL_URI, "http://169.254.170.23/v1/credentials")]), ["ASIAPOD"]);
    assert_eq!(told_in_a_network(&[]), ["ASIANODE"]);
}

/// Each of these addresses has a server that would answer with credentials.
#[cfg(target_os = "linux")]
#[test]
fn a_container_endpoint_elsewhere_is_not_asked_without_tls() {
    for address in ["http://192.0.2.1", "http://169.254.169.254"] {
        assert_eq!(told_in_a_network(&[(ENDPOINT, address)]), ["ASIANODE"], "{address} can be reached");
        let url = format!("{address}/v1/credentials");
        let told = told_in_a_network(&[(FULL_URI, &url)]);
        assert!(told.len() == 1 && told[0].contains(UNUSABLE), "{url}: {told:?}");
    }
}

#[tokio::test]
async fn a_container_endpoint_that_is_no_http_url_is_not_asked() {
    let metadata = Metadata::new();
    let address = metadata.serve("127.0.0.1:0").await;
    assert_eq!(told_of(vec![(FULL_URI, format!("http://{address}/v1/credentials"))]).await, ["ASIAPOD"]);
    for (url, expected) in
        [("no-url".to_owned(), UNUSABLE), (format!("ftp://{address}/v1/credentials"), "it cannot be reached")]
    {
        let told = told_of(vec![(FULL_URI, url.clone())]).await;
        assert!(told.len() == 1 && told[0].contains(expected), "{url}: {told:?}");
    }
    assert_eq!(metadata.seen().len(), 1);
}
