//! A session that was asked for, and how many of them are requested at a time.

use std::sync::Arc;

use crate::domain::Credentials;
use crate::domain::session::{SessionKey, SessionOwner, StsAddress};
use crate::runtime::schedule::{CallLimits, WaitingCall};

/// How many sessions are requested at a time. An STS that never answers does not hold up the others. A
/// namespace with many broken roles does not keep the others from their sessions, nor does a broken signer with
/// many namespaces.
pub(super) const LIMITS: CallLimits = CallLimits { at_once: 32, per_server: 8, per_flow: 6, per_owner: 5 };

/// A session that was asked for.
pub struct WantedSession {
    /// Which one.
    pub(super) key: Arc<SessionKey>,
    /// The access key that it begins with, if it begins with one.
    pub(super) base: Option<Arc<Credentials>>,
    /// The certificates of private authorities to reach the STS with, as PEM.
    pub(super) ca_bundle: Option<Arc<str>>,
    /// The flow of the request: a namespace, or a signer that many namespaces share a session of.
    pub(super) flow: String,
}

impl WaitingCall for WantedSession {
    type Server = StsAddress;

    fn flow(&self) -> &str {
        &self.flow
    }

    fn owner(&self) -> &str {
        match &self.key.owner {
            SessionOwner::Namespace(namespace) => namespace,
            SessionOwner::Signer(uid) | SessionOwner::Requester { signer: uid, .. } => uid,
        }
    }

    fn server(&self) -> &StsAddress {
        &self.key.spec.sts
    }

    fn replaces(&self, waiting: &Self) -> bool {
        self.key == waiting.key
    }
}
