//! Without faults, nobody notices the proxy.

use std::net::TcpStream;

use serde_json::{Value, json};
use testbed::curl_command;

use crate::{DEADLINE, PLANE, RunningProgram, curl, exists, output, proxy, through};

#[test]
fn kubectl_notices_nothing() {
    let proxy = proxy();
    output(&mut through(&proxy, &["create", "configmap", "passed", "--from-literal=a=b"])).unwrap();
    assert!(exists("passed"));
    output(&mut through(&proxy, &["label", "configmap", "passed", "x=y"])).unwrap();
    let value =
        output(&mut through(&proxy, &["get", "configmap", "passed", "-o", "jsonpath={.data.a}"])).unwrap();
    assert_eq!(value, "b");
    output(&mut through(&proxy, &["delete", "configmap", "passed"])).unwrap();
    let missing = output(&mut through(&proxy, &["get", "configmap", "passed"])).unwrap_err();
    assert!(missing.contains("NotFound"), "{missing}");
}

#[test]
fn a_list_of_megabytes_is_the_same_on_both_ways() {
    let proxy = proxy();
    output(PLANE.kubectl().args(["create", "namespace", "big"])).unwrap();
    let items: Vec<_> = (0..200)
        .map(|n| {
            let metadata = json!({"name": format!("big-{n}"), "namespace": "big"});
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "é".repeat(10_000)}})
        })
        .collect();
    let file = PLANE.folder().join("big.json");
    std::fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()).unwrap();
    output(PLANE.kubectl().args(["create", "-f", file.to_str().unwrap()])).unwrap();
    let list = ["get", "--raw", "/api/v1/namespaces/big/configmaps"];
    let direct = output(PLANE.kubectl().args(list)).unwrap();
    let passed = output(&mut through(&proxy, &list)).unwrap();
    assert!(direct.len() > 4_000_000);
    // The list's own resource version moves with every write of another test.
    let items = |list: &str| serde_json::from_str::<Value>(list).unwrap()["items"].take();
    // Not assert_eq, which would print both.
    assert!(items(&direct) == items(&passed) && direct.len() == passed.len());
}

#[test]
fn a_watch_streams_each_event_as_it_happens() {
    let proxy = proxy();
    output(PLANE.kubectl().args(["create", "namespace", "streams"])).unwrap();
    let in_streams = ["-n", "streams"];
    let watch = RunningProgram::of(through(&proxy, &in_streams).args([
        "get",
        "configmaps",
        "--watch",
        "--output-watch-events",
        "-o",
        "name",
    ]));
    watch.wait_for("kube-root-ca.crt");
    for name in ["one", "two"] {
        output(PLANE.kubectl().args(in_streams).args(["create", "configmap", name])).unwrap();
        watch.wait_for(name);
    }
}

#[test]
fn a_client_keeps_its_own_identity() {
    let proxy = proxy();
    let token = output(PLANE.kubectl().args(["create", "token", "default"])).unwrap();
    let token = token.trim();
    let kubeconfig = std::fs::read_to_string(proxy.kubeconfig_for("account", token).unwrap()).unwrap();
    assert!(kubeconfig.contains(token) && kubeconfig.contains(&proxy.url()), "{kubeconfig}");
    let bearer = format!("Authorization: Bearer {token}");
    let url = format!("{}/api/v1/secrets", proxy.url());
    let answer = output(curl_command().args(["-H", &bearer, &url])).unwrap();
    assert!(answer.contains(r#"User \"system:serviceaccount:default:default\" cannot list"#), "{answer}");
}

#[tokio::test]
async fn what_passes_is_written_down_and_can_be_waited_for() {
    let proxy = proxy();
    assert!(!proxy.wait_for("/healthz", 1, std::time::Duration::from_millis(50)).await);
    let url = format!("{}/healthz?a=b", proxy.url());
    let mut asked =
        curl_command().args(["--max-time", "0", "-X", "POST", &url, "-o", "/dev/null"]).spawn().unwrap();
    assert!(proxy.wait_for("POST /healthz?a=b", 1, DEADLINE).await);
    asked.wait().unwrap();
    curl(&proxy, "/readyz").unwrap();
    assert_eq!(proxy.seen(), ["POST /healthz?a=b", "GET /readyz"]);
}

#[test]
fn nothing_is_left_of_it() {
    let proxy = proxy();
    let address = proxy.url().trim_start_matches("http://").to_owned();
    let folder = proxy.kubeconfig().parent().unwrap().to_owned();
    assert!(TcpStream::connect(&address).is_ok() && folder.is_dir());
    drop(proxy);
    assert!(TcpStream::connect(&address).is_err());
    assert!(!folder.exists());
}
