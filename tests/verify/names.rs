//! Addresses in URLs, and names: which stores may be asked and at which addresses.

use presign_operator::domain::verification::{Finding, NotAsked, VerifyOutage};

use crate::isolated;
use crate::scratch::{OF_STORE, ask_url, internal, unlisted, verifier};
use crate::server::{StubServer, answer};

#[tokio::test]
async fn only_stores_of_cluster_signers_and_listed_ones_are_asked() {
    let server = StubServer::sends(answer(206, OF_STORE, "x")).await;
    let (address, url) = (format!("127.0.0.1:{}", server.port), format!("{}/b/k", server.url()));
    let named = format!("localhost:{}", server.port);
    let named_url = format!("http://{named}/b/k");
    for (list, url, is_of_platform, expected) in [
        (vec![], &url, false, unlisted(&address)),
        (vec![], &url, true, internal(&address)),
        (vec![], &named_url, true, internal(&named)),
        (vec!["*:1".to_owned()], &url, false, unlisted(&address)),
        (vec![format!("*:{}", server.port)], &url, false, internal(&address)),
        (vec![named.clone()], &named_url, false, internal(&named)),
        (vec![format!("{named}=10.0.0.0/8")], &named_url, true, internal(&named)),
        (vec![format!("{named}=127.0.0.0/8")], &named_url, false, Finding::Accepted),
        (vec![address.clone()], &url, false, Finding::Accepted),
    ] {
        let before = server.requests().len();
        let list: Vec<_> = list.iter().map(String::as_str).collect();
        assert_eq!(ask_url(&verifier(&list), url, is_of_platform).await, expected, "{list:?} {url}");
        let is_reached = expected == Finding::Accepted;
        assert_eq!(server.requests().len() - before, usize::from(is_reached), "{list:?} {url}");
    }
}

#[tokio::test]
async fn internal_addresses_are_refused_in_every_form() {
    let verifier = verifier(&["*:80"]);
    for host in [
        "169.254.169.254",
        "[::1]",
        "[::ffff:169.254.169.254]",
        "[::ffff:7f00:1]",
        "[::ffff:10.0.0.1]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b::10.0.0.1]",
        "[2002:a9fe:a9fe::1]",
        "168.63.129.16",
        "100.100.100.200",
        "100.64.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "0.0.0.0",
        "127.0.0.1",
    ] {
        for is_of_platform in [false, true] {
            let found = ask_url(&verifier, &format!("http://{host}/latest"), is_of_platform).await;
            assert_eq!(found, internal(&format!("{host}:80")), "{host}");
        }
    }
}

#[tokio::test]
async fn what_hides_the_host_is_not_asked() {
    let verifier = verifier(&["*:80", "*:443"]);
    let impossible = Finding::NotAsked(NotAsked::Impossible);
    for url in [
        "http://s3.example@169.254.169.254/",
        "http://s3.example:80@169.254.169.254/",
        "http://u:p@s3.example/",
        "ftp://s3.example/",
        "/latest",
        "s3.example",
        "http://",
    ] {
        assert_eq!(ask_url(&verifier, url, true).await, impossible, "{url}");
    }
    // The resolver sees these as names, if they are any.
    for host in ["0x7f000001", "2130706433", "127.1", "017700000001"] {
        let found = ask_url(&verifier, &format!("http://{host}/"), true).await;
        let is_refused = found == internal(&format!("{host}:80"))
            || found == Finding::Unreachable(VerifyOutage::Unresolved);
        assert!(is_refused, "{host}: {found:?}");
    }
}

/// In a network of its own, in which each address is this machine's, and names are the test's.
#[cfg(target_os = "linux")]
#[test]
fn a_name_is_judged_by_the_address_that_is_connected_to() {
    isolated::run("names::child");
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "a part of the test above"]
async fn child() {
    let place = isolated::IsolatedServers::new().await;
    let verifier = verifier(&["*:80", "private.test:80=10.0.0.0/8", "metadata-by-range.test:80=0.0.0.0/0"]);
    let ask = async |host: &str| {
        let before = place.reached().len();
        let found = ask_url(&verifier, &format!("http://{host}/latest/meta-data"), true).await;
        (found, place.reached().split_off(before))
    };
    let refused = |host: &str| (internal(&format!("{host}:80")), Vec::new());
    let asked = |address: &str| (Finding::Accepted, vec![address.to_owned()]);

    assert_eq!(ask("public.test").await, asked("93.184.216.34"));
    for host in
        ["metadata.test", "loopback.test", "loopback6.test", "mapped.test", "carrier.test", "nat.test"]
    {
        assert_eq!(ask(host).await, refused(host), "{host}");
    }
    // Of several addresses only those are connected to that may be.
    assert_eq!(ask("mixed.test").await, asked("93.184.216.34"));
    // Listed with its addresses, and only with those.
    let (found, reached) = ask("private.test").await;
    assert_eq!((found, reached), asked("10.1.2.3"));
    assert_eq!(ask("metadata-by-range.test").await, refused("metadata-by-range.test"));
    // The name is resolved once for each connection, and what was judged is connected to.
    assert_eq!(ask("rebind.test").await, asked("93.184.216.34"));
    for _ in 0..3 {
        assert_eq!(ask("rebind.test").await, refused("rebind.test"));
    }
    assert_eq!(ask("nothing.test").await.0, Finding::Unreachable(VerifyOutage::Unresolved));
    assert!(!place.reached().contains(&"169.254.169.254".to_owned()));
}
