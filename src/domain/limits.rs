//! The limits that a cluster administrator sets beyond the rules of the CRD: which hosts URLs may point
//! to, which labels and annotations a Secret may get, and which STS and stores the operator may call.

mod patterns;
mod sessions;
mod sts_endpoints;
mod verify_endpoints;

use super::Request;
use super::request::aws_host;
use super::signer::SignerId;

pub use patterns::{HostPattern, InvalidPattern, NamePattern};
pub use sessions::SessionLimits;
pub use sts_endpoints::{AddressRule, StsEndpoints, StsNotPermitted};
pub use verify_endpoints::{InvalidVerifyEntry, Network, VerifyEndpoints, VerifyReach};

/// Labels and annotations that other controllers act on. Such a controller copies the Secret into other
/// namespaces, reads its configuration or keys from it, writes to it, or deletes it. The controllers are
/// listed in `docs/security.md`.
pub const DENIED_BY_DEFAULT: [&str; 33] = [
    "argoproj.io/*",
    "*.argoproj.io/*",
    "fluxcd.io/*",
    "*.fluxcd.io/*",
    "reflector.v1.k8s.emberstack.com/*",
    "*.mittwald.de/*",
    "kubed.appscode.com/*",
    "synator/*",
    "clustersecret.io/*",
    "grafana_*",
    "cert-manager.io/*",
    "*.cert-manager.io/*",
    "sealedsecrets.bitnami.com/*",
    "external-secrets.io/*",
    "*.external-secrets.io/*",
    "vault.security.banzaicloud.io/*",
    "jenkins.io/*",
    "*.jenkins.openshift.io*",
    "istio/*",
    "*.istio.io/*",
    "kiali.io/*",
    "*.linkerd.io/*",
    "*.x-k8s.io/*",
    "*.open-cluster-management.io/*",
    "*.cattle.io/*",
    "*.kyverno.io/*",
    "strimzi.io/*",
    "meta.helm.sh/*",
    "operators.coreos.com/*",
    "kapp.k14s.io/*",
    "secretgen.carvel.dev/*",
    "secretgen.k14s.io/*",
    "applyset.kubernetes.io/*",
];

/// What specs may ask for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Names of labels and annotations that no Secret may get.
    denied: Vec<NamePattern>,
    /// Hosts that URLs may point to.
    endpoints: Vec<HostPattern>,
    /// Which sessions may be requested; `None` where none are.
    sessions: Option<SessionLimits>,
}

/// Why the operator does not act on a spec that is valid.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotPermitted {
    /// A label or an annotation that another controller acts on.
    #[error(
        "spec.secret.{field}: {name:?} is not permitted, because other controllers may act on a Secret that has it: remove it, or ask the administrator of the operator to permit it (--deny-secret-metadata)"
    )]
    Metadata {
        /// `labels` or `annotations`.
        field: &'static str,
        /// The name of the label or annotation.
        name: String,
    },
    /// The spec names a store that URLs may not point to.
    #[error(
        "spec.s3.endpoint: URLs to the host {host:?} are not permitted: choose another store, or ask the administrator of the operator to permit it (--allow-endpoints)"
    )]
    Endpoint {
        /// The host.
        host: String,
    },
    /// The signer that the spec names has a store that URLs may not point to.
    #[error(
        "spec.signerRef: URLs to the store of {signer}, {host:?}, are not permitted: use another signer, or ask the administrator of the operator to permit it (--allow-endpoints)"
    )]
    Signer {
        /// The signer.
        signer: SignerId,
        /// The host.
        host: String,
    },
    /// The token may not have the audience.
    #[error(
        "spec.s3.credentials.webIdentity.audience: tokens with the audience {audience:?} are not permitted: use a permitted one, or ask the administrator of the operator to permit it (--token-audiences)"
    )]
    Audience {
        /// The audience.
        audience: String,
    },
    /// The STS may not be called.
    #[error("spec.s3.credentials.session.sts.endpoint: {0}")]
    Sts(StsNotPermitted),
    /// The operator's own identity may not be used.
    #[error(
        "spec.s3.credentials.ambient: the operator's own identity may not be used: choose another source, or ask the administrator of the operator to permit it (--ambient-credentials)"
    )]
    Ambient,
    /// The sessions of a signer are not permitted. Why concerns only its owner.
    #[error("the operator may not request the sessions of {signer}: its status says why; ask its owner")]
    SignerSession {
        /// The signer.
        signer: SignerId,
    },
    /// The spec names no store, so the URL is for AWS, and URLs may not point there.
    #[error(
        "spec.s3.endpoint: is not set, and URLs to the AWS host {host:?} are not permitted: set it to a permitted store, or ask the administrator of the operator to permit it (--allow-endpoints)"
    )]
    Aws {
        /// The host.
        host: String,
    },
}

impl Limits {
    /// Limits that deny these labels and annotations, and permit only these hosts.
    #[must_use]
    pub fn new(denied: Vec<NamePattern>, endpoints: Vec<HostPattern>) -> Self {
        Self { denied, endpoints, sessions: None }
    }

    /// The same limits, for an operator that requests these sessions.
    #[must_use]
    pub fn with_sessions(self, sessions: SessionLimits) -> Self {
        Self { sessions: Some(sessions), ..self }
    }

    /// Which sessions may be requested; `None` where none are.
    #[must_use]
    pub fn sessions(&self) -> Option<&SessionLimits> {
        self.sessions.as_ref()
    }

    /// Refuses a request that is not permitted.
    ///
    /// # Errors
    /// The error names the field, the value that is not permitted, and the flag that permits it.
    pub fn check(&self, request: &Request) -> Result<(), NotPermitted> {
        let target = &request.target;
        let is_denied = |name: &&String| self.denied.iter().any(|pattern| pattern.matches(name));
        for (field, map) in [("labels", &target.labels), ("annotations", &target.annotations)] {
            if let Some(name) = map.keys().find(is_denied) {
                return Err(NotPermitted::Metadata { field, name: name.clone() });
            }
        }
        if let Some(sessions) = &self.sessions {
            sessions.check(&request.credentials)?;
        }
        let (host, is_aws) = match &request.connection.endpoint {
            Some(endpoint) => (endpoint.host.clone(), false),
            None => (aws_host(&request.bucket, &request.connection.region, request.connection.aws), true),
        };
        if self.endpoints.iter().any(|pattern| pattern.matches(&host)) {
            return Ok(());
        }
        Err(match (&request.credentials.signer, is_aws) {
            (Some(signer), _) => NotPermitted::Signer { signer: signer.clone(), host },
            (None, true) => NotPermitted::Aws { host },
            (None, false) => NotPermitted::Endpoint { host },
        })
    }
}

#[cfg(test)]
mod tests;
