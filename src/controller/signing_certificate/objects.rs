//! The Secret with the certificate and the `ConfigMap` with the CAs: how they are read and written.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};

use super::{CertificateFailure, CertificateSettings};
use crate::crd::names::{LABEL_MANAGED_BY, OPERATOR};
use crate::domain::certificate::StoredCertificates;

/// The data key of the CAs.
const CA: &str = "ca.crt";

/// The two objects.
pub(super) struct CertificateObjects {
    secrets: Api<Secret>,
    config_maps: Api<ConfigMap>,
    name: String,
}

/// What the Secret holds.
pub(super) struct SeenSecret {
    secret: Option<Secret>,
    /// The certificates, if they are complete.
    pub stored: Option<StoredCertificates>,
}

impl CertificateObjects {
    pub fn new(client: &Client, settings: &CertificateSettings) -> Self {
        Self {
            secrets: Api::namespaced(client.clone(), &settings.namespace),
            config_maps: Api::namespaced(client.clone(), &settings.ca_namespace),
            name: settings.name.clone(),
        }
    }

    pub async fn secret(&self) -> Result<SeenSecret, CertificateFailure> {
        let secret = self.secrets.get_opt(&self.name).await.map_err(failed("read the Secret"))?;
        let data = secret.as_ref().and_then(|secret| secret.data.as_ref());
        Ok(SeenSecret { stored: data.and_then(StoredCertificates::read), secret })
    }

    /// Makes the Secret hold this, unless it does. Another write since it was read is a conflict.
    pub async fn write_secret(
        &self,
        seen: SeenSecret,
        state: &StoredCertificates,
    ) -> Result<(), CertificateFailure> {
        let data = Some(state.data());
        let written = match seen.secret {
            None => {
                let secret = Secret { metadata: self.metadata(), data, ..Secret::default() };
                self.secrets.create(&PostParams::default(), &secret).await
            }
            Some(secret) if !is_ours(&secret.metadata) && seen.stored.is_none() => {
                return Err(CertificateFailure::Foreign { kind: "Secret", name: self.name.clone() });
            }
            Some(secret) if secret.data == data && is_ours(&secret.metadata) => return Ok(()),
            Some(secret) => {
                let secret = Secret { metadata: labelled(secret.metadata), data, ..secret };
                self.secrets.replace(&self.name, &PostParams::default(), &secret).await
            }
        };
        written.map(drop).map_err(failed("write the Secret"))
    }

    pub async fn config_map(&self) -> Result<Option<ConfigMap>, CertificateFailure> {
        self.config_maps.get_opt(&self.name).await.map_err(failed("read the ConfigMap"))
    }

    /// Makes the `ConfigMap` hold these CAs, unless it does.
    pub async fn publish(&self, seen: Option<ConfigMap>, bundle: String) -> Result<(), CertificateFailure> {
        let data = Some(BTreeMap::from([(CA.to_owned(), bundle)]));
        let written = match seen {
            None => {
                let map = ConfigMap { metadata: self.metadata(), data, ..ConfigMap::default() };
                self.config_maps.create(&PostParams::default(), &map).await
            }
            Some(map) if map.data == data => return Ok(()),
            Some(map) if !is_ours(&map.metadata) => {
                return Err(CertificateFailure::Foreign { kind: "ConfigMap", name: self.name.clone() });
            }
            Some(map) => {
                let map = ConfigMap { data, binary_data: None, ..map };
                self.config_maps.replace(&self.name, &PostParams::default(), &map).await
            }
        };
        written.map(drop).map_err(failed("write the ConfigMap"))
    }

    fn metadata(&self) -> ObjectMeta {
        labelled(ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() })
    }
}

/// The CAs in a `ConfigMap`.
pub(super) fn published(map: Option<&ConfigMap>) -> &str {
    map.and_then(|map| map.data.as_ref()?.get(CA)).map_or("", String::as_str)
}

fn is_ours(metadata: &ObjectMeta) -> bool {
    let label = metadata.labels.as_ref().and_then(|labels| labels.get(LABEL_MANAGED_BY));
    label.is_some_and(|label| label == OPERATOR)
}

fn labelled(mut metadata: ObjectMeta) -> ObjectMeta {
    metadata.labels.get_or_insert_default().insert(LABEL_MANAGED_BY.to_owned(), OPERATOR.to_owned());
    metadata
}

fn failed(what: &'static str) -> impl Fn(kube::Error) -> CertificateFailure {
    move |source| match source {
        // Another process was faster, or somebody deleted the object.
        kube::Error::Api(status) if [404, 409].contains(&status.code) => CertificateFailure::Conflict,
        source => CertificateFailure::Api { what, source: Box::new(source) },
    }
}
