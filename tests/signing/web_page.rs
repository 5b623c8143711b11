//! The web page of `deploy/examples/browser-upload.yaml` in headless Chromium: its visitor
//! uploads to a store of another origin, once that store permits it. Not among the usual
//! tests, since it needs a browser: `make test-browser`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

use k8s_openapi::ByteString;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::browser::browse_with;
use crate::facts::Facts;
use crate::sigv4;
use crate::stores::{Store, VERSITYGW};

/// In place of a person who chooses a file.
const VISITOR: &str = "<script>upload(new File(['a photo'], 'photo.jpg'))</script>";

/// The example's page and spec.
fn example() -> (String, Value) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/examples/browser-upload.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let of_kind = |kind: &str| documents.iter().find(|document| document["kind"] == kind).unwrap();
    let page = of_kind("ConfigMap")["data"]["index.html"].as_str().unwrap().to_owned();
    (page, of_kind("PresignedUrl")["spec"].clone())
}

/// Serves the page and the files beside it, as the example's pod does, and returns its origin.
fn serve(page: String, facts: Facts) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), &page, &facts);
        }
    });
    origin
}

fn answer(mut stream: TcpStream, page: &str, facts: &Facts) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    // The whole request has to be read: otherwise closing resets the connection.
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let (kind, body) = match first.split(' ').nth(1) {
        Some("/") => ("text/html", page),
        Some("/upload/form.json") => ("application/json", facts.form.as_str()),
        _ => return drop(stream.write_all(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n")),
    };
    let length = body.len();
    // A browser opens connections that it then does not use; failing to answer is its choice.
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
}

/// What the comment in the example says to do, with curl instead of the AWS client.
fn permit(store: &Store, bucket: &str, origin: &str) {
    let rules = format!(
        "<CORSConfiguration><CORSRule><AllowedOrigin>{origin}</AllowedOrigin><AllowedMethod>POST</AllowedMethod>\
         <MaxAgeSeconds>600</MaxAgeSeconds></CORSRule></CORSConfiguration>"
    );
    let digest = Sha256::digest(rules.as_bytes());
    let base64 = serde_json::to_value(ByteString(digest.to_vec())).unwrap();
    let output = testbed::curl_command()
        .args(["--aws-sigv4", &format!("aws:amz:{}:s3", store.region)])
        .args(["--user", &format!("{}:{}", store.access_key_id, store.secret_access_key)])
        .args(["-H", &format!("x-amz-content-sha256: {}", sigv4::hex(&digest))])
        .args(["-H", &format!("x-amz-checksum-sha256: {}", base64.as_str().unwrap())])
        .args(["-X", "PUT", "--data-binary", &rules, &format!("{}/{bucket}?cors=", store.endpoint)])
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

#[test]
#[ignore = "needs Chromium: make test-browser"]
fn a_visitor_uploads_and_is_told_so_once_the_store_permits_the_page() {
    let store = &*VERSITYGW;
    let bucket = store.bucket();
    let (page, mut spec) = example();
    spec["bucket"] = json!(bucket);
    spec["s3"] = store.spec(&bucket, "x", &json!({}))["s3"].clone();
    let origin = serve(page + VISITOR, store.issue(&spec));
    let visit = || {
        // Time stands still for the page while it waits for an answer.
        let dom = browse_with(&format!("{origin}/"), &["--virtual-time-budget=10000"]);
        dom.split("id=\"state\">").nth(1).and_then(|rest| rest.split('<').next()).unwrap().to_owned()
    };

    assert_eq!(visit(), "Failed: Failed to fetch");
    permit(store, &bucket, "https://elsewhere.example");
    assert_eq!(visit(), "Failed: Failed to fetch");
    // Browsers send a form without asking first: CORS only hides the answer, as docs/uploads.md says.
    assert_eq!(store.get(&bucket, "photo.jpg").text(), "a photo");
    store.put(&bucket, "photo.jpg", b"another");
    permit(store, &bucket, &origin);
    assert_eq!(visit(), "Uploaded.");
    assert_eq!(store.get(&bucket, "photo.jpg").text(), "a photo");
}
