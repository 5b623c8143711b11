//! What tells one session from another.

use super::{SessionSpec, StsAddress, StsRequest};
use crate::crd::NarrowTo;
use crate::domain::Credentials;
use crate::domain::stored::Digest;

/// What tells one session from another. Two requests share a session only if all of it is the same, so
/// that no tenant signs with the session of another.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct SessionKey {
    /// Which identity the session begins with.
    pub source: SessionSource,
    /// Everything that the session is requested with.
    pub spec: SessionSpec,
    /// Whose session it is.
    pub owner: SessionOwner,
    /// A digest of the certificates of private authorities. The certificates themselves are not kept.
    pub ca_bundle: Option<Digest>,
}

/// Whose session it is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum SessionOwner {
    /// That of a namespace whose requests have credentials of their own.
    Namespace(String),
    /// That of the signer with this UID.
    Signer(String),
    /// That of a namespace, for the signer with this UID, which uses a ServiceAccount of the namespace.
    Requester {
        /// UID of the signer.
        signer: String,
        /// The namespace.
        namespace: String,
    },
}

/// Which identity a session begins with.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum SessionSource {
    /// An access key in a Secret.
    Secret {
        /// Namespace of the Secret.
        namespace: String,
        /// Name of the Secret.
        name: String,
        /// A digest of the access key and its session token.
        content: Digest,
    },
    /// A ServiceAccount.
    ServiceAccount {
        /// Namespace of the ServiceAccount.
        namespace: String,
        /// Name of the ServiceAccount.
        name: String,
        /// UID of the ServiceAccount: one that was deleted and created again is another one.
        uid: String,
        /// Audience of the token.
        audience: String,
        /// The role of the first session, if there is one.
        role_arn: Option<String>,
    },
    /// The operator's own identity.
    Ambient,
}

impl SessionSource {
    /// The name of the source, as metrics have it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Secret { .. } => "Secret",
            Self::ServiceAccount { .. } => "WebIdentity",
            Self::Ambient => "Ambient",
        }
    }

    /// The access key in a Secret.
    #[must_use]
    pub fn secret(namespace: &str, name: &str, credentials: &Credentials) -> Self {
        let Credentials { access_key_id, secret_access_key, session_token, .. } = credentials;
        let token = session_token.as_ref().map(|token| token.expose().as_str());
        let content =
            Digest::of(&format!("{} {} {token:?}", access_key_id.expose(), secret_access_key.expose()));
        Self::Secret { namespace: namespace.to_owned(), name: name.to_owned(), content }
    }
}

/// How long a session lasts that is only used to assume a role, in seconds: the shortest that AWS issues.
const INTERMEDIATE: u32 = 900;

impl SessionKey {
    /// The key of a session, and the certificates of private authorities to reach its STS with.
    #[must_use]
    pub fn new(source: SessionSource, mut spec: SessionSpec, owner: SessionOwner) -> (Self, Option<String>) {
        let certificates = spec.sts.ca_bundle.take();
        let ca_bundle = certificates.as_deref().map(Digest::of);
        (Self { source, spec, owner, ca_bundle }, certificates)
    }

    /// The session that the role is assumed with; `None` if there is no role, or if an access key assumes it.
    /// It is not narrowed, so that all namespaces of a signer share it.
    #[must_use]
    pub fn base(&self) -> Option<Self> {
        let is_key = matches!(self.source, SessionSource::Secret { .. });
        self.spec.role.as_ref().filter(|_| !is_key)?;
        let spec = SessionSpec {
            role: None,
            duration: INTERMEDIATE,
            narrow_to: NarrowTo::Nothing,
            policy: None,
            name: self.spec.base_name.clone(),
            block: Digest::default(),
            ..self.spec.clone()
        };
        Some(Self { spec, ..self.clone() })
    }

    /// The request to the STS for this session, after that for its [`base`](Self::base). `ca_bundle` are the
    /// certificates that [`new`](Self::new) returned. `None` for the operator's own identity, which the spec
    /// of no signer describes.
    #[must_use]
    pub fn sts_request(&self, ca_bundle: Option<&str>) -> Option<StsRequest> {
        let SessionSpec { role, duration, policy, sts, name, .. } = &self.spec;
        let (role_arn, external_id) = match (role, &self.source) {
            (Some(role), _) => (Some(role.arn.clone()), role.external_id.clone()),
            (None, SessionSource::ServiceAccount { role_arn, .. }) => (role_arn.clone(), None),
            (None, SessionSource::Secret { .. } | SessionSource::Ambient) => return None,
        };
        Some(StsRequest {
            service: StsAddress { ca_bundle: ca_bundle.map(str::to_owned), ..sts.clone() },
            role_arn,
            external_id,
            session_name: name.clone(),
            duration: *duration,
            policy: policy.clone(),
        })
    }
}
