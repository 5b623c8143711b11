//! Which Secrets credentials may come from at all.

use std::collections::BTreeMap;
use std::fmt;

use crate::crd::names::LABEL_MANAGED;

/// What a Secret is there for, when that is not to hold credentials.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unusable {
    /// Its type has a meaning to Kubernetes or Helm.
    Type(&'static str),
    /// It holds a URL that was issued.
    Issued,
}

/// Types that others than their makers give a meaning to: tokens, registry passwords,
/// certificates, releases. A key of any Secret could be named as the id or the session token,
/// and both can be read in the URL.
const WITH_MEANING: [&str; 3] = ["kubernetes.io/", "bootstrap.kubernetes.io/token", "helm.sh/release"];
/// Rook gives this type to the Secrets of its users of object stores. Kubernetes does not know it.
const ROOK: &str = "kubernetes.io/rook";

/// Whether credentials may come from a Secret of this type and with these labels.
///
/// # Errors
/// What it is there for.
pub fn usable(kind: Option<&str>, labels: Option<&BTreeMap<String, String>>) -> Result<(), Unusable> {
    let kind = kind.unwrap_or_default();
    if labels.is_some_and(|labels| labels.contains_key(LABEL_MANAGED)) {
        return Err(Unusable::Issued);
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
                write!(f, "is of a type {prefix}*, which no credentials for a store are taken from")
            }
            Self::Type(prefix) => {
                write!(f, "is of the type {prefix}, which no credentials for a store are taken from")
            }
            Self::Issued => {
                write!(f, "has the label {LABEL_MANAGED}: it holds a URL that was issued, not an access key")
            }
        }
    }
}
