//! Which servers are reached: by the list, by the class of their address, by TLS and through a proxy.

use presign_operator::sts::{Sts, StsFailure, StsOutage};
use testbed::ServerCertificate;

use crate::scratch::{now, settings, sts, sts_request, token};
use crate::server::{Deed, StubServer, answer, session};

fn granted() -> String {
    answer(200, "", &session("AssumeRoleWithWebIdentity", "ASIA", "secret", "token", "2099-01-01T00:00:00Z"))
}

#[tokio::test]
async fn a_wildcard_does_not_reach_this_machine_and_a_name_does() {
    let server = StubServer::sends(granted()).await;
    let (name, address) = (format!("http://localhost:{}", server.port), server.url());
    for (list, url, is_reached) in [
        ("http://*", &name, false),
        ("http://*", &address, false),
        ("http://localhost", &name, true),
        ("http://127.0.0.1", &address, true),
        ("*,http://localhost", &name, true),
    ] {
        let before = server.requests().len();
        let answer = sts(list).with_web_identity(&sts_request(url), &token(), now).await;
        if is_reached {
            answer.unwrap();
        } else {
            assert_eq!(answer, Err(StsFailure::InternalAddress), "{list} {url}");
        }
        assert_eq!(server.requests().len() - before, usize::from(is_reached), "{list} {url}");
    }
}

#[tokio::test]
async fn what_is_not_listed_is_not_reached() {
    let server = StubServer::sends(granted()).await;
    for list in ["aws", "127.0.0.1", "*", "http://localhost"] {
        let failure =
            sts(list).with_web_identity(&sts_request(&server.url()), &token(), now).await.unwrap_err();
        let StsFailure::NotPermitted(denied) = failure else { panic!("{list}: {failure:?}") };
        assert_eq!(denied.host(), "127.0.0.1");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn metadata_services_are_refused_under_a_wildcard_in_every_form() {
    for host in [
        "169.254.169.254",
        "[fd00:ec2::254]",
        "168.63.129.16",
        "0.0.0.0",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "10.0.0.1",
        "[::1]",
    ] {
        let url = format!("http://{host}/latest");
        let answer = sts("http://*").with_web_identity(&sts_request(&url), &token(), now).await;
        assert_eq!(answer, Err(StsFailure::InternalAddress), "{host}");
    }
}

#[tokio::test]
async fn a_certificate_is_trusted_by_its_bundle_alone() {
    let certificate = ServerCertificate::of("localhost");
    let server = StubServer::start(Deed::Send(granted().into()), Some(certificate.acceptor())).await;
    let mut sts_request = sts_request(&format!("https://localhost:{}", server.port));
    let trusting =
        presign_operator::sts::StsSettings { ca_bundle: Some(certificate.pem()), ..settings("localhost") };
    Sts::new(trusting).unwrap().with_web_identity(&sts_request, &token(), now).await.unwrap();
    let sts = sts("localhost");
    let failure = sts.with_web_identity(&sts_request, &token(), now).await.unwrap_err();
    assert!(matches!(failure, StsFailure::Unavailable { outage: StsOutage::Tls, .. }), "{failure:?}");
    sts_request.service.ca_bundle = Some("-----BEGIN CERTIFICATE-----".to_owned());
    let failure = sts.with_web_identity(&sts_request, &token(), now).await.unwrap_err();
    assert!(failure.to_string().starts_with("caBundle "), "{failure}");
    sts_request.service.ca_bundle = Some(certificate.pem());
    sts.with_web_identity(&sts_request, &token(), now).await.unwrap();
    assert_eq!(server.requests().len(), 2);
}

/// An STS client that reaches the servers in a list through a proxy.
fn through(proxy: &str, no_proxy: Option<&str>, list: &str) -> Sts {
    let (proxy, no_proxy) = (Some(proxy.to_owned()), no_proxy.map(str::to_owned));
    Sts::new(presign_operator::sts::StsSettings { proxy, no_proxy, ..settings(list) }).unwrap()
}

#[tokio::test]
async fn a_proxy_gets_the_name_and_decides_where_it_leads() {
    let proxy = StubServer::sends(answer(502, "", "")).await;
    let sts = through(&format!("http://user:hidden@127.0.0.1:{}", proxy.port), None, "sts.invalid");
    let failure =
        sts.with_web_identity(&sts_request("https://sts.invalid"), &token(), now).await.unwrap_err();
    assert!(matches!(failure, StsFailure::Unavailable { .. }), "{failure:?}");
    let requests = proxy.requests();
    assert!(requests.len() == 1 && requests[0].starts_with("CONNECT sts.invalid:443 "), "{requests:?}");
    let denied = sts.with_web_identity(&sts_request("https://sts.example"), &token(), now).await.unwrap_err();
    assert!(matches!(denied, StsFailure::NotPermitted(_)));
    assert!(!format!("{sts:?} {failure} {failure:?}").contains("hidden"));
}

#[tokio::test]
async fn a_proxy_gets_no_name_that_only_a_wildcard_permits() {
    let proxy = StubServer::sends(answer(502, "", "")).await;
    for list in ["*", "*.invalid"] {
        let sts = through(&format!("http://127.0.0.1:{}", proxy.port), None, list);
        let failure =
            sts.with_web_identity(&sts_request("https://sts.invalid"), &token(), now).await.unwrap_err();
        // The name is resolved here, and there is no such name.
        let outage = StsOutage::Unreachable;
        assert!(
            matches!(&failure, StsFailure::Unavailable { outage: found, .. } if *found == outage),
            "{list}: {failure:?}"
        );
    }
    assert!(proxy.requests().is_empty());
}

#[tokio::test]
async fn the_name_of_the_proxy_is_judged_when_it_is_that_of_the_sts() {
    let (proxy, server) = (StubServer::sends(answer(502, "", "")).await, StubServer::sends(granted()).await);
    let proxy = format!("http://localhost:{}", proxy.port);
    for (no_proxy, list, scheme) in
        [(None, "http://*", "http"), (None, "*", "https"), (Some("localhost"), "*", "https")]
    {
        let sts = through(&proxy, no_proxy, list);
        let url = format!("{scheme}://localhost:{}", server.port);
        let answer = sts.with_web_identity(&sts_request(&url), &token(), now).await;
        assert_eq!(answer, Err(StsFailure::InternalAddress), "{no_proxy:?} {url}");
    }
    assert!(server.requests().is_empty());
}
