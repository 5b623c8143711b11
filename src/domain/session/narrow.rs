//! The session of a request: what it is narrowed to, and what tells its source from another one.

use crate::crd::NarrowTo;
use crate::domain::Request;
use crate::domain::policy::{Policy, Requester};
use crate::domain::request::InvalidSpec;
use crate::domain::session_policy::{of_namespace, of_object};
use crate::domain::stored::Digest;

/// The field that says what a session is narrowed to.
const FIELD: &str = "s3.credentials.session.narrowTo";

impl Request {
    /// A digest of where the credentials come from, if a session signs the URL. Another one is a reason
    /// to sign again.
    #[must_use]
    pub fn source(&self) -> Option<Digest> {
        self.credentials.session.as_ref().map(|session| session.block)
    }

    /// The same request with the session policy that its spec or its signer asks for. Without the policy of
    /// a signer, as for a request that is only audited, the session is narrowed to the object where that is
    /// possible.
    ///
    /// # Errors
    /// When no session policy permits exactly that.
    pub(in crate::domain) fn narrowed(
        mut self,
        policy: Option<&Policy>,
        requester: Requester<'_>,
    ) -> Result<Self, InvalidSpec> {
        let Some(session) = &self.credentials.session else { return Ok(self) };
        let text = match (session.narrow_to, policy) {
            (NarrowTo::Nothing, _) => return Ok(self),
            (NarrowTo::Object, _) => of_object(&self),
            // An audit changes nothing but the condition Permitted.
            (NarrowTo::Namespace, None) => match of_object(&self) {
                Ok(text) => Ok(text),
                Err(_) => return Ok(self),
            },
            (NarrowTo::Namespace, Some(policy)) => {
                of_namespace(policy, requester.namespace, &self.connection)
            }
        };
        let text = text.map_err(|why| InvalidSpec::new(FIELD, why.to_string()))?;
        if let Some(session) = &mut self.credentials.session {
            session.policy = Some(text);
        }
        Ok(self)
    }
}
