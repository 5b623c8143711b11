//! What a session store can be told before it starts.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{Role, SessionStore};
use crate::{Binary, ControlPlane, locate, ports, tool};

/// What a session store can be told before it starts.
#[derive(Clone, Debug, Default)]
#[must_use = "it is to be started"]
pub struct SessionStoreBuilder {
    pub(super) issuer: Option<Issuer>,
    pub(super) identities: Vec<Identity>,
    pub(super) roles: Vec<Role>,
    pub(super) longest_session: Option<Duration>,
}

/// Whose tokens it takes.
#[derive(Clone, Debug)]
pub(super) struct Issuer {
    pub(super) url: String,
    pub(super) keys: String,
    pub(super) ca: PathBuf,
}

/// Somebody with an access key of their own.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    pub(super) actions: Vec<String>,
}

impl SessionStoreBuilder {
    /// Trusts the service accounts of a control plane, which lets anybody read its public keys
    /// from then on.
    pub fn issuer(mut self, plane: &ControlPlane) -> Result<Self> {
        let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        tool::output_of(plane.kubectl().args(arguments), &discovery().to_string())
            .map_err(anyhow::Error::msg)
            .context("the keys of service accounts cannot be made public")?;
        let url = plane.url();
        self.issuer = Some(Issuer {
            keys: format!("{url}/openid/v1/jwks"),
            url: format!("{url}/"),
            ca: plane.ca().to_owned(),
        });
        Ok(self)
    }

    /// A further access key, which may do what `actions` say in the server's own words: `Admin`,
    /// or `Read`, `Write`, `List` and the like, for everything or for `Read:BUCKET/PREFIX*`.
    pub fn identity(
        mut self,
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
        actions: &[&str],
    ) -> Self {
        self.identities.push(Identity {
            access_key_id: access_key_id.into(),
            secret_access_key: secret_access_key.into(),
            actions: actions.iter().map(ToString::to_string).collect(),
        });
        self
    }

    /// A role that can be assumed.
    pub fn role(mut self, role: Role) -> Self {
        self.roles.push(role);
        self
    }

    /// No session lives longer, whatever is asked for. The one way to sessions of less than 900
    /// seconds, for which, as on AWS, nobody can ask.
    pub fn longest_session(mut self, limit: Duration) -> Self {
        self.longest_session = Some(limit);
        self
    }

    /// Starts it and waits until it answers.
    pub fn start(&self) -> Result<SessionStore> {
        let program = locate(Binary::Weed)?;
        ports::retry_once(|| SessionStore::start_with(self, &program))
    }
}

/// Lets anybody read the public keys that tokens are verified with.
fn discovery() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": "testbed-issuer-discovery" },
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:service-account-issuer-discovery",
        },
        "subjects": [{
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Group",
            "name": "system:unauthenticated",
        }],
    })
}
