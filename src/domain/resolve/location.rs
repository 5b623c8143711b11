//! Where the credentials of a request come from.

use crate::crd::CredentialsSecretRef;
use crate::domain::session::{IdentitySource, SessionSpec};
use crate::domain::signer::SignerId;

/// Where the credentials of a request come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CredentialsLocation {
    /// Namespace of the Secret or the ServiceAccount; empty for the operator's own identity.
    pub namespace: String,
    /// The Secret or the ServiceAccount in it.
    pub source: IdentitySource,
    /// The session that the operator gets with these credentials; `None` if they sign themselves.
    pub session: Option<Box<SessionSpec>>,
    /// The signer that the credentials belong to; `None` if they are those of the request itself.
    pub signer: Option<SignerId>,
}

impl CredentialsLocation {
    /// Where the credentials are, as messages say it after "the credentials". Those of a signer belong
    /// to somebody else, so the Secret is not named.
    #[must_use]
    pub fn place(&self) -> String {
        match (&self.signer, &self.source) {
            (Some(signer), _) => format!("of {signer}"),
            (None, IdentitySource::Secret(reference)) => format!("in Secret {:?}", reference.name),
            (None, IdentitySource::WebIdentity(identity)) => format!("of ServiceAccount {:?}", identity.name),
            (None, IdentitySource::Ambient) => "of the operator".to_owned(),
        }
    }

    /// Whether this Secret, in the namespace of the request, holds the credentials.
    #[must_use]
    pub fn is_in(&self, namespace: &str, secret: &str) -> bool {
        self.namespace == namespace && self.secret().is_some_and(|reference| reference.name == secret)
    }

    /// The Secret with the access key; `None` if there is none.
    #[must_use]
    pub fn secret(&self) -> Option<&CredentialsSecretRef> {
        match &self.source {
            IdentitySource::Secret(reference) => Some(reference),
            IdentitySource::WebIdentity(_) | IdentitySource::Ambient => None,
        }
    }

    /// Whether the operator gets sessions to sign with. The session that signed a stored URL may be gone,
    /// so that the URL cannot be signed again for comparison.
    #[must_use]
    pub fn has_session(&self) -> bool {
        self.session.is_some()
    }
}
