//! One request to an STS: which STS, and what to ask it for.

use std::fmt;

use super::StsAddress;

/// One step from an identity to a session.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct StsRequest {
    /// The STS to ask.
    pub service: StsAddress,
    /// The role. Some stores need none for a token.
    pub role_arn: Option<String>,
    /// The external id that the trust policy of the role asks for. Only for credentials, not for a token.
    pub external_id: Option<String>,
    /// The name of the session, which audit logs show.
    pub session_name: String,
    /// How long the session lasts, in seconds.
    pub duration: u32,
    /// A policy that narrows the session, as JSON.
    pub policy: Option<String>,
}

/// Without the policy and the external id.
impl fmt::Debug for StsRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StsRequest")
            .field("service", &self.service)
            .field("role_arn", &self.role_arn)
            .field("session_name", &self.session_name)
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}
