//! How the credentials of a request are obtained: from a Secret, or as a session that the operator gets
//! from an STS.

mod checks;
mod key;
mod name;
mod narrow;
mod need;
mod sts_request;

use std::fmt;

pub(super) use self::checks::{Whose, check};
pub use self::key::{SessionKey, SessionOwner, SessionSource};
use self::name::SessionNamed;
pub use self::need::{SessionNeed, is_better_than_none, is_reusable};
pub use self::sts_request::StsRequest;
use super::policy::Requester;
use super::request::{AwsAddress, Endpoint, InvalidSpec};
use super::signer::SignerId;
use super::stored::Digest;
use crate::crd::duration::DurationText;
use crate::crd::{CredentialsSecretRef, NarrowTo, S3Connection, ServiceAccountFrom, SignerKind};

/// The audience of a token if the spec names none.
const DEFAULT_AUDIENCE: &str = "sts.amazonaws.com";
/// How long a session lasts if the spec does not say it, in seconds.
const DEFAULT_DURATION: u32 = 3600;

/// Where credentials come from.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum IdentitySource {
    /// A Secret with an access key.
    Secret(CredentialsSecretRef),
    /// The token of a ServiceAccount.
    WebIdentity(ServiceAccountIdentity),
    /// The operator's own AWS identity.
    Ambient,
}

impl IdentitySource {
    /// Whether this is a ServiceAccount of whoever asks for the URL.
    #[must_use]
    pub fn is_of_requester(&self) -> bool {
        matches!(self, Self::WebIdentity(identity) if identity.is_of_requester)
    }
}

/// A ServiceAccount whose token is exchanged for a session.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ServiceAccountIdentity {
    /// Name of the ServiceAccount.
    pub name: String,
    /// ARN of the role to assume; `None` if the store needs none.
    pub role_arn: Option<String>,
    /// Audience of the token.
    pub audience: String,
    /// Whether the ServiceAccount belongs to whoever asks for the URL, and not to the owner of a signer.
    pub is_of_requester: bool,
}

/// Where an STS is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct StsAddress {
    /// Address of the STS; `None` for that of AWS in the region.
    pub endpoint: Option<Endpoint>,
    /// Region of the STS.
    pub region: String,
    /// Which of the addresses of AWS to use.
    pub aws: AwsAddress,
    /// Certificates of private certificate authorities, as PEM.
    pub ca_bundle: Option<String>,
}

/// A role that is assumed with the credentials of the source.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct RoleToAssume {
    /// ARN of the role.
    pub arn: String,
    /// External ID that the trust policy of the role asks for.
    pub external_id: Option<String>,
}

/// The session that a request is signed with.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct SessionSpec {
    /// The role that is assumed with the credentials of the source.
    pub role: Option<RoleToAssume>,
    /// How long a session lasts, in seconds.
    pub duration: u32,
    /// Where the STS is.
    pub sts: StsAddress,
    /// What the session permits.
    pub narrow_to: NarrowTo,
    /// The session policy that narrows it; `None` if it is not narrowed.
    pub policy: Option<String>,
    /// The name of the session, which audit logs of the store show.
    pub name: String,
    /// The name of the session that the role is assumed with, if there is one. The namespaces of a
    /// `ClusterSigner` share it.
    pub base_name: String,
    /// A digest of the spec of the credentials. Another one is a reason to sign again.
    pub block: Digest,
}

/// Without the external ID, which is known to few.
impl fmt::Debug for RoleToAssume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoleToAssume").field("arn", &self.arn).finish_non_exhaustive()
    }
}

/// Without the session policy, which tells what others may do.
impl fmt::Debug for SessionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, duration, narrow_to, name, .. } = self;
        f.debug_struct("SessionSpec")
            .field("role", role)
            .field("duration", duration)
            .field("narrow_to", narrow_to)
            .field("name", name)
            .finish_non_exhaustive()
    }
}

/// The credentials of a connection, without the namespace that they come from.
#[derive(Clone, Debug)]
pub(super) struct ParsedCredentials {
    pub(super) source: IdentitySource,
    pub(super) session: Option<Box<SessionSpec>>,
}

/// Parses where the credentials of a connection come from. `has_policy` says whether a signer with a
/// policy asks.
///
/// # Errors
/// The error names the first field that is not valid.
pub(super) fn parse(
    s3: &S3Connection,
    requester: Requester<'_>,
    signer: Option<&SignerId>,
    has_policy: bool,
) -> Result<ParsedCredentials, InvalidSpec> {
    let credentials = &s3.credentials;
    let source = match (&credentials.secret_ref, &credentials.web_identity) {
        (Some(reference), _) => IdentitySource::Secret(reference.clone()),
        (None, Some(identity)) => {
            let account = &identity.service_account_ref;
            let audience = identity.audience.as_deref().unwrap_or(DEFAULT_AUDIENCE);
            let role_arn = identity.role_arn.as_ref();
            IdentitySource::WebIdentity(ServiceAccountIdentity {
                name: account.name.clone(),
                role_arn: role_arn.map(|arn| arn.replace("{namespace}", requester.namespace)),
                audience: audience.to_owned(),
                is_of_requester: signer.is_none() || account.from == Some(ServiceAccountFrom::Requester),
            })
        }
        (None, None) => IdentitySource::Ambient,
    };
    let needs_session = credentials.assume_role.is_some() || !matches!(source, IdentitySource::Secret(_));
    let session = needs_session.then(|| session(s3, &source, requester, signer, has_policy)).transpose()?;
    Ok(ParsedCredentials { source, session: session.map(Box::new) })
}

fn session(
    s3: &S3Connection,
    source: &IdentitySource,
    requester: Requester<'_>,
    signer: Option<&SignerId>,
    has_policy: bool,
) -> Result<SessionSpec, InvalidSpec> {
    let credentials = &s3.credentials;
    let role = credentials
        .assume_role
        .as_ref()
        .map(|role| RoleToAssume { arn: role.role_arn.clone(), external_id: role.external_id.clone() });
    let options = credentials.session.clone().unwrap_or_default();
    // The operator's own session cannot be narrowed.
    let can_narrow = role.is_some() || *source != IdentitySource::Ambient;
    let usual = if has_policy && can_narrow { NarrowTo::Namespace } else { NarrowTo::Nothing };
    let narrow_to = options.narrow_to.unwrap_or(usual);
    let of_requester = SessionNamed::Namespace(requester.namespace).session_name();
    let base_name = match signer {
        Some(signer) if signer.kind == SignerKind::ClusterSigner && !source.is_of_requester() => {
            SessionNamed::ClusterSigner(&signer.name).session_name()
        }
        _ => of_requester.clone(),
    };
    let name = if narrow_to == NarrowTo::Nothing { base_name.clone() } else { of_requester };
    let block = serde_json::to_string(credentials).unwrap_or_default();
    let signer = signer.map(|signer| format!("{} {} {}", signer.kind, signer.namespace, signer.name));
    Ok(SessionSpec {
        role,
        duration: options.duration.as_ref().and_then(DurationText::seconds).unwrap_or(DEFAULT_DURATION),
        sts: sts(s3)?,
        narrow_to,
        policy: None,
        name,
        base_name,
        block: Digest::of(&format!("{block} {signer:?}")),
    })
}

fn sts(s3: &S3Connection) -> Result<StsAddress, InvalidSpec> {
    let sts = s3.credentials.session.as_ref().and_then(|session| session.sts.clone()).unwrap_or_default();
    Ok(StsAddress {
        endpoint: sts.endpoint.as_deref().map(checks::sts_endpoint).transpose()?,
        region: sts.region.unwrap_or_else(|| s3.region.clone()),
        aws: AwsAddress::of(s3),
        ca_bundle: s3.ca_bundle.clone(),
    })
}

#[cfg(test)]
mod tests;
