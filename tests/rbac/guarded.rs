//! Metrics that are shown only to those who may get them, by replicas that lead and those that do not.

use std::path::Path;

use super::CLUSTER;
use super::chart::{Mode, Permission};
use super::harness::DEADLINE;
use super::place::RestrictedOperator;

/// What curl ends with when it does not trust the certificate that it is shown.
const UNTRUSTED: &str = "curl ended with 60";

/// The status that a scrape with this token is answered with, over TLS that is checked, or how curl
/// ended.
fn scrape(port: u16, certificate: &Path, token: Option<&str>) -> String {
    let mut curl = testbed::curl_command();
    curl.args(["--output", "/dev/null", "--write-out", "%{http_code}", "--cacert"]);
    curl.arg(certificate.join("tls.crt")).arg(format!("https://localhost:{port}/metrics"));
    if let Some(token) = token {
        curl.args(["--header", &format!("Authorization: Bearer {token}")]);
    }
    let output = curl.output().expect("curl is installed");
    match output.status.code() {
        Some(0) => String::from_utf8(output.stdout).unwrap(),
        code => format!("curl ended with {}", code.unwrap_or(-1)),
    }
}

/// Waits for a status: roles are taken in by the API server a moment after they were written.
async fn wait_for(expected: &str, what: &str, status: impl Fn() -> String) {
    let is_so = testbed::eventually(DEADLINE, async || status() == expected).await;
    assert!(is_so, "{what}: {} is not {expected}", status());
}

#[tokio::test]
async fn metrics_are_for_those_who_may_get_them_and_both_permissions_for_that_are_needed() {
    // The roles are the cluster's.
    let _alone = CLUSTER.write().await;
    let folder = tempfile::tempdir().unwrap();
    testbed::ServerCertificate::of("localhost").write(folder.path()).unwrap();
    for without in [None, Some("tokenreviews"), Some("subjectaccessreviews")] {
        let is_granted = |permission: &Permission| Some(permission.resource.as_str()) != without;
        let place = RestrictedOperator::with(Mode::Guarded, is_granted).await;
        place.make_account("reader", true);
        place.make_account("outsider", false);
        let (reader, outsider) = (place.token_of("reader"), place.token_of("outsider"));
        let replica = place.guarded_replica(folder.path());
        let port = replica.metrics_port();

        let ask = |token: Option<&str>| scrape(port, folder.path(), token);
        let what = format!("without {without:?}");
        wait_for(if without.is_none() { "200" } else { "503" }, &what, || ask(Some(&reader))).await;
        assert_eq!(ask(None), "401", "{what}");
        let made_up = if without == Some("tokenreviews") { "503" } else { "401" };
        assert_eq!(ask(Some("made-up")), made_up, "{what}");
        let forbidden = if without.is_none() { "403" } else { "503" };
        assert_eq!(ask(Some(&outsider)), forbidden, "{what}");
        assert_eq!(replica.page("/metrics"), "not found\n", "{what}: the port of the probes");
        assert_eq!(replica.page("/livez"), "ok\n", "{what}");
        let log = replica.log();
        assert!(!log.contains(&reader) && !log.contains(&outsider), "{log}");
        assert_eq!(log.contains("grant create on tokenreviews"), without.is_some(), "{what}: {log}");
        match without {
            None => place.assert_nothing_was_refused().await,
            Some(resource) => {
                let permission = Permission { resource: resource.to_owned(), verb: "create".to_owned() };
                assert!(place.was_refused(&permission).await, "{resource}");
            }
        }
    }
}

#[tokio::test]
async fn a_certificate_is_read_again_when_it_changes() {
    let _alone = CLUSTER.write().await;
    let [folder, first, second] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    for folder in [&first, &second] {
        testbed::ServerCertificate::of("localhost").write(folder.path()).unwrap();
    }
    let install = |from: &Path| {
        for file in ["tls.crt", "tls.key"] {
            std::fs::copy(from.join(file), folder.path().join(file)).unwrap();
        }
    };
    install(first.path());
    let place = RestrictedOperator::with(Mode::Guarded, |_| true).await;
    let replica = place.guarded_replica(folder.path());
    let port = replica.metrics_port();
    wait_for("401", "the first certificate", || scrape(port, first.path(), None)).await;
    assert_eq!(scrape(port, second.path(), None), UNTRUSTED, "there is no second one yet");
    install(second.path());
    wait_for("401", "the second certificate", || scrape(port, second.path(), None)).await;
    assert_eq!(scrape(port, first.path(), None), UNTRUSTED, "the first one is gone");
}
