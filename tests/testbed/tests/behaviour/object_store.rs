use std::{
    net::{Ipv4Addr, TcpListener},
    process::Command,
};

use testbed::{Error, ObjectStore};

use crate::presign::presign;

/// The status and body of the answer.
fn curl(arguments: &[&str]) -> (String, String) {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--write-out", "\n%{http_code}"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

#[test]
fn serves_arranged_objects_and_stores_uploads() {
    let store = ObjectStore::builder().region("eu-central-1").start().unwrap();
    let secret = store.secret_access_key();
    store.create_bucket("reports").unwrap();
    store.put_object("reports", "2026/q3.txt", "hello").unwrap();

    let url = |secret, method, path| presign(&store, secret, method, &store.endpoint(), path);
    let arranged = "/reports/2026/q3.txt";
    assert_eq!(curl(&[&url(secret, "GET", arranged)]), ("200".into(), "hello".into()));
    let (status, body) = curl(&[&url("wrong", "GET", arranged)]);
    assert_eq!(status, "403");
    assert!(body.contains("SignatureDoesNotMatch"), "{body}");

    let upload = url(secret, "PUT", "/reports/up/loaded");
    let (status, body) = curl(&["--request", "PUT", "--data-binary", "new", &upload]);
    assert_eq!(status, "200", "{body}");
    assert_eq!(store.get_object("reports", "up/loaded").unwrap(), b"new");
}

#[test]
fn serves_virtual_hosts_when_asked_to() {
    let store = ObjectStore::builder().virtual_domain("localhost").start().unwrap();
    store.put_object("reports", "a", "hello").unwrap();
    let (by_name, by_address) = (store.virtual_host_endpoint().unwrap(), store.endpoint());
    let virtual_host = by_name.replace("http://", "http://reports.");
    for (origin, path) in [(virtual_host, "/a"), (by_name, "/reports/a"), (by_address, "/reports/a")] {
        let url = presign(&store, store.secret_access_key(), "GET", &origin, path);
        assert_eq!(curl(&[&url]), ("200".into(), "hello".into()), "{url}");
    }
}

#[test]
fn refuses_to_arrange_what_it_could_not_serve() {
    let store = ObjectStore::start().unwrap();
    for (bucket, key) in
        [("..", "a"), ("ab", "a"), ("a/b", "a"), ("abc", "../x"), ("abc", "a//b"), ("abc", "/a")]
    {
        let error = store.put_object(bucket, key, "").unwrap_err();
        assert!(matches!(error, Error::BadName { .. }), "{bucket} {key}: {error}");
    }
}

#[test]
fn names_a_port_that_is_taken() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken = listener.local_addr().unwrap().port();
    let error = ObjectStore::builder().port(taken).start().err().unwrap();
    assert!(matches!(error, Error::PortTaken { component: "versitygw", port } if port == taken), "{error}");
}
