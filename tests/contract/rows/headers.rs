//! Rows about headers: those of the request, and those of the answer.

use crate::crd::rules::{
    HEADER_KEY, HEADER_LENGTH, HEADER_NAME, HEADER_REFUSED, HEADER_UNIQUE, HEADER_VALUE, KEY_HEADERS,
    REFUSED_HEADERS, RESPONSE_METHOD, RESPONSE_VALUE,
};
use serde_json::{Value, json};

use super::{Row, entries, limit, rule};

/// `Keep-Alive` of `keep-alive`.
fn title(name: &str) -> String {
    let word = |word: &str| format!("{}{}", word[..1].to_uppercase(), &word[1..]);
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

fn named(name: &str) -> Value {
    json!({"headers": {name: "v"}})
}

fn valued(value: &str) -> Value {
    json!({"headers": {"x-a": value}})
}

fn sized(name: &str, size: &str) -> Value {
    json!({"headers": {name: size}})
}

pub fn rows() -> Vec<Row> {
    let in_any_case = |name: &&str| [title(name), (*name).to_owned(), name.to_uppercase()];
    let refused: Vec<Value> = REFUSED_HEADERS.iter().flat_map(in_any_case).map(|name| named(&name)).collect();
    // One of several is named.
    let refused =
        [refused, vec![json!({"headers": {"x-a": "v", "te": "v", "Host": "v", "HOSTS": "v"}})]].concat();
    let endings = ["key", "key-md5", "algorithm"];
    let of_keys = KEY_HEADERS.iter().flat_map(|start| endings.map(|ending| format!("{start}{ending}")));
    let of_keys = of_keys.flat_map(|name| in_any_case(&name.as_str()));
    // Also without the table of the product.
    let written = [
        "x-amz-server-side-encryption-customer-key",
        "X-Amz-Server-Side-Encryption-Customer-Key-MD5",
        "x-amz-server-side-encryption-customer-algorithm",
        "X-AMZ-COPY-SOURCE-SERVER-SIDE-ENCRYPTION-CUSTOMER-KEY",
        "x-goog-encryption-key",
    ];
    let of_keys: Vec<Value> = of_keys.chain(written.map(str::to_owned)).map(|name| named(&name)).collect();
    let (long, too_long) = ("n".repeat(128), "n".repeat(129));
    [
        rule(
            HEADER_NAME,
            &["Content-Lengths", "x-amz-meta-a_b", "_.~!#$%&*+^|-", "1", &long].map(named),
            &["", "a b", "a:b", "a(b", "ü", "a\n", "a'b", "a`b", "a\"b", "a/b", " a", &too_long].map(named),
        ),
        rule(
            HEADER_UNIQUE,
            &[json!({"headers": {"Content-Type": "a", "Content-Typ": "a"}})],
            &[
                json!({"headers": {"Content-Type": "a", "content-type": "a"}}),
                json!({"headers": {"x-A": "a", "X-a": "b", "x-b": "c"}}),
            ],
        ),
        rule(
            HEADER_REFUSED,
            &["Hosts", "x-amz-date2", "X-Amz-Meta-Date", "If-None-Match"].map(named),
            &refused,
        ),
        rule(
            HEADER_KEY,
            &[
                "x-amz-server-side-encryption",
                "x-amz-server-side-encryption-aws-kms-key-id",
                "x-amz-copy-source",
                "a-x-amz-server-side-encryption-customer-key",
                "x-goog-encryption",
            ]
            .map(named),
            &of_keys,
        ),
        rule(
            HEADER_VALUE,
            &["*", "a  b", "\"~!", &"v".repeat(2048)].map(valued),
            &["", " ", "a ", " a", "a\r\nb", "a\n", "ü", "a\tb", "\u{7f}", "a\u{0}", "\u{a0}a"].map(valued),
        ),
        rule(
            HEADER_LENGTH,
            &[
                sized("Content-Length", "0"),
                sized("content-length", "999999999999999"),
                sized("x-length", "1k"),
            ],
            &[
                sized("Content-Length", "1k"),
                sized("CONTENT-LENGTH", "-1"),
                sized("content-length", "007"),
                sized("Content-Length", "1.5"),
                sized("Content-Length", "1000000000000000"),
            ],
        ),
        limit(
            &[json!({"headers": entries(32)}), json!({"headers": {}})],
            &[json!({"headers": entries(33)}), valued(&"v".repeat(2049))],
        ),
        answers(),
    ]
    .concat()
}

fn answers() -> Vec<Row> {
    let fields = [
        "contentType",
        "contentDisposition",
        "contentLanguage",
        "contentEncoding",
        "cacheControl",
        "expires",
    ];
    let valued = |value: &str| fields.map(|field| json!({"response": {field: value}})).to_vec();
    let with = |method: &str| json!({"method": method, "response": {"contentType": "text/plain"}});
    [
        rule(
            RESPONSE_METHOD,
            &[
                with("GET"),
                with("HEAD"),
                json!({"response": {"contentType": "text/plain"}}),
                json!({"response": {}}),
            ],
            &[with("PUT"), with("DELETE"), json!({"method": "PUT", "response": {}})],
        ),
        rule(
            RESPONSE_VALUE,
            &valued("attachment; filename=\"ü b.pdf\""),
            &[valued("a\nb"), valued("\u{7f}"), valued("\u{85}")].concat(),
        ),
        limit(&valued(&"ü".repeat(1024)), &[valued(""), valued(&"v".repeat(1025))].concat()),
    ]
    .concat()
}
