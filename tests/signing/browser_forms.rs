//! Headless Chromium sends forms, with `fetch` and as a plain HTML form. Not among the usual tests, since it
//! needs a browser: `make test-browser`.

use serde_json::{Value, json};

use crate::browser::browse_with;
use crate::facts::Facts;
use crate::stores::{Store, VERSITYGW, curl};

/// Sends each file with the fields of the form, as the documentation says.
const FETCH: &str = "<!doctype html><meta charset=utf-8><pre id=result>waiting</pre><script>
const {url, fields} = FORM;
const send = async ([name, type, body]) => {
  const form = new FormData();
  for (const [field, value] of Object.entries(fields)) form.append(field, value);
  form.set('key', fields.key.replace('${filename}', name));
  form.set('Content-Type', type);
  form.append('file', new File([body], name, {type}));
  return (await fetch(url, {method: 'POST', body: form})).status;
};
(async () => {
  const statuses = [];
  for (const file of FILES) statuses.push(await send(file).catch(String));
  document.getElementById('result').textContent = JSON.stringify(statuses);
})();
</script>";

/// A plain form whose only script chooses the file, in place of a person.
const PLAIN: &str = "<!doctype html><meta charset=utf-8>
<form action=\"URL\" method=post enctype=\"multipart/form-data\">INPUTS<input type=file name=file></form><script>
const chosen = new DataTransfer();
chosen.items.add(new File(['BODY'], 'chosen é.txt', {type: 'text/plain'}));
document.querySelector('input[type=file]').files = chosen.files;
document.querySelector('form').submit();
</script>";

/// Stores a page in the store itself, and returns what it looks like in the end.
fn visit(store: &Store, bucket: &str, page: &str) -> String {
    let fields = json!({"method": "PUT", "headers": {"Content-Type": "text/html"}});
    let upload = store.issue(&store.spec(bucket, "page.html", &fields));
    assert_eq!(curl(&upload, page.as_bytes()).status, 200);
    browse_with(&store.url("GET", bucket, "page.html").url, &["--virtual-time-budget=10000"])
}

fn issue(store: &Store, bucket: &str, key: &str, form: &Value) -> Facts {
    store.issue(&store.spec(bucket, key, &json!({"method": "POST", "form": form})))
}

#[test]
#[ignore = "needs Chromium: make test-browser"]
fn a_page_sends_a_form_with_fetch() {
    let store = &*VERSITYGW;
    let bucket = store.bucket();
    let form = json!({"maxSize": 20, "minSize": 1, "keyPrefix": true, "contentType": "image/"});
    let facts = issue(store, &bucket, "in é/", &form);
    let files = json!([
        ["a.png", "image/png", "a photo"],
        ["b ü.jpg", "image/jpeg", "another"],
        ["c.png", "image/png", "more than twenty bytes"],
        ["d.html", "text/html", "a page"],
        ["e.png", "image/png", ""],
    ]);
    let page = FETCH.replace("FORM", &facts.form).replace("FILES", &files.to_string());
    let dom = visit(store, &bucket, &page);
    assert!(dom.contains("id=\"result\">[204,204,400,403,400]<"), "{dom}");
    assert_eq!(store.get(&bucket, "in é/a.png").text(), "a photo");
    assert_eq!(store.get(&bucket, "in é/b ü.jpg").text(), "another");
    assert_eq!(store.get(&bucket, "in é/c.png").status, 404);
}

#[test]
#[ignore = "needs Chromium: make test-browser"]
fn a_plain_html_form_uploads() {
    let store = &*VERSITYGW;
    let bucket = store.bucket();
    let form = json!({"maxSize": 20, "contentType": "text/plain", "successStatus": 201, "metadata": {"a": "b \"c\""}});
    let facts = issue(store, &bucket, "in/a \"b\" é.txt", &form);
    let file: Value = serde_json::from_str(&facts.form).unwrap();
    let inputs: String = file["fields"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let value = value.as_str().unwrap().replace('&', "&amp;").replace('"', "&quot;");
            format!("<input type=hidden name=\"{name}\" value=\"{value}\">")
        })
        .collect();
    let page = |body: &str| PLAIN.replace("URL", &facts.url).replace("INPUTS", &inputs).replace("BODY", body);
    let refused = visit(store, &bucket, &page("more than twenty bytes"));
    assert!(refused.contains("EntityTooLarge"), "{refused}");
    visit(store, &bucket, &page("from a form"));
    assert_eq!(store.get(&bucket, "in/a \"b\" é.txt").text(), "from a form");
    let head = curl(&store.url("HEAD", &bucket, "in/a \"b\" é.txt"), b"");
    assert_eq!(head.header("x-amz-meta-a"), Some("b \"c\""));
}
