//! What a presigned URL says: what it opens, what must be sent, and from when to when it works. Pure.
//!
//! The signature, the session token and the access key id are not in it.

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::Serialize;

use super::console::{Paint, printable};
use super::tree::Tree;
use super::url_text::{NotPresigned, UrlText, decode, decode_form};
use super::working_time::WorkingTime;
use crate::domain::request::MAX_LIFETIME;

/// What a URL says.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UrlReading {
    pub(super) scheme: String,
    pub(super) host: String,
    /// The bucket; `None` if the host does not tell where it is.
    pub(super) bucket: Option<String>,
    pub(super) key: String,
    pub(super) addressing: &'static str,
    /// The signed parameters besides those of the signature. Only values that say what the store returns.
    pub(super) query: Vec<String>,
    /// The headers that must be sent, besides Host.
    pub(super) signed_headers: Vec<String>,
    #[serde(flatten)]
    pub(super) works: WorkingTime,
    pub(super) region: String,
    pub(super) service: String,
    pub(super) notes: Vec<String>,
}

/// The parameters whose values may be shown: they say which object, and what the store answers.
const SHOWN: [&str; 3] = ["versionId", "partNumber", "x-id"];

impl UrlReading {
    /// Reads a URL; `now` decides whether it works.
    pub(super) fn of(url: &UrlText, now: Timestamp) -> Result<Self, NotPresigned> {
        let (signed, scope) = (signing_time(url)?, scope(url)?);
        let expires = Timestamp::from_second(signed.as_second() + lifetime(url)?)
            .map_err(|_| NotPresigned::BadValue("X-Amz-Expires"))?;
        let works = WorkingTime::new(signed, expires, url.parameter("X-Amz-Security-Token").as_deref(), now);
        let (bucket, key, addressing) = place(url);
        Ok(Self {
            scheme: url.scheme.clone(),
            host: printable(&url.authority),
            bucket: bucket.map(|bucket| printable(&bucket)),
            key: printable(&key),
            addressing,
            query: query(url),
            signed_headers: signed_headers(url).into_iter().filter(|name| name != "host").collect(),
            notes: notes(url, &works, &scope),
            works,
            region: printable(&scope.region),
            service: printable(&scope.service),
        })
    }

    /// The reading as a tree. `method` and `headers` are those of the Secret that holds the URL.
    pub(super) fn tree(&self, from: &FromSecret, now: Timestamp, paint: Paint) -> Tree {
        let opens = Tree::fact(
            "opens",
            format!("{} of {}", self.key, self.bucket.as_deref().unwrap_or("the bucket that is the host")),
        )
        .with(Tree::fact("host", format!("{}://{} ({})", self.scheme, self.host, self.addressing)))
        .with_all(self.query.iter().map(|pair| Tree::fact("parameter", pair)));
        let method =
            from.method.clone().unwrap_or_else(|| "a URL does not tell it; explain finds it".to_owned());
        let value = |name: &String| {
            let found = from.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
            found.map_or_else(|| Tree::leaf(name.clone()), |(name, value)| Tree::fact(name, printable(value)))
        };
        let headers = if self.signed_headers.is_empty() { "none" } else { "exactly these" };
        let sends = Tree::leaf("must be sent")
            .with(Tree::fact("method", method))
            .with(Tree::fact("headers", headers).with_all(self.signed_headers.iter().map(value)));
        let scope = Tree::fact("signed for", format!("region {}, service {}", self.region, self.service))
            .with(Tree::fact("access key id, signature", "not shown"));
        let notes = self.notes.iter().map(|note| Tree::leaf(paint.warn(&format!("note: {note}"))));
        Tree::leaf(paint.bold("presigned URL"))
            .with_all([opens, sends])
            .with_all(self.works.trees("URL", now, paint))
            .with(scope)
            .with_all(notes)
    }
}

/// What the Secret of a URL tells beside the URL.
#[derive(Clone, Debug, Default)]
pub(super) struct FromSecret {
    pub(super) method: Option<String>,
    pub(super) headers: Vec<(String, String)>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct SignatureScope {
    pub(super) key_id: String,
    pub(super) date: String,
    pub(super) region: String,
    pub(super) service: String,
    pub(super) end: String,
}

impl SignatureScope {
    /// Reads a credential; `None` if it is none. A key id may contain slashes.
    pub(super) fn of(credential: &str) -> Option<Self> {
        let mut parts = credential.rsplitn(5, '/').map(str::to_owned);
        let mut next = || parts.next();
        let (end, service, region, date, key_id) = (next()?, next()?, next()?, next()?, next()?);
        Some(Self { key_id, date, region, service, end })
    }

    /// The scope as the signature contains it.
    pub(super) fn text(&self) -> String {
        format!("{}/{}/{}/{}", self.date, self.region, self.service, self.end)
    }
}

/// The scope in the credential of a URL.
pub(super) fn scope(url: &UrlText) -> Result<SignatureScope, NotPresigned> {
    let credential = url.parameter("X-Amz-Credential").unwrap_or_default();
    SignatureScope::of(&credential).ok_or(NotPresigned::BadValue("X-Amz-Credential"))
}

/// When a URL was signed.
pub(super) fn signing_time(url: &UrlText) -> Result<Timestamp, NotPresigned> {
    let text = url.parameter("X-Amz-Date").unwrap_or_default();
    date(&text).ok_or(NotPresigned::BadValue("X-Amz-Date"))
}

/// Parses a time as a signature writes it: `20300102T030405Z`.
pub(super) fn date(text: &str) -> Option<Timestamp> {
    let civil = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).map(|time| time.timestamp()).ok()
}

/// How long a URL works, in seconds.
fn lifetime(url: &UrlText) -> Result<i64, NotPresigned> {
    let seconds = url.parameter("X-Amz-Expires").unwrap_or_default().parse::<i64>().ok();
    seconds
        .filter(|seconds| (0..=i64::from(MAX_LIFETIME)).contains(seconds))
        .ok_or(NotPresigned::BadValue("X-Amz-Expires"))
}

/// The names of the signed headers, in lower case.
pub(super) fn signed_headers(url: &UrlText) -> Vec<String> {
    let names = url.parameter("X-Amz-SignedHeaders").unwrap_or_default();
    names
        .split(';')
        .filter(|name| !name.is_empty())
        .map(|name| printable(&name.to_ascii_lowercase()))
        .collect()
}

/// Bucket, key and addressing style. A host that is not known is taken for one with the bucket in the path.
fn place(url: &UrlText) -> (Option<String>, String, &'static str) {
    let path = decode(url.path.strip_prefix('/').unwrap_or(&url.path));
    match aws_bucket(&url.authority) {
        Some(bucket) if !bucket.is_empty() => (Some(bucket), path, "the bucket is in the host"),
        known => {
            let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
            if key.is_empty() {
                return (None, path, "the host is the bucket, or the URL opens the bucket itself");
            }
            let how = if known.is_some() {
                "the bucket is in the path"
            } else {
                "the bucket is in the path, unless the host is the bucket"
            };
            (Some(bucket.to_owned()), key.to_owned(), how)
        }
    }
}

/// The bucket in a host of AWS, empty if there is none; `None` for another host.
pub(super) fn aws_bucket(authority: &str) -> Option<String> {
    aws_host(authority).map(|(bucket, _)| bucket)
}

/// The region in a host of AWS.
pub(super) fn aws_region(authority: &str) -> Option<String> {
    aws_host(authority)?.1
}

/// The bucket and the region in a host of AWS.
fn aws_host(authority: &str) -> Option<(String, Option<String>)> {
    let host = authority.split(':').next()?.to_ascii_lowercase();
    let (rest, _) = host.split_once(".amazonaws.com")?;
    let labels: Vec<_> = rest.split('.').collect();
    let store = labels.iter().rposition(|label| *label == "s3" || label.starts_with("s3-"))?;
    let region = labels.iter().skip(store + 1).find(|label| label.contains('-'));
    Some((labels[..store].join("."), region.map(|region| (*region).to_owned())))
}

fn query(url: &UrlText) -> Vec<String> {
    let others = url.parameters.iter().filter(|(name, _)| !name.to_ascii_lowercase().starts_with("x-amz-"));
    others
        .map(|(name, value)| {
            let name = printable(&decode_form(name));
            if SHOWN.contains(&name.as_str()) || name.starts_with("response-") {
                format!("{name}={}", printable(&decode_form(value.expose())))
            } else {
                format!("{name} (its value is not shown)")
            }
        })
        .collect()
}

fn notes(url: &UrlText, works: &WorkingTime, scope: &SignatureScope) -> Vec<String> {
    let mut notes = Vec::new();
    if url.was_escaped {
        notes.push("the text comes from HTML, with &amp; in place of &: clients need the plain &".to_owned());
    }
    notes.extend(works.note("URL"));
    notes.extend(region_note(&url.authority, scope));
    notes.extend(plain_note(&url.scheme, "URL"));
    notes
}

/// A note if the host is in another region than that of the signature.
pub(super) fn region_note(authority: &str, scope: &SignatureScope) -> Option<String> {
    let region = aws_region(authority).filter(|region| *region != scope.region)?;
    Some(format!("the host is in {region}, but the signature is for {}", printable(&scope.region)))
}

/// A note if a URL or a form is sent without TLS.
pub(super) fn plain_note(scheme: &str, noun: &str) -> Option<String> {
    let note = format!("the {noun} is sent without TLS, so others on the way can read and use it");
    (scheme == "http").then_some(note)
}

#[cfg(test)]
mod tests;
