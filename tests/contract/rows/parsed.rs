//! What the operator says of a spec: its parser, with the connection that the spec itself has, or with
//! that of a signer that allows everything.

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::crd::{PresignedUrlSpec, SignerKind, SignerSpec};
use crate::domain::policy::Requester;
use crate::domain::request::Request;
use crate::domain::resolve::{ConnectionSettings, ResolveContext, resolve};
use crate::domain::signer::{ParsedSigner, SignerId};

/// The namespace of everything that is judged.
const NAMESPACE: &str = "default";

/// The request that a spec becomes, or what is wrong with it, as `spec.field: sentence`. `None` when the
/// spec cannot even be read.
pub fn parse(spec: &Value) -> Result<Request, Option<String>> {
    let spec = PresignedUrlSpec::deserialize(spec).map_err(|_| None)?;
    let (settings, signer) = (ConnectionSettings::default(), permissive_signer());
    let context = ResolveContext { settings: &settings, signer: Some(Ok(&signer)), labels: None };
    let requester = Requester { namespace: NAMESPACE, name: "judged" };
    match resolve(requester, &spec, None, &context) {
        Ok(resolved) => Ok(resolved.request),
        Err(problem) => Err(Some(problem.message)),
    }
}

/// The signer behind every `signerRef`: that of the namespace, with the connection of the smallest spec.
pub fn permissive_signer() -> ParsedSigner {
    let id = SignerId { kind: SignerKind::Signer, namespace: NAMESPACE.to_owned(), name: "media".to_owned() };
    let spec: SignerSpec = serde_json::from_value(json!({"s3": super::smallest()["s3"]})).unwrap();
    ParsedSigner::of_namespace(id, "u-1".to_owned(), 1, &spec).unwrap()
}
