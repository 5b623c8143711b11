//! `Signer` and `ClusterSigner` as the watch parses them: an invalid object is a value, so that it
//! cannot stop the watch for the others.

use std::fmt::Debug;
use std::sync::Arc;

use kube::Resource;
use kube::core::ObjectMeta;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::signers::CachedSigner;
use crate::crd::first_unknown;
use crate::crd::{ClusterSigner, ClusterSignerSpec, Signer, SignerKind, SignerSpec, SignerStatus};
use crate::domain::signer::{ParsedSigner, SignerId};
use crate::domain::stored::Digest;

/// The largest spec of a signer that is kept, as JSON in bytes. A policy of 32 usual rules has a twentieth
/// of it. If specs of any size were kept, a hundred signers could fill the memory of the process.
const MAX_KEPT: usize = 262_144;

/// A `Signer` whose spec and status are not parsed yet.
#[derive(Clone, Debug, Deserialize, Resource)]
#[resource(inherit = "Signer")]
pub struct LeanSigner {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    status: Value,
}

/// A `ClusterSigner` whose spec and status are not parsed yet.
#[derive(Clone, Debug, Deserialize, Resource)]
#[resource(inherit = "ClusterSigner")]
pub struct LeanClusterSigner {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    status: Value,
}

/// What the watches of both kinds need.
pub trait WatchedSigner: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send {
    const KIND: SignerKind;

    /// Parses the spec and the status; `signer_namespace` is the namespace with the credentials of
    /// `ClusterSigner`s.
    fn parse(self, signer_namespace: &str) -> CachedSigner;

    fn id(&self) -> SignerId {
        let part = |text: &Option<String>| text.clone().unwrap_or_default();
        let ObjectMeta { namespace, name, .. } = self.meta();
        SignerId { kind: Self::KIND, namespace: part(namespace), name: part(name) }
    }
}

impl WatchedSigner for LeanSigner {
    const KIND: SignerKind = SignerKind::Signer;

    fn parse(self, _: &str) -> CachedSigner {
        let (id, uid, generation) = identity(&self);
        let text = self.spec.to_string();
        let parsed = read::<SignerSpec>(&self.spec, &text).and_then(|spec| {
            ParsedSigner::of_namespace(id, uid, generation, &spec).map_err(|error| error.to_string())
        });
        cached(self.metadata, Digest::of(&text), parsed, self.status)
    }
}

impl WatchedSigner for LeanClusterSigner {
    const KIND: SignerKind = SignerKind::ClusterSigner;

    fn parse(self, signer_namespace: &str) -> CachedSigner {
        let (id, uid, generation) = identity(&self);
        let text = self.spec.to_string();
        let parsed = read::<ClusterSignerSpec>(&self.spec, &text).and_then(|spec| {
            let parsed = ParsedSigner::of_cluster(id, uid, generation, &spec, signer_namespace);
            parsed.map_err(|error| error.to_string())
        });
        cached(self.metadata, Digest::of(&text), parsed, self.status)
    }
}

fn identity(signer: &impl WatchedSigner) -> (SignerId, String, i64) {
    let metadata = signer.meta();
    (signer.id(), metadata.uid.clone().unwrap_or_default(), metadata.generation.unwrap_or_default())
}

fn cached(
    metadata: ObjectMeta,
    digest: Digest,
    parsed: Result<ParsedSigner, String>,
    status: Value,
) -> CachedSigner {
    CachedSigner {
        uid: metadata.uid.unwrap_or_default(),
        generation: metadata.generation,
        resource_version: metadata.resource_version,
        digest,
        parsed: parsed.map(Arc::new),
        status: serde_json::from_value::<SignerStatus>(status).unwrap_or_default(),
    }
}

/// Parses a spec; `text` is the same as JSON.
fn read<T: DeserializeOwned + Serialize>(spec: &Value, text: &str) -> Result<T, String> {
    if text.len() > MAX_KEPT {
        return Err(format!("spec: must not be larger than {MAX_KEPT} bytes: use fewer or shorter rules"));
    }
    // The message of the parser can quote the whole spec.
    let said = |error: serde_json::Error| error.to_string().chars().take(256).collect::<String>();
    let parsed: T = serde_json::from_value(spec.clone())
        .map_err(|error| format!("spec cannot be read: {}", said(error)))?;
    // A newer release may know more rules. Ignoring one would permit what it denies.
    let understood = serde_json::to_value(&parsed).unwrap_or_default();
    match first_unknown("spec", spec, &understood) {
        Some(path) => {
            Err(format!("{path}: this release of the operator does not know it: upgrade the operator"))
        }
        None => Ok(parsed),
    }
}
