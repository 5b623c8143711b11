//! Our kinds as these tests judge them: the definition, the rows, and what the operator says of a spec.

use kube::api::ApiResource;
use presign_operator::crd::{ClusterSigner, ClusterSignerSpec, PresignedUrl, Signer, SignerKind, SignerSpec};
use presign_operator::domain::Request;
use presign_operator::domain::signer::{ParsedSigner, SignerId};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::rows::{self, Row, patched};
use super::signer_rows;

/// Kind of an object of ours.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, strum::Display, strum::VariantArray)]
pub enum Kind {
    PresignedUrl,
    Signer,
    ClusterSigner,
}

impl Kind {
    /// The definition as it is installed.
    pub fn definition(self) -> Value {
        let definitions = presign_operator::crd::definitions().unwrap();
        let definition = definitions.iter().find(|definition| definition.spec.names.kind == self.to_string());
        serde_json::to_value(definition.unwrap()).unwrap()
    }

    /// How the API server finds the kind.
    pub fn resource(self) -> ApiResource {
        match self {
            Self::PresignedUrl => ApiResource::erase::<PresignedUrl>(&()),
            Self::Signer => ApiResource::erase::<Signer>(&()),
            Self::ClusterSigner => ApiResource::erase::<ClusterSigner>(&()),
        }
    }

    /// An object of this name and spec.
    pub fn object(self, name: &str, spec: &Value) -> Value {
        json!({
            "apiVersion": "presign.dev/v1alpha1", "kind": self.to_string(),
            "metadata": {"name": name}, "spec": spec,
        })
    }

    /// The smallest spec, with changes on top (a JSON merge patch).
    pub fn spec(self, changes: &Value) -> Value {
        let smallest = match self {
            Self::PresignedUrl => rows::smallest(),
            Self::Signer | Self::ClusterSigner => signer_rows::smallest(),
        };
        patched(smallest, changes)
    }

    /// A spec as the API server stores it, with the one default.
    pub fn stored(self, spec: &Value) -> Value {
        let mut spec = spec.clone();
        if self == Self::PresignedUrl && spec.get("method").is_none() {
            spec["method"] = json!("GET");
        }
        spec
    }

    /// Every row about the kind.
    pub fn rows(self) -> Vec<Row> {
        match self {
            Self::PresignedUrl => rows::all(),
            Self::Signer | Self::ClusterSigner => signer_rows::all(self),
        }
    }

    /// What the operator says of a spec: the request that it becomes, if it can become one, or what is
    /// wrong with it, as `spec.field: sentence`. `None` when the spec cannot even be read.
    pub fn parse(self, spec: &Value) -> Result<Option<Request>, Option<String>> {
        let uid = "u-1".to_owned();
        let parsed = match self {
            Self::PresignedUrl => return rows::parse(spec).map(Some),
            Self::Signer => {
                let id = signer_id(SignerKind::Signer, "default");
                ParsedSigner::of_namespace(id, uid, 1, &read::<SignerSpec>(spec)?)
            }
            Self::ClusterSigner => {
                let id = signer_id(SignerKind::ClusterSigner, "");
                ParsedSigner::of_cluster(id, uid, 1, &read::<ClusterSignerSpec>(spec)?, "presign-system")
            }
        };
        parsed.map(|_| None).map_err(|invalid| Some(invalid.to_string()))
    }
}

fn signer_id(kind: SignerKind, namespace: &str) -> SignerId {
    SignerId { kind, namespace: namespace.to_owned(), name: "judged".to_owned() }
}

fn read<S: DeserializeOwned>(spec: &Value) -> Result<S, Option<String>> {
    serde_json::from_value(spec.clone()).map_err(|_| None)
}
