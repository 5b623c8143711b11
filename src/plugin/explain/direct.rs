//! What is wrong with a request without any comparison of signatures. Pure.

use jiff::Timestamp;

use super::compare::Clocks;
use super::difference::{Difference, RequestPart};
use super::sent::SentRequest;
use crate::domain::Credentials;
use crate::plugin::claims::claims;
use crate::plugin::console::{printable, span};
use crate::plugin::reading::{TOLERANCE, aws_region, signing_time};
use crate::plugin::url_text::NotPresigned;

/// How far two clocks may differ before it is worth a word, in seconds.
const SKEW: i64 = 60;

/// What is wrong, whatever the signature is.
pub(super) fn direct(
    sent: &SentRequest,
    credentials: &Credentials,
    clocks: Clocks,
) -> Result<Vec<Difference>, NotPresigned> {
    let mut findings = headers(sent);
    findings.extend(clock(sent, clocks)?);
    findings.extend(session(sent, credentials, clocks.store.unwrap_or(clocks.here)));
    findings.extend(scope(sent, credentials)?);
    Ok(findings)
}

fn headers(sent: &SentRequest) -> Vec<Difference> {
    let signed = sent.signed();
    let missing = signed.iter().filter(|name| sent.header(name).is_none()).map(|name| {
        let found = format!("{name} is signed and not sent");
        Difference::new(RequestPart::Header, found, format!("send {name} with the value that was signed"))
    });
    let is_extra = |name: &str| {
        let lower = name.to_ascii_lowercase();
        lower.starts_with("x-amz-") && !signed.contains(&lower) && lower != "x-amz-content-sha256"
    };
    let extra = sent.headers.iter().filter(|(name, _)| is_extra(name)).map(|(name, _)| {
        let found =
            format!("{} is sent and not signed, which AWS refuses", printable(&name.to_ascii_lowercase()));
        Difference::new(RequestPart::Header, found, "do not send it, or ask for a URL that signs it")
    });
    let twice = sent.header("authorization").map(|_| {
        let found = "authorization is sent, and stores take only one way to sign in";
        Difference::new(RequestPart::Header, found, "do not send it with a presigned URL")
    });
    missing.chain(extra).chain(twice).collect()
}

fn clock(sent: &SentRequest, clocks: Clocks) -> Result<Vec<Difference>, NotPresigned> {
    let signed = signing_time(&sent.url)?.as_second();
    let lifetime = sent.url.parameter("X-Amz-Expires").and_then(|seconds| seconds.parse::<i64>().ok());
    let lifetime = lifetime.ok_or(NotPresigned::BadValue("X-Amz-Expires"))?;
    let now = clocks.store.unwrap_or(clocks.here).as_second();
    let whose =
        if clocks.store.is_some() { "by the clock of the store" } else { "by the clock of this computer" };
    let mut findings = Vec::new();
    let mut add = |found: String, fix: &str| findings.push(Difference::new(RequestPart::Clock, found, fix));
    if lifetime > 604_800 {
        add(
            format!("X-Amz-Expires is {lifetime}, and stores take at most 604800 seconds"),
            "ask for at most 168h",
        );
    }
    if lifetime < 1 {
        add("X-Amz-Expires is not positive".to_owned(), "ask for a lifetime of at least a second");
    }
    if now >= signed + lifetime {
        let ago = span((now - signed - lifetime).unsigned_abs());
        add(format!("the URL expired {ago} ago {whose}"), "ask for a new URL: kubectl presign renew");
    }
    if signed > now + TOLERANCE {
        let ahead = span((signed - now).unsigned_abs());
        let hours = (signed - now + 150) / 1800;
        let is_zone = (signed - now + 150) % 1800 < 300 && hours > 0;
        let zone = if is_zone { ": the signer may write local time in place of UTC" } else { "" };
        add(
            format!("the URL is not valid yet: it was signed {ahead} in the future {whose}{zone}"),
            "correct the clock of the signer, which must be UTC",
        );
    }
    if let Some(store) = clocks.store {
        let skew = clocks.here.as_second() - store.as_second();
        if skew.abs() > SKEW {
            let way = if skew > 0 { "ahead of" } else { "behind" };
            let by = span(skew.unsigned_abs());
            add(format!("the clock of this computer is {by} {way} that of the store"), "correct it with NTP");
        }
    }
    Ok(findings)
}

fn session(sent: &SentRequest, credentials: &Credentials, now: Timestamp) -> Vec<Difference> {
    let token = sent.url.parameter("X-Amz-Security-Token").filter(|token| !token.is_empty());
    let mut findings = Vec::new();
    let mut add = |found: String, fix: &str| findings.push(Difference::new(RequestPart::Session, found, fix));
    let key_id = sent.scope().map(|scope| scope.key_id).unwrap_or_default();
    if token.is_none() && key_id.starts_with("ASIA") {
        add(
            "the access key id is that of a session, and the URL has no session token".to_owned(),
            "give the signer the session token together with the access key",
        );
    }
    let told = token.as_deref().and_then(claims).and_then(|claims| claims.get("exp")?.as_i64());
    let ended = told.and_then(|end| Timestamp::from_second(end).ok()).or(credentials.expiration);
    if let Some(end) = ended.filter(|end| *end <= now) {
        let ago = span((now.as_second() - end.as_second()).unsigned_abs());
        add(format!("the session that signed the URL ended {ago} ago"), "ask for a new URL");
    }
    findings
}

fn scope(sent: &SentRequest, credentials: &Credentials) -> Result<Vec<Difference>, NotPresigned> {
    let scope = sent.scope()?;
    let mut findings = Vec::new();
    let mut add = |found: String, fix: &str| findings.push(Difference::new(RequestPart::Scope, found, fix));
    if scope.service != "s3" {
        add(format!("the signature is for the service {}, not s3", printable(&scope.service)), "sign for s3");
    }
    if scope.end != "aws4_request" {
        add("the scope in X-Amz-Credential does not end with aws4_request".to_owned(), "use another signer");
    }
    let date = sent.url.parameter("X-Amz-Date").unwrap_or_default();
    if !date.starts_with(&scope.date) {
        let found = "the dates in X-Amz-Credential and X-Amz-Date differ".to_owned();
        add(found, "send the URL exactly as it was issued");
    }
    if let Some(region) = aws_region(&sent.host()).filter(|region| *region != scope.region) {
        let found = format!(
            "the signature is for the region {}, and the host is in {region}",
            printable(&scope.region)
        );
        add(found, &format!("set the region of the signer to {region}"));
    }
    if scope.key_id != *credentials.access_key_id.expose() {
        findings.push(Difference::new(
            RequestPart::AccessKey,
            "the URL is signed with another access key id than that of the given credentials",
            "give the credentials that signed the URL; after a rotation the operator issues a new URL",
        ));
    }
    Ok(findings)
}
