//! Variants of the signed headers and of the hash of the body.

use super::Variant;
use crate::plugin::console::printable;
use crate::plugin::explain::canonical::digest;
use crate::plugin::explain::difference::RequestPart;
use crate::plugin::explain::sent::{KnownSigned, SentRequest, UNSIGNED, collapsed};

/// Values that signers often sign for a header, in lower case.
const USUAL: [(&str, &[&str]); 6] = [
    (
        "content-type",
        &[
            "",
            "application/octet-stream",
            "binary/octet-stream",
            "application/json",
            "application/pdf",
            "application/x-www-form-urlencoded",
            "image/jpeg",
            "image/png",
            "text/plain",
            "text/plain; charset=utf-8",
            "text/plain;charset=UTF-8",
            "video/mp4",
        ],
    ),
    ("x-amz-acl", &["private", "public-read", "bucket-owner-full-control"]),
    ("x-amz-server-side-encryption", &["AES256", "aws:kms"]),
    ("if-none-match", &["*"]),
    ("cache-control", &["no-cache", "no-store"]),
    ("x-amz-content-sha256", &[UNSIGNED]),
];

/// Other values of the signed headers.
pub(super) fn headers(sent: &SentRequest, known: &KnownSigned) -> Vec<Variant> {
    let mut all = Vec::new();
    for name in sent.signed() {
        let given = sent.header(&name);
        for value in values(&name, given, known) {
            if given.is_some_and(|given| collapsed(given) == value) {
                continue;
            }
            all.push(variant(&name, given, value));
        }
    }
    let hashes = [digest(b""), UNSIGNED.to_owned(), "STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned()];
    for hash in hashes {
        all.push(Variant::new(
            RequestPart::Header,
            "the URL is signed for another x-amz-content-sha256 than is sent",
            format!("send no x-amz-content-sha256, or sign with {UNSIGNED}"),
            move |parts| hash.clone_into(&mut parts.payload),
        ));
    }
    all
}

fn variant(name: &str, given: Option<&str>, value: String) -> Variant {
    let shown = printable(&value);
    let found = match given {
        None => format!("{name} is signed ({shown}) and not sent"),
        Some(given) => format!("{name} is signed as {shown:?}, and {:?} is sent", printable(given)),
    };
    let own = name.to_owned();
    Variant::new(RequestPart::Header, found, format!("send {name}: {shown}"), move |parts| {
        parts.set_header(&own, &value);
    })
}

/// The values of a header that may have been signed.
fn values(name: &str, given: Option<&str>, known: &KnownSigned) -> Vec<String> {
    let signed = known.headers.iter().filter(|(signed, _)| signed.eq_ignore_ascii_case(name));
    let mut values: Vec<String> = signed.map(|(_, value)| collapsed(value)).collect();
    if let Some(given) = given {
        let plain = collapsed(given);
        let media = plain.split(';').next().unwrap_or_default().trim().to_owned();
        values.extend([
            // As it is written, with its spaces: some signers do not collapse them.
            given.trim().to_owned(),
            given.to_owned(),
            plain.to_ascii_lowercase(),
            plain.to_ascii_uppercase(),
            plain.trim_matches('"').to_owned(),
            format!("\"{plain}\""),
            plain.replace(", ", ","),
            plain.replace("; ", ";"),
            plain.replace(';', "; "),
        ]);
        if name == "content-type" {
            let charsets = ["; charset=utf-8", "; charset=UTF-8", ";charset=utf-8", ";charset=UTF-8"];
            values.extend(charsets.map(|charset| format!("{media}{charset}")));
            values.push(media);
        }
    }
    let usual = USUAL.iter().filter(|(usual, _)| *usual == name).flat_map(|(_, values)| *values);
    values.extend(usual.map(|value| (*value).to_owned()));
    let mut unique = Vec::new();
    for value in values {
        if !unique.contains(&value) {
            unique.push(value);
        }
    }
    unique
}
