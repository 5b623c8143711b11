//! The namespaces that a signer serves.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt as _};

use super::require;
use crate::crd::signer_rules as rules;
use crate::crd::{AllowedNamespaces, NamespacesFrom};
use crate::domain::request::InvalidSpec;

/// Labels of a namespace.
pub type Labels = BTreeMap<String, String>;

/// The namespaces that a signer serves.
#[derive(Clone, Debug)]
pub(in crate::domain) enum ServedNamespaces {
    /// No namespace.
    Nobody,
    /// These namespaces.
    Names(Vec<String>),
    /// Namespaces with these labels.
    Labelled(Selector),
    /// Every namespace.
    All,
}

/// Whether a signer serves a namespace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::domain) enum Served {
    Yes,
    No,
    /// The labels of the namespace are not known.
    Unknown,
}

impl ServedNamespaces {
    /// Whether a namespace is served; `labels` are `None` if they are not known.
    pub(in crate::domain) fn serve(&self, namespace: &str, labels: Option<&Labels>) -> Served {
        let serves = match self {
            Self::Nobody => false,
            Self::Names(names) => names.iter().any(|name| name == namespace),
            Self::Labelled(selector) => match labels {
                None => return Served::Unknown,
                Some(labels) => selector.matches(labels),
            },
            Self::All => true,
        };
        if serves { Served::Yes } else { Served::No }
    }
}

pub(super) fn served(allowed: Option<&AllowedNamespaces>) -> Result<ServedNamespaces, InvalidSpec> {
    let Some(allowed) = allowed else { return Ok(ServedNamespaces::Nobody) };
    let refused = |field, message: &'static str| Err(InvalidSpec::new(field, message));
    let names = allowed.names.as_deref().unwrap_or_default();
    let is_of_names = allowed.from == NamespacesFrom::Names;
    if is_of_names == names.is_empty() || (!is_of_names && allowed.names.is_some()) {
        return refused("allowedNamespaces.names", rules::NAMESPACES_NAMES.message);
    }
    let is_empty = |selector: &LabelSelector| {
        selector.match_labels.as_ref().is_none_or(BTreeMap::is_empty)
            && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
    };
    let field = "allowedNamespaces.selector";
    match (allowed.from, &allowed.selector) {
        (NamespacesFrom::Names, None) => Ok(ServedNamespaces::Names(names.to_vec())),
        (NamespacesFrom::All, None) => Ok(ServedNamespaces::All),
        (NamespacesFrom::Selector, Some(selector)) if !is_empty(selector) => {
            let mut parts = selector.match_expressions.iter().flatten();
            let needs = |operator: &str| ["In", "NotIn"].contains(&operator);
            let is_whole = parts.all(|part| {
                needs(&part.operator) == part.values.as_ref().is_some_and(|values| !values.is_empty())
            });
            require(is_whole, field, rules::NAMESPACES_VALUES)?;
            match Selector::try_from(selector.clone()) {
                Ok(selector) => Ok(ServedNamespaces::Labelled(selector)),
                Err(error) => Err(InvalidSpec::new(field, error.to_string())),
            }
        }
        _ => refused(field, rules::NAMESPACES_SELECTOR.message),
    }
}
