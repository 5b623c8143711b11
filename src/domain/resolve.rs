//! Resolves a spec to the connection and the credentials that its URL is signed with: its own, or those
//! of its signer.
//!
//! Nothing else pairs a connection with credentials, so the key of a signer never signs for a store, a
//! bucket or a key that the signer does not allow.

mod location;

pub use self::location::CredentialsLocation;
use super::policy::{Requester, Verdict};
use super::reason::FailureReason;
use super::request::{InvalidSpec, Provided, Request, signer_name};
use super::session::{self, IdentitySource, ParsedCredentials, Whose};
use super::signer::{Labels, ParsedSigner, Served, SignerId};
use super::status::Problem;
use crate::crd::{
    AddressingStyle, CredentialsSecretRef, CredentialsSource, Enforcement, PresignedUrlSpec, S3Connection,
    SignerKind, SignerRef, WhenDenied,
};

/// What the operator permits, whatever a spec or a signer says.
#[derive(Clone, Debug, Default)]
pub struct ConnectionSettings {
    /// Whether a `PresignedUrl` may have credentials of its own.
    pub denies_inline: bool,
    /// The namespace with the credentials of the `ClusterSigner`s, in which a `PresignedUrl` may not
    /// have credentials of its own.
    pub signer_namespace: String,
}

/// What a spec is resolved with.
#[derive(Clone, Copy, Debug)]
pub struct ResolveContext<'a> {
    /// What the operator permits.
    pub settings: &'a ConnectionSettings,
    /// The signer that the spec names; `None` if there is none, and otherwise why it cannot be used.
    pub signer: Option<Result<&'a ParsedSigner, &'a str>>,
    /// The labels of the namespace; `None` if they are not known.
    pub labels: Option<&'a Labels>,
}

/// A request, and what its signer says about it.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The request.
    pub request: Request,
    /// What the signer says.
    pub permission: Permission,
}

/// What a signer says about a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Permission {
    /// The request has no signer.
    NotNeeded,
    /// The policy allows the request.
    Allowed {
        /// Which rule allows it, as a sentence.
        why: String,
    },
    /// The policy denies the request, but is only audited.
    Audited {
        /// Why it would be denied.
        why: String,
    },
    /// The request is denied.
    Denied {
        /// Why, for the conditions.
        problem: Problem,
        /// Whether the URL is removed from its Secret at once, and not when it expires.
        is_withdrawn: bool,
    },
}

impl Permission {
    /// Whether a URL may be signed.
    #[must_use]
    pub fn is_granted(&self) -> bool {
        !matches!(self, Self::Denied { .. })
    }
}

/// Which signer a reference names.
#[must_use]
pub fn signer_id(reference: &SignerRef, namespace: &str) -> SignerId {
    let kind = reference.kind.unwrap_or_default();
    let namespace = match kind {
        SignerKind::Signer => namespace.to_owned(),
        SignerKind::ClusterSigner => String::new(),
    };
    SignerId { kind, namespace, name: reference.name.clone() }
}

/// Resolves a spec; `renew` is the value of the renew annotation.
///
/// # Errors
/// The problem that the conditions show when there is no valid request.
pub fn resolve(
    requester: Requester<'_>,
    spec: &PresignedUrlSpec,
    renew: Option<&str>,
    context: &ResolveContext<'_>,
) -> Result<Resolved, Problem> {
    let invalid = |error: InvalidSpec| Problem::new(FailureReason::InvalidSpec, error.to_string());
    match (&spec.s3, &spec.signer_ref) {
        (Some(s3), None) => {
            context.settings.check_inline(requester)?;
            let request = own(requester, spec, s3, renew).map_err(invalid)?;
            Ok(Resolved { request, permission: Permission::NotNeeded })
        }
        (None, Some(reference)) => {
            signer_name(&reference.name).map_err(invalid)?;
            let id = signer_id(reference, requester.namespace);
            let ask = Ask { requester, spec, renew };
            match context.signer {
                Some(Ok(signer)) => with_signer(&ask, signer, context.labels),
                Some(Err(why)) => without_signer(&ask, &id, not_usable(format!("{id} {why}")), false),
                None => without_signer(&ask, &id, not_found(&id), false),
            }
        }
        _ => Err(invalid(InvalidSpec::of_connection())),
    }
}

impl Request {
    /// Parses a spec that has a connection of its own.
    ///
    /// # Errors
    /// The error names the first field that is not valid, and says what to write instead.
    pub fn inline(
        requester: Requester<'_>,
        spec: &PresignedUrlSpec,
        renew: Option<&str>,
    ) -> Result<Self, InvalidSpec> {
        match (&spec.s3, &spec.signer_ref) {
            (Some(s3), None) => own(requester, spec, s3, renew),
            _ => Err(InvalidSpec::of_connection()),
        }
    }
}

fn own(
    requester: Requester<'_>,
    spec: &PresignedUrlSpec,
    s3: &S3Connection,
    renew: Option<&str>,
) -> Result<Request, InvalidSpec> {
    session::check(s3, Whose::Inline)?;
    let ParsedCredentials { source, session } = session::parse(s3, requester, None, false)?;
    let namespace = requester.namespace.to_owned();
    let credentials = CredentialsLocation { namespace, source, session, signer: None };
    let request = Request::parse(requester.name, spec, renew, Provided { s3, credentials })?;
    request.narrowed(None, requester)
}

impl ConnectionSettings {
    fn check_inline(&self, requester: Requester<'_>) -> Result<(), Problem> {
        let why = if self.denies_inline {
            "spec.s3: PresignedUrls with credentials of their own are not permitted: use spec.signerRef, or ask the administrator of the operator to permit them (--inline-credentials)"
        } else if !self.signer_namespace.is_empty() && self.signer_namespace == requester.namespace {
            "spec.s3: this namespace holds the credentials of ClusterSigners, so PresignedUrls in it cannot have credentials of their own: use spec.signerRef, or another namespace"
        } else {
            return Ok(());
        };
        Err(Problem::new(FailureReason::NotPermitted, why.to_owned()))
    }
}

/// Who asks for what.
struct Ask<'a> {
    requester: Requester<'a>,
    spec: &'a PresignedUrlSpec,
    renew: Option<&'a str>,
}

impl Ask<'_> {
    fn parse(&self, s3: &S3Connection, credentials: CredentialsLocation) -> Result<Request, InvalidSpec> {
        Request::parse(self.requester.name, self.spec, self.renew, Provided { s3, credentials })
    }

    /// The request for a store that accepts every bucket that any store accepts.
    fn nowhere(&self, id: &SignerId) -> Result<Request, InvalidSpec> {
        let region_of_arn = self.spec.bucket.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(2));
        let nobody = CredentialsSecretRef { name: "none".to_owned(), keys: None, profile: None };
        let source = CredentialsSource { secret_ref: Some(nobody.clone()), ..CredentialsSource::default() };
        let nowhere = S3Connection {
            endpoint: region_of_arn.is_none().then(|| "https://signer.invalid".to_owned()),
            region: region_of_arn.unwrap_or("none").to_owned(),
            addressing_style: region_of_arn.is_none().then_some(AddressingStyle::Path),
            unsigned_headers: None,
            aws: None,
            ca_bundle: None,
            credentials: source,
        };
        let credentials = CredentialsLocation {
            namespace: String::new(),
            source: IdentitySource::Secret(nobody),
            session: None,
            signer: Some(id.clone()),
        };
        self.parse(&nowhere, credentials)
    }
}

/// A request that cannot be signed, because its signer cannot be asked or does not serve the namespace.
/// Both are answered alike: nothing of the signer is in it.
fn without_signer(
    ask: &Ask<'_>,
    id: &SignerId,
    problem: Problem,
    is_withdrawn: bool,
) -> Result<Resolved, Problem> {
    match ask.nowhere(id) {
        Ok(request) => Ok(Resolved { request, permission: Permission::Denied { problem, is_withdrawn } }),
        Err(_) => Err(problem),
    }
}

/// Checks everything of a spec that does not depend on its signer, and returns the requested lifetime in
/// seconds.
///
/// # Errors
/// The problem that the spec has with every signer.
pub fn check_for_any_signer(requester: Requester<'_>, spec: &PresignedUrlSpec) -> Result<u32, Problem> {
    let check = || {
        let (None, Some(reference)) = (&spec.s3, &spec.signer_ref) else {
            return Err(InvalidSpec::of_connection());
        };
        signer_name(&reference.name)?;
        Ask { requester, spec, renew: None }.nowhere(&signer_id(reference, requester.namespace))
    };
    check()
        .map(|request| request.expires_in)
        .map_err(|error| Problem::new(FailureReason::InvalidSpec, error.to_string()))
}

fn with_signer(ask: &Ask<'_>, signer: &ParsedSigner, labels: Option<&Labels>) -> Result<Resolved, Problem> {
    let is_withdrawn = signer.when_denied == WhenDenied::Withdraw;
    match signer.namespaces.serve(ask.requester.namespace, labels) {
        Served::Yes => {}
        Served::No => return without_signer(ask, &signer.id, not_found(&signer.id), is_withdrawn),
        Served::Unknown => return without_signer(ask, &signer.id, not_found(&signer.id), false),
    }
    let invalid = |error: InvalidSpec| {
        Problem::new(FailureReason::InvalidSpec, error.with_signer(&signer.id).to_string())
    };
    let credentials = signer.credentials(ask.requester).map_err(invalid)?;
    let mut request = ask.parse(&signer.s3, credentials).map_err(invalid)?;
    let Some(policy) = &signer.policy else {
        let why = format!("{} has no policy, so it allows everything", signer.id);
        let request = request.narrowed(None, ask.requester).map_err(invalid)?;
        return Ok(Resolved { request, permission: Permission::Allowed { why } });
    };
    let permission = match policy.judge(&request, ask.requester) {
        Verdict::Allowed { rule, cap } => {
            request.cap = cap;
            Permission::Allowed { why: format!("rule {rule:?} of {} allows it", signer.id) }
        }
        Verdict::Denied(denial) if signer.enforcement == Enforcement::Audit && !denial.is_unsafe => {
            Permission::Audited { why: format!("{} would deny it: {denial}", signer.id) }
        }
        Verdict::Denied(denial) => {
            let problem =
                Problem::new(FailureReason::NotPermitted, format!("{} denies it: {denial}", signer.id));
            Permission::Denied { problem, is_withdrawn }
        }
    };
    let request = match permission {
        // A request that is denied needs no session.
        Permission::Denied { .. } => request,
        // What the policy would deny, a session of it denies too.
        Permission::Audited { .. } => request.narrowed(None, ask.requester).map_err(invalid)?,
        _ => request.narrowed(Some(policy), ask.requester).map_err(invalid)?,
    };
    Ok(Resolved { request, permission })
}

/// The problem when there is no such signer, or when a `ClusterSigner` is not valid or not for this
/// namespace: the answer must not tell which, because the signers of others are none of its business.
#[must_use]
pub fn not_found(id: &SignerId) -> Problem {
    not_usable(match id.kind {
        SignerKind::Signer => format!(
            "{id} does not exist in this namespace: create it, or correct spec.signerRef (kind: ClusterSigner for one of the cluster)"
        ),
        SignerKind::ClusterSigner => format!(
            "{id} does not exist, is not valid, or does not allow this namespace: correct spec.signerRef, or ask the owner of the signer"
        ),
    })
}

fn not_usable(message: String) -> Problem {
    Problem::new(FailureReason::SignerNotFound, message)
}

#[cfg(test)]
mod tests;
