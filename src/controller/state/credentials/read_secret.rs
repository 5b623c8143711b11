//! A credentials Secret as it was read, and what each selection takes from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use tokio::time::Instant;
use zeroize::Zeroize as _;

use super::{CachedCredentials, KeySelection};
use crate::controller::context::Context;
use crate::domain::Credentials;
use crate::domain::credentials::{InvalidCredentials, usable};
use crate::domain::stored::resource_version;
use crate::runtime::key::Key;

/// A Secret as the API server returned it; `None` when there is none. Its values are overwritten when
/// it is dropped.
pub(super) struct ReadSecret {
    pub secret: Option<Secret>,
    pub read: Instant,
}

impl ReadSecret {
    pub async fn read(ctx: &Context, key: &Key) -> Result<Self, kube::Error> {
        let read = Instant::now();
        Ok(Self { secret: ctx.secrets(key.namespace()).get_opt(key.name()).await?, read })
    }

    /// The credentials of one selection.
    pub fn of(&self, key: &Key, selection: &KeySelection) -> Arc<CachedCredentials> {
        let credentials = |secret: &Secret| {
            let KeySelection { reference, has_endpoint, is_signer } = selection;
            usable(secret, *is_signer)
                .map_err(|why| InvalidCredentials::Unusable { secret: key.name().to_owned(), why })?;
            let data = secret.data.as_ref().unwrap_or(const { &BTreeMap::new() });
            Credentials::select(reference, *has_endpoint, data).map(Arc::new)
        };
        let version = |secret: &Secret| resource_version(secret.metadata.resource_version.as_deref());
        Arc::new(CachedCredentials {
            credentials: self.secret.as_ref().map(credentials),
            resource_version: self.secret.as_ref().map_or(0, version),
            read: self.read,
        })
    }
}

impl Drop for ReadSecret {
    fn drop(&mut self) {
        if let Some(data) = self.secret.as_mut().and_then(|secret| secret.data.as_mut()) {
            overwrite(data);
        }
    }
}

/// Overwrites all values, so that freed memory holds no keys.
pub(super) fn overwrite(data: &mut BTreeMap<String, ByteString>) {
    for ByteString(bytes) in data.values_mut() {
        bytes.zeroize();
    }
}
