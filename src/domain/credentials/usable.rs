//! Which Secrets may hold credentials.

use std::fmt;

use k8s_openapi::api::core::v1::Secret;
use kube::core::ObjectMeta;

use crate::crd::names::{ANNOTATION_SIGNERS_ONLY, LABEL_MANAGED};

/// The purpose of a Secret that may not hold credentials.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unusable {
    /// The type of the Secret has a meaning for Kubernetes or Helm.
    Type(&'static str),
    /// The Secret holds a URL that the operator issued.
    Issued,
    /// The Secret holds the credentials of a signer, which nothing else may use.
    SignersOnly,
}

/// Types that have a meaning for Kubernetes or Helm: tokens, registry passwords, certificates, releases.
/// A spec can name any data key as the id or the session token, and the URL shows both. Without this
/// list a user could read such Secrets.
const WITH_MEANING: [&str; 3] = ["kubernetes.io/", "bootstrap.kubernetes.io/token", "helm.sh/release"];
/// The type that Rook gives to the Secrets of its object store users. Kubernetes does not use it.
const ROOK: &str = "kubernetes.io/rook";

/// Whether credentials may come from a Secret; `is_signer` says whether a signer asks for them.
///
/// # Errors
/// The purpose of the Secret, if it may not.
pub fn usable(secret: &Secret, is_signer: bool) -> Result<(), Unusable> {
    let kind = secret.type_.as_deref().unwrap_or_default();
    let ObjectMeta { labels, annotations, .. } = &secret.metadata;
    if labels.as_ref().is_some_and(|labels| labels.contains_key(LABEL_MANAGED)) {
        return Err(Unusable::Issued);
    }
    // Any value but `false` counts, so that a slip does not open the Secret.
    let signers_only = annotations.as_ref().and_then(|all| all.get(ANNOTATION_SIGNERS_ONLY));
    if !is_signer && signers_only.is_some_and(|value| value != "false") {
        return Err(Unusable::SignersOnly);
    }
    match WITH_MEANING.into_iter().find(|prefix| kind.starts_with(prefix)) {
        Some(prefix) if kind != ROOK => Err(Unusable::Type(prefix)),
        _ => Ok(()),
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(prefix) if prefix.ends_with('/') => {
                write!(f, "has a type {prefix}*, which cannot hold credentials for a store")
            }
            Self::Type(prefix) => {
                write!(f, "has the type {prefix}, which cannot hold credentials for a store")
            }
            Self::SignersOnly => {
                write!(f, "has the annotation {ANNOTATION_SIGNERS_ONLY}, so only a signer can use it")
            }
            Self::Issued => {
                write!(
                    f,
                    "has the label {LABEL_MANAGED}: it holds a URL that the operator issued, not an access key"
                )
            }
        }
    }
}
