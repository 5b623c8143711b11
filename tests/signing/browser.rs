//! Headless Chromium uses the URLs as a web application does. Not among the usual tests,
//! since it needs a browser: `make test-browser`.
//!
//! A page in the store itself asks for the others, so that no rule on foreign origins has
//! to be relaxed.

use std::process::Command;

use serde_json::{Value, json};

use crate::scratch::Scratch;
use crate::stores::{VERSITYGW, curl};

/// What has broken browsers or proxies before.
const KEYS: [&str; 34] = [
    "plain.txt",
    "dir/hello world.txt",
    " leading",
    "trailing ",
    "two  spaces",
    "a+b",
    "a%20b",
    "%",
    "%2F",
    "%zz",
    "a//b",
    "/lead",
    "a~b_c-d.e",
    "*'()!",
    "semi;colon:at@eq=",
    "a?b=c&d",
    "<tag>#frag",
    "quo\"te`back\\slash",
    "[br]{ace}|pipe^caret",
    "comma,dollar$",
    "é/日本",
    "ümlaut/ñ/ß",
    "e\u{301}combining",
    "emoji/😀.png",
    "\u{200b}zero-width",
    "\u{a0}no-break",
    "..hidden",
    "a...b/c",
    ".well-known/x",
    "%2e%2e/x",
    "javascript:alert(1)",
    "x.html",
    "\u{202e}rtl",
    "a&amp;b",
];

/// Asks for every URL, one after the other, before the page counts as loaded.
const PAGE: &str = "<!doctype html><meta charset=utf-8><title>page</title><pre id=result></pre><script>
const ask = ({method, url, headers, body}) => {
  const request = new XMLHttpRequest();
  try {
    request.open(method, url, false);
    for (const [name, value] of headers) request.setRequestHeader(name, value);
    request.send(body);
    return [request.status, request.responseText];
  } catch (error) { return [0, String(error)]; }
};
document.getElementById('result').textContent = encodeURIComponent(JSON.stringify(REQUESTS.map(ask)));
</script>";

/// What the page looks like once it has loaded.
fn browse(url: &str) -> String {
    browse_with(url, &[])
}

/// The same with further arguments for the browser.
pub(crate) fn browse_with(url: &str, arguments: &[&str]) -> String {
    let browser = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()))
        .unwrap_or_else(|| panic!("there is no Chromium: install Debian's package chromium"));
    let profile = Scratch::folder();
    let output = Command::new("timeout")
        .args([
            "--kill-after=5",
            "120",
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
        ])
        .args([
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args(["--disable-dev-shm-usage", "--no-proxy-server"])
        .arg(format!("--user-data-dir={}", profile.path()))
        .args(arguments)
        .args(["--dump-dom", url])
        .output()
        .unwrap();
    assert!(output.status.success(), "{browser}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs Chromium: make test-browser"]
fn a_page_downloads_every_key_and_uploads() {
    let store = &*VERSITYGW;
    let bucket = store.bucket();
    let mut requests = Vec::new();
    for (number, key) in KEYS.iter().enumerate() {
        store.put(&bucket, key, format!("object {number} é").as_bytes());
        // Otherwise the browser would answer some of the keys from its cache.
        requests.push(
            json!({"method": "GET", "url": store.url("GET", &bucket, key).url, "headers": [], "body": null}),
        );
    }
    let fields = json!({"method": "PUT", "headers": {"Content-Type": "text/x-report", "If-None-Match": "*", "x-amz-meta-a": "b  c"}});
    let facts = store.issue(&store.spec(&bucket, "upload +é", &fields));
    let upload =
        json!({"method": "PUT", "url": facts.url, "headers": facts.headers(), "body": "from a browser"});
    let other_type = json!([["Content-Type", "text/html"], ["If-None-Match", "*"], ["x-amz-meta-a", "b  c"]]);
    let tampered = json!({"method": "PUT", "url": facts.url, "headers": other_type, "body": "x"});
    requests.extend([tampered, upload.clone(), upload]);

    let script = Value::Array(requests).to_string().replace("</", "<\\/");
    let page =
        store.spec(&bucket, "page.html", &json!({"method": "PUT", "headers": {"Content-Type": "text/html"}}));
    assert_eq!(curl(&store.issue(&page), PAGE.replace("REQUESTS", &script).as_bytes()).status, 200);
    let dom = browse(&store.url("GET", &bucket, "page.html").url);
    let result = dom.split("id=\"result\">").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
    let answers: Vec<(u16, String)> = serde_json::from_str(&crate::sigv4::decode(result).unwrap()).unwrap();

    assert_eq!(answers.len(), KEYS.len() + 3);
    for (number, key) in KEYS.iter().enumerate() {
        assert_eq!(answers[number], (200, format!("object {number} é")), "{key:?}");
    }
    let statuses: Vec<u16> = answers[KEYS.len()..].iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [403, 200, 412], "{:?}", &answers[KEYS.len()..]);
    assert_eq!(store.get(&bucket, "upload +é").text(), "from a browser");
}

#[test]
#[ignore = "needs Chromium: make test-browser"]
fn a_link_shows_the_object() {
    let store = &*VERSITYGW;
    let bucket = store.bucket();
    for (key, style, endpoint) in [
        ("dir/q3 sum+mary %41 é😀.txt", "Path", &store.endpoint),
        ("dir/q3 sum+mary %41 é😀.txt", "VirtualHosted", &store.named_endpoint),
    ] {
        store.put(&bucket, key, "shown by a link, é".as_bytes());
        let spec = store.spec(&bucket, key, &json!({
            "response": {"contentType": "text/plain; charset=utf-8"},
            "s3": {"endpoint": endpoint, "region": store.region, "addressingStyle": style, "credentials": {"secretRef": {"name": "keys"}}},
        }));
        let dom = browse(&store.issue(&spec).url);
        assert!(dom.contains(">shown by a link, é</pre>"), "{style}: {dom}");
    }
}
