//! Rows about forms, for method POST.

use crate::crd::form_rules::{
    FORM_ANSWER, FORM_BUCKET, FORM_HEADERS, FORM_METADATA_NAME, FORM_METADATA_SIZE, FORM_METADATA_VALUE,
    FORM_METADATA_VARIABLE, FORM_METHOD, FORM_NEEDED, FORM_PREFIX, FORM_QUERY, FORM_REDIRECT,
    FORM_REDIRECT_VARIABLE, FORM_SIZES, FORM_STATUS, FORM_TYPE, FORM_TYPE_VARIABLE, FORM_VARIABLE,
};
use crate::crd::rules::{RESPONSE_METHOD, VERSION_METHOD};
use serde_json::{Value, json};

use super::store::ENDPOINT;
use super::what::ACCESS_POINT;
use super::{Row, at, entries, limit, patched, rule};

/// A change that makes a form of the smallest spec, with these changes of the form.
pub fn form(changes: &Value) -> Value {
    json!({"method": "POST", "form": patched(json!({"maxSize": 1024}), changes)})
}

/// The same with other changes of the spec.
fn with(changes: &Value) -> Value {
    patched(form(&json!({})), changes)
}

pub fn rows() -> Vec<Row> {
    [methods(), keys(), others(), sizes(), types(), metadata(), answers()].concat()
}

fn methods() -> Vec<Row> {
    let unposted = |method: &str| with(&json!({"method": method}));
    [
        rule(FORM_NEEDED, &[with(&json!({})), json!({"method": "PUT"})], &[json!({"method": "POST"})]),
        rule(
            FORM_METHOD,
            &[with(&json!({}))],
            &[at("form", json!({"maxSize": 1})), unposted("GET"), unposted("PUT"), unposted("DELETE")],
        ),
        rule(VERSION_METHOD, &[with(&json!({}))], &[with(&json!({"versionID": "v"}))]),
        rule(
            RESPONSE_METHOD,
            &[with(&json!({}))],
            &[with(&json!({"response": {}})), with(&json!({"response": {"contentType": "a/b"}}))],
        ),
    ]
    .concat()
}

fn keys() -> Vec<Row> {
    let prefixed = |key: &str| patched(form(&json!({"keyPrefix": true})), &json!({ "key": key }));
    let behind = |bucket: &str| with(&json!({"bucket": bucket, "s3": {"endpoint": ENDPOINT}}));
    [
        rule(
            FORM_PREFIX,
            &[
                prefixed("uploads/"),
                prefixed("a/b c/ü/"),
                form(&json!({"keyPrefix": false})),
                with(&json!({"key": "folder/"})),
            ],
            &[prefixed("uploads"), prefixed("a/b"), prefixed("a/ ")],
        ),
        rule(
            FORM_VARIABLE,
            &[
                prefixed("$/filename/"),
                with(&json!({"key": "${name}"})),
                with(&json!({"key": "$filename"})),
                json!({"key": "${filename}"}),
            ],
            &[prefixed("${filename}/"), with(&json!({"key": "a/${filename}"}))],
        ),
        rule(
            FORM_BUCKET,
            &[
                with(&json!({"bucket": "reports-2"})),
                behind("A_b"),
                json!({"bucket": ACCESS_POINT, "method": "PUT"}),
            ],
            &[with(&json!({"bucket": ACCESS_POINT})), behind("tenant:bucket")],
        ),
    ]
    .concat()
}

/// What a form does not have.
fn others() -> Vec<Row> {
    let headers = |headers: Value| with(&json!({ "headers": headers }));
    let query = |query: Value| with(&json!({ "query": query }));
    [
        rule(
            FORM_HEADERS,
            &[headers(json!({})), json!({"method": "PUT", "headers": {"Content-Type": "a/b"}})],
            &[headers(json!({"Content-Type": "a/b"})), headers(json!({"x-amz-meta-a": "b"}))],
        ),
        rule(
            FORM_QUERY,
            &[query(json!({})), json!({"query": {"x-tag": "a"}})],
            &[query(json!({"x-tag": "a"}))],
        ),
    ]
    .concat()
}

fn sizes() -> Vec<Row> {
    let sizes = |least: i64, most: i64| form(&json!({"minSize": least, "maxSize": most}));
    let most = 999_999_999_999_999;
    [
        rule(
            FORM_SIZES,
            &[sizes(0, 1), sizes(1, 1), sizes(10, 1024), sizes(most, most)],
            &[sizes(2, 1), sizes(1025, 1024)],
        ),
        limit(
            &[form(&json!({"maxSize": 1})), form(&json!({"maxSize": most}))],
            &[
                form(&json!({"maxSize": 0})),
                form(&json!({"maxSize": -1})),
                form(&json!({"maxSize": most + 1})),
                form(&json!({"maxSize": null})),
                form(&json!({"maxSize": "1024"})),
                form(&json!({"maxSize": "10Mi"})),
                form(&json!({"minSize": -1})),
                form(&json!({"minSize": "1"})),
                form(&json!({"keyPrefix": "true"})),
            ],
        ),
    ]
    .concat()
}

fn types() -> Vec<Row> {
    let typed = |text: &str| form(&json!({ "contentType": text }));
    let long = format!("a/{}", "b".repeat(253));
    [
        rule(
            FORM_TYPE,
            &[
                "image/",
                "image/png",
                "application/vnd.oasis.opendocument.text",
                "image/svg+xml",
                "text/plain; charset=utf-8",
                "text/plain;charset=\"utf-8\"",
                "text/plain ;a=b/c;d=e",
                "text/plain;",
                &long,
            ]
            .map(typed),
            &[
                "image",
                "image/*",
                "*/*",
                "/",
                "/png",
                "image/png/",
                "image/png ",
                " image/png",
                "image/ png",
                "text/plain; a=/",
                "text/plain; ",
                "image/;a=b",
                "image/png\n",
                "text/plain; a=é",
                "imäge/png",
                "a,b/c",
            ]
            .map(typed),
        ),
        rule(
            FORM_TYPE_VARIABLE,
            &["text/plain; name=$filename", "text/plain; name={filename}", "a/b;${file name}"].map(typed),
            &["text/plain; name=${filename}", "text/plain;${filename}"].map(typed),
        ),
        limit(&[], &["", &format!("{long}b")].map(typed)),
    ]
    .concat()
}

fn metadata() -> Vec<Row> {
    let given = |metadata: Value| form(&json!({ "metadata": metadata }));
    let named = |name: &str| given(json!({ name: "v" }));
    let valued = |value: &str| given(json!({ "a": value }));
    // Fourteen values of 128 characters with names of 2, and one with what is left.
    let sized = |length: usize| -> Value {
        let mut metadata: serde_json::Map<String, Value> =
            (10..24).map(|n| (n.to_string(), json!("v".repeat(128)))).collect();
        metadata.insert("24".to_owned(), json!("v".repeat(length - 14 * 130 - 2)));
        given(metadata.into())
    };
    [
        rule(
            FORM_METADATA_NAME,
            &["a", "camera", "0", "a-b_c.d", "meta", &"n".repeat(64)].map(named),
            &["", "A", "a b", "ü", "a:b", "x-amz-meta-a", "x-amz-acl", "a\n", &"n".repeat(65)].map(named),
        ),
        rule(
            FORM_METADATA_VALUE,
            &["v", "x y", "a=b;c\"d\\e'", "@file", "<file", "$x", &"v".repeat(1024)].map(valued),
            &["", " ", " a", "a ", "ü", "a\nb", "a\tb", "\u{7f}"].map(valued),
        ),
        rule(
            FORM_METADATA_VARIABLE,
            &["$filename", "{filename}", "${name}", "$ {filename}"].map(valued),
            &[
                vec![valued("${filename}"), valued("a ${filename} b")],
                vec![given(json!({"a": "v", "b": "x${filename}"}))],
            ]
            .concat(),
        ),
        rule(FORM_METADATA_SIZE, &[sized(2048)], &[sized(2049)]),
        limit(
            &[given(json!({})), given(entries(16))],
            &[given(entries(17)), valued(&"v".repeat(1025)), given(json!(["a"]))],
        ),
    ]
    .concat()
}

fn answers() -> Vec<Row> {
    let redirect = |address: &str| form(&json!({ "successRedirect": address }));
    let status = |status: i64| form(&json!({ "successStatus": status }));
    let long = format!("https://h/{}", "a".repeat(2038));
    [
        rule(
            FORM_REDIRECT,
            &["https://app.example/done?a=b#c", "http://localhost:8080", "HTTPS://h", &long].map(redirect),
            &[
                "app.example",
                "/done",
                "ftp://h",
                "https://",
                "https://h/a b",
                "https://h/ü",
                "javascript:alert(1)",
                "https://h\n",
            ]
            .map(redirect),
        ),
        rule(
            FORM_REDIRECT_VARIABLE,
            &["https://h/$filename", "https://h/?a={filename}"].map(redirect),
            &["https://h/${filename}", "https://h/?name=${filename}&a=b"].map(redirect),
        ),
        limit(&[], &["", &format!("{long}a")].map(redirect)),
        rule(FORM_STATUS, &[200, 201, 204].map(status), &[0, 199, 202, 303, 404].map(status)),
        rule(
            FORM_ANSWER,
            &[status(201), redirect("https://h/a")],
            &[form(&json!({"successRedirect": "https://h/a", "successStatus": 201}))],
        ),
    ]
    .concat()
}
