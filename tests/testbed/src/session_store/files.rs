//! The files that the server reads, all in one folder.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    SessionStore, SessionStoreBuilder,
    builder::{Identity, Issuer},
};
use crate::{disk, random};

/// How roles name the issuer of service accounts.
pub(super) const PROVIDER: &str = "kube";

/// A bucket that anybody may read, and by which it is seen that the server is ready.
pub(super) const PROBED: &str = "testbed-probe";

/// Where each file is.
pub(super) struct SessionStoreFiles {
    pub(super) data: PathBuf,
    pub(super) identities: PathBuf,
    pub(super) roles: PathBuf,
}

impl SessionStoreFiles {
    /// Their places below a folder.
    pub(super) fn below(folder: &Path) -> Self {
        Self {
            data: folder.join("data"),
            identities: folder.join("identities.json"),
            roles: folder.join("roles.json"),
        }
    }

    /// Writes what has to be there before the first start.
    pub(super) fn write_all(&self, options: &SessionStoreBuilder, admin: (&str, &str)) -> Result<()> {
        disk::make_folder(&self.data)?;
        let admin = Identity {
            access_key_id: admin.0.to_owned(),
            secret_access_key: admin.1.to_owned(),
            actions: vec!["Admin".to_owned()],
        };
        let mut identities: Vec<_> = options.identities.iter().chain([&admin]).map(identity).collect();
        identities.push(json!({"name": "anonymous", "actions": [format!("Read:{PROBED}")]}));
        disk::write(&self.identities, json!({"identities": identities}).to_string())?;
        disk::write(&self.roles, roles(options).to_string())
    }
}

/// Somebody with an access key, whose id is the name too.
fn identity(identity: &Identity) -> Value {
    json!({
        "name": identity.access_key_id,
        "credentials": [{
            "accessKey": identity.access_key_id,
            "secretKey": identity.secret_access_key,
        }],
        "actions": identity.actions,
    })
}

fn roles(options: &SessionStoreBuilder) -> Value {
    let mut sts = json!({
        "issuer": "testbed",
        "accountId": super::ACCOUNT,
        // Bytes in base64, which hexadecimal digits are as well.
        "signingKey": random::hex(32),
    });
    if let Some(limit) = options.longest_session {
        sts["maxSessionLength"] = format!("{}s", limit.as_secs()).into();
    }
    let providers: Vec<_> = options.issuer.iter().map(provider).collect();
    json!({
        "sts": sts,
        "policy": { "defaultEffect": "Deny", "storeType": "memory" },
        "providers": providers,
        "policies": options.roles.iter().map(super::Role::permissions).collect::<Vec<_>>(),
        "roles": options.roles.iter().map(super::Role::definition).collect::<Vec<_>>(),
    })
}

fn provider(issuer: &Issuer) -> Value {
    json!({
        "name": PROVIDER,
        "type": "oidc",
        "enabled": true,
        "config": {
            "issuer": issuer.url,
            "jwksUri": issuer.keys,
            "tlsCaCert": issuer.ca,
            "clientIds": [SessionStore::AUDIENCE],
        },
    })
}
