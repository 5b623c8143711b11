//! Which sessions the operator may request: where tokens may go, and whose identity may be used.

use super::{NotPermitted, StsEndpoints};
use crate::domain::resolve::CredentialsLocation;
use crate::domain::session::{IdentitySource, SessionSpec};

/// Which sessions the operator may request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SessionLimits {
    /// The audiences that a token may have.
    pub audiences: Vec<String>,
    /// The STS endpoints that may be called.
    pub endpoints: StsEndpoints,
    /// Whether a `ClusterSigner` may use the operator's own AWS identity.
    pub ambient: bool,
}

impl SessionLimits {
    /// Refuses credentials that need a session which may not be requested.
    ///
    /// # Errors
    /// The error names the field and the flag that permits it; to a user of a signer it says only that.
    pub(super) fn check(&self, credentials: &CredentialsLocation) -> Result<(), NotPermitted> {
        let Some(spec) = &credentials.session else { return Ok(()) };
        let refused = self.check_spec(&credentials.source, spec);
        refused.map_err(|refusal| match &credentials.signer {
            Some(signer) => NotPermitted::SignerSession { signer: signer.clone() },
            None => refusal,
        })
    }

    /// The same for the owner of the credentials, who is told what is refused.
    ///
    /// # Errors
    /// The error names the field and the flag that permits it.
    pub fn check_spec(&self, source: &IdentitySource, spec: &SessionSpec) -> Result<(), NotPermitted> {
        if let IdentitySource::WebIdentity(identity) = source
            && !self.audiences.contains(&identity.audience)
        {
            return Err(NotPermitted::Audience { audience: identity.audience.clone() });
        }
        if *source == IdentitySource::Ambient && !self.ambient {
            return Err(NotPermitted::Ambient);
        }
        let asks_sts = spec.role.is_some() || *source != IdentitySource::Ambient;
        let sts = &spec.sts;
        let permitted = match &sts.endpoint {
            _ if !asks_sts => Ok(()),
            Some(endpoint) => self.endpoints.permits(endpoint).map(drop),
            None => self.endpoints.permits_aws(&sts.region),
        };
        permitted.map_err(NotPermitted::Sts)
    }
}
