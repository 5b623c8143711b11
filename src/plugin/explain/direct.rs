//! What is wrong with a request without any comparison of signatures. Pure.

use jiff::Timestamp;

use super::compare::Clocks;
use super::difference::{Difference, RequestPart};
use super::sent::SentRequest;
use crate::domain::Credentials;
use crate::domain::request::MAX_LIFETIME;
use crate::plugin::claims::claims;
use crate::plugin::console::{printable, span};
use crate::plugin::reading::{SignatureScope, aws_region, signing_time};
use crate::plugin::url_text::NotPresigned;
use crate::plugin::working_time::TOLERANCE;

/// How far two clocks may differ before it is worth a word, in seconds.
const SKEW: i64 = 60;

/// What is wrong, whatever the signature is.
pub(super) fn direct(
    sent: &SentRequest,
    credentials: &Credentials,
    clocks: Clocks,
) -> Result<Vec<Difference>, NotPresigned> {
    let scope = sent.scope()?;
    let date = sent.url.parameter("X-Amz-Date").unwrap_or_default();
    let signed = StatedSignature {
        noun: "URL",
        credential: "X-Amz-Credential",
        date_field: "X-Amz-Date",
        scope,
        date,
    };
    let token = sent.url.parameter("X-Amz-Security-Token").filter(|token| !token.is_empty());
    let mut findings = headers(sent);
    findings.extend(clock(sent, clocks)?);
    findings.extend(signed.session(token.as_deref(), credentials, clocks));
    findings.extend(signed.scope(&sent.host(), credentials));
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
    missing.chain(extra).chain(two_ways(&sent.headers, "a presigned URL")).collect()
}

/// What is wrong if a client signs in by a header too.
pub(super) fn two_ways(headers: &[(String, String)], noun: &str) -> Option<Difference> {
    let has_it = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    let found = "authorization is sent, and stores take only one way to sign in";
    let fix = format!("do not send it with {noun}");
    has_it.then(|| Difference::new(RequestPart::Header, found, fix))
}

fn clock(sent: &SentRequest, clocks: Clocks) -> Result<Vec<Difference>, NotPresigned> {
    let lifetime = sent.url.parameter("X-Amz-Expires").and_then(|seconds| seconds.parse::<i64>().ok());
    let lifetime = lifetime.ok_or(NotPresigned::BadValue("X-Amz-Expires"))?;
    let mut findings = Vec::new();
    let mut add = |found: String, fix: &str| findings.push(Difference::new(RequestPart::Clock, found, fix));
    if lifetime > i64::from(MAX_LIFETIME) {
        add(
            format!("X-Amz-Expires is {lifetime}, and stores take at most {MAX_LIFETIME} seconds"),
            "ask for at most 168h",
        );
    }
    if lifetime < 1 {
        add("X-Amz-Expires is not positive".to_owned(), "ask for a lifetime of at least a second");
    }
    let signed = signing_time(&sent.url)?.as_second();
    findings.extend(clocks.judge(signed, signed.saturating_add(lifetime), "URL"));
    Ok(findings)
}

impl Clocks {
    /// What is wrong with the time of a URL or a form that was signed and ends at these seconds.
    pub(super) fn judge(self, signed: i64, ends: i64, noun: &str) -> Vec<Difference> {
        let now = self.now().as_second();
        let whose =
            if self.store.is_some() { "by the clock of the store" } else { "by the clock of this computer" };
        let mut findings = Vec::new();
        let mut add =
            |found: String, fix: &str| findings.push(Difference::new(RequestPart::Clock, found, fix));
        if now >= ends {
            let ago = span((now - ends).unsigned_abs());
            add(format!("the {noun} expired {ago} ago {whose}"), "ask for a new one: kubectl presign renew");
        }
        if signed > now + TOLERANCE {
            let ahead = span((signed - now).unsigned_abs());
            let hours = (signed - now + 150) / 1800;
            let is_zone = (signed - now + 150) % 1800 < 300 && hours > 0;
            let zone = if is_zone { ": the signer may write local time in place of UTC" } else { "" };
            add(
                format!("the {noun} is not valid yet: it was signed {ahead} in the future {whose}{zone}"),
                "correct the clock of the signer, which must be UTC",
            );
        }
        if let Some(store) = self.store {
            let skew = self.here.as_second() - store.as_second();
            if skew.abs() > SKEW {
                let way = if skew > 0 { "ahead of" } else { "behind" };
                let by = span(skew.unsigned_abs());
                let found = format!("the clock of this computer is {by} {way} that of the store");
                add(found, "correct it with NTP");
            }
        }
        findings
    }
}

/// What a URL or a form says of its signature.
pub(super) struct StatedSignature {
    /// What it is, for messages.
    pub(super) noun: &'static str,
    /// The name of the parameter or field with the credential, and that with the date.
    pub(super) credential: &'static str,
    pub(super) date_field: &'static str,
    pub(super) scope: SignatureScope,
    /// The signing time, as it is written.
    pub(super) date: String,
}

impl StatedSignature {
    /// What is wrong with the session.
    pub(super) fn session(
        &self,
        token: Option<&str>,
        credentials: &Credentials,
        clocks: Clocks,
    ) -> Vec<Difference> {
        let (noun, now) = (self.noun, clocks.now());
        let mut findings = Vec::new();
        let mut add =
            |found: String, fix: &str| findings.push(Difference::new(RequestPart::Session, found, fix));
        if token.is_none() && self.scope.key_id.starts_with("ASIA") {
            add(
                format!("the access key id is that of a session, and the {noun} has no session token"),
                "give the signer the session token together with the access key",
            );
        }
        let claimed = token.and_then(claims).and_then(|claims| claims.get("exp")?.as_i64());
        let ended = claimed.and_then(|end| Timestamp::from_second(end).ok()).or(credentials.expiration);
        if let Some(end) = ended.filter(|end| *end <= now) {
            let ago = span((now.as_second() - end.as_second()).unsigned_abs());
            add(format!("the session that signed the {noun} ended {ago} ago"), "ask for a new one");
        }
        findings
    }

    /// What is wrong with the scope and the access key id.
    pub(super) fn scope(&self, host: &str, credentials: &Credentials) -> Vec<Difference> {
        let Self { noun, credential, date_field, scope, date } = self;
        let mut findings = Vec::new();
        let mut add =
            |found: String, fix: &str| findings.push(Difference::new(RequestPart::Scope, found, fix));
        if scope.service != "s3" {
            let service = printable(&scope.service);
            add(format!("the signature is for the service {service}, not s3"), "sign for s3");
        }
        if scope.end != "aws4_request" {
            add(format!("the scope in {credential} does not end with aws4_request"), "use another signer");
        }
        if !date.starts_with(&scope.date) {
            let found = format!("the dates in {credential} and {date_field} differ");
            add(found, &format!("send the {noun} exactly as it was issued"));
        }
        if let Some(region) = aws_region(host).filter(|region| *region != scope.region) {
            let found = format!(
                "the signature is for the region {}, and the host is in {region}",
                printable(&scope.region)
            );
            add(found, &format!("set the region of the signer to {region}"));
        }
        if scope.key_id != *credentials.access_key_id.expose() {
            findings.push(Difference::new(
                RequestPart::AccessKey,
                format!("the {noun} is signed with another access key id than that of the given credentials"),
                "give the credentials that signed it; after a rotation the operator signs again",
            ));
        }
        findings
    }
}
