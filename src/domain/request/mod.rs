//! Parses a spec into a [`Request`], which is always valid.
//!
//! A spec is parsed only here, so code that has a [`Request`] can rely on it. The rules of the CRD are
//! checked again, with the same messages, because an object may have been stored under an older schema,
//! and a manifest may never have been sent to an API server.

mod addressing;
mod bucket;
mod checks;
mod endpoint;
mod form;
mod hints;
mod parameters;
mod renew;
mod target;

use std::borrow::Cow;
use std::collections::BTreeMap;

pub use addressing::{Addressing, Connection};
pub(super) use bucket::check as check_bucket;
pub(super) use checks::{
    CheckResult, at_most, is_dns_label, is_dns_subdomain, is_partition, require, signer_name,
};
pub(super) use endpoint::aws_partition;
pub use endpoint::{AwsAddress, Endpoint, Scheme, aws_host};
pub use form::{Form, UploadAnswer};
pub use renew::MAX_RENEW;
use renew::is_too_long;
pub(super) use renew::renew_token;
pub use target::Target;
pub(super) use target::check_reference;

pub use crate::crd::Method;

use crate::crd::duration::DurationText;
use crate::crd::rules::{self, Rule};
use crate::crd::{PodRefresh, PresignedUrlSpec, RenewPolicy, S3Connection};

use parameters::{headers, query};

use super::resolve::CredentialsLocation;
use super::session::{self, Whose};
use super::signer::SignerId;
use super::verification::VerifyWish;

/// Why a spec is not valid.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("spec.{field}: {message}")]
pub struct InvalidSpec {
    /// Path of the field below `spec`.
    pub field: &'static str,
    /// What is wrong, or what to write instead.
    pub message: Cow<'static, str>,
}

impl InvalidSpec {
    pub(super) fn new(field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field, message: message.into() }
    }

    /// The error when a spec has no connection, or two.
    pub(super) fn of_connection() -> Self {
        Self::new("s3", rules::CONNECTION_ONE.message)
    }

    /// The same for a spec whose connection is that of a signer. The user who wrote the spec can only
    /// change its bucket.
    pub(super) fn with_signer(self, signer: &SignerId) -> Self {
        match self.field.strip_prefix("s3.") {
            Some(field) => {
                let message = format!(
                    "does not fit {signer} (its s3.{field}: {}): choose another bucket, or ask its owner",
                    self.message
                );
                Self::new("bucket", message)
            }
            None if self.message.contains("s3.endpoint") => {
                Self::new("bucket", format!("{} ({signer})", self.message))
            }
            None => self,
        }
    }
}

/// The connection and the credentials for a request. Only [`resolve`](super::resolve) pairs them.
pub(super) struct Provided<'a> {
    pub(super) s3: &'a S3Connection,
    pub(super) credentials: CredentialsLocation,
}

/// How long before its expiry a URL is renewed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Overlap {
    /// A number of seconds.
    Seconds(u32),
    /// A share of the actual lifetime, in percent.
    Percentage(u32),
    /// A third of the actual lifetime.
    Third,
}

/// A valid spec: everything that is needed to sign, store and renew a URL.
#[allow(clippy::struct_excessive_bools, reason = "each is one independent wish")]
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The store that the URL points to.
    pub connection: Connection,
    /// Name of the bucket, or ARN of an access point.
    pub bucket: String,
    /// Key of the object, not encoded.
    pub key: String,
    /// HTTP method that the URL permits.
    pub method: Method,
    /// Headers that the caller must send, sorted by name, ignoring case.
    pub headers: Vec<(String, String)>,
    /// Signed query parameters other than those of the signature, sorted by name, not encoded.
    pub query: Vec<(String, String)>,
    /// What may be uploaded with a form, for method POST and no other.
    pub form: Option<Form>,
    /// Requested lifetime, in seconds: 60 to 604800.
    pub expires_in: u32,
    /// The longest lifetime that the policy of the signer allows, in seconds; `None` for no limit.
    pub cap: Option<u32>,
    /// How long before its expiry the URL is renewed.
    pub overlap: Overlap,
    /// Whether the URL is signed once and never renewed.
    pub is_signed_once: bool,
    /// How long after its URL has expired the object is deleted, in seconds; `None` for never.
    pub ttl_after_expired: Option<u32>,
    /// Where the credentials come from.
    pub credentials: CredentialsLocation,
    /// The Secret to write.
    pub target: Target,
    /// Whether to annotate the running pods that mount the Secret after each new URL.
    pub annotates_pods: bool,
    /// Whether the store is asked about the URL.
    pub verify: VerifyWish,
    /// Whether the object is suspended, so that nothing is issued or written.
    pub suspend: bool,
    /// The token of the renew annotation, which asks for one renewal.
    pub renew: Option<String>,
    /// Whether the token is refused because it is too long.
    pub is_renew_refused: bool,
}

/// The lifetime if the spec has none, in seconds.
const DEFAULT_LIFETIME: u32 = 3600;
/// The shortest lifetime that a spec can request, in seconds.
const MIN_LIFETIME: u32 = 60;
/// The longest lifetime that SigV4 permits, a week, in seconds:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>.
pub const MAX_LIFETIME: u32 = 604_800;

impl Request {
    /// Parses the spec of the `PresignedUrl` `name`; `renew` is the value of its renew annotation.
    ///
    /// # Errors
    /// The error names the first field that is not valid, and says what to write instead.
    pub(super) fn parse(
        name: &str,
        spec: &PresignedUrlSpec,
        renew: Option<&str>,
        Provided { s3, credentials }: Provided<'_>,
    ) -> Result<Self, InvalidSpec> {
        let method = spec.method.unwrap_or_default();
        bucket::check(&spec.bucket, s3.endpoint.is_some())?;
        checks::key(&spec.key)?;
        checks::version(spec.version_id.as_deref(), method)?;
        checks::response(spec.response.as_ref(), method)?;
        checks::region(s3)?;
        if s3.endpoint.is_none() {
            checks::region_of_arn(&spec.bucket, &s3.region)?;
        }
        let empty = BTreeMap::new();
        checks::headers(spec.headers.as_ref().unwrap_or(&empty))?;
        checks::query(spec.query.as_ref().unwrap_or(&empty), method)?;
        let form = Form::parse(spec, method)?;
        let expires_in = lifetime(spec.expires_in.as_ref())?;
        let is_signed_once = spec.renew_policy == Some(RenewPolicy::Never);
        Ok(Self {
            connection: Connection::parse(s3, &spec.bucket)?,
            bucket: spec.bucket.clone(),
            key: spec.key.clone(),
            method,
            headers: headers(spec),
            query: query(spec),
            form,
            expires_in,
            cap: None,
            overlap: overlap(spec, expires_in)?,
            is_signed_once,
            ttl_after_expired: ttl(spec, is_signed_once)?,
            credentials,
            target: Target::parse(name, spec.secret.as_ref())?,
            annotates_pods: spec.pod_refresh.unwrap_or_default() == PodRefresh::Annotate,
            verify: VerifyWish { when: spec.verify.unwrap_or_default(), ca_bundle: s3.ca_bundle.clone() },
            suspend: spec.suspend.unwrap_or(false),
            renew: renew.filter(|token| !is_too_long(token)).and_then(renew_token),
            is_renew_refused: renew.is_some_and(is_too_long),
        })
    }

    /// The lifetime of a new URL unless the credentials expire earlier, in seconds.
    #[must_use]
    pub fn lifetime(&self) -> u32 {
        self.cap.map_or(self.expires_in, |cap| cap.min(self.expires_in))
    }
}

/// Checks the part of a connection that does not depend on the bucket.
///
/// # Errors
/// The error names the first field that is not valid, and says what to write instead.
pub(super) fn check_connection(s3: &S3Connection, whose: Whose) -> Result<(), InvalidSpec> {
    checks::region(s3)?;
    session::check(s3, whose)?;
    addressing::endpoint(s3).map(drop)
}

fn lifetime(text: Option<&DurationText>) -> Result<u32, InvalidSpec> {
    let field = "expiresIn";
    let seconds = match text {
        None => DEFAULT_LIFETIME,
        Some(text) => {
            checks::unit(text, field, rules::EXPIRES_NUMBER, rules::EXPIRES_DAYS)?;
            text.seconds().ok_or(InvalidSpec::new(field, rules::EXPIRES_FORM.message))?
        }
    };
    let in_range = (MIN_LIFETIME..=MAX_LIFETIME).contains(&seconds);
    checks::require(in_range, field, rules::EXPIRES_RANGE)?;
    Ok(seconds)
}

/// How long after its URL has expired an object is deleted.
fn ttl(spec: &PresignedUrlSpec, is_signed_once: bool) -> Result<Option<u32>, InvalidSpec> {
    let Some(text) = &spec.ttl_after_expired else { return Ok(None) };
    let field = "ttlAfterExpired";
    checks::require(is_signed_once, field, rules::TTL_NEVER)?;
    let seconds = text.seconds().ok_or(InvalidSpec::new(field, rules::TTL_FORM.message))?;
    Ok(Some(seconds))
}

fn overlap(spec: &PresignedUrlSpec, expires_in: u32) -> Result<Overlap, InvalidSpec> {
    let refused = |field, rule: Rule| Err(InvalidSpec::new(field, rule.message));
    let has_any = spec.renew_before.is_some() || spec.renew_before_percentage.is_some();
    if has_any && spec.renew_policy == Some(RenewPolicy::Never) {
        return refused("renewPolicy", rules::BEFORE_NEVER);
    }
    match (&spec.renew_before, spec.renew_before_percentage) {
        (None, None) => Ok(Overlap::Third),
        (Some(_), Some(_)) => refused("renewBefore", rules::BEFORE_ONE),
        (Some(before), None) => {
            let field = "renewBefore";
            checks::unit(before, field, rules::BEFORE_NUMBER, rules::BEFORE_DAYS)?;
            match before.seconds() {
                None | Some(0) => refused(field, rules::BEFORE_FORM),
                Some(seconds) if u64::from(seconds) * 6 > u64::from(expires_in) * 5 => {
                    refused(field, rules::BEFORE_FITS)
                }
                Some(seconds) => Ok(Overlap::Seconds(seconds)),
            }
        }
        (None, Some(percentage)) => match u32::try_from(percentage) {
            Ok(percentage @ 1..=80) => Ok(Overlap::Percentage(percentage)),
            _ => Err(InvalidSpec::new("renewBeforePercentage", "must be from 1 to 80")),
        },
    }
}

#[cfg(test)]
mod tests;
