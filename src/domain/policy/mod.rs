//! Whether the policy of a signer allows a request.
//!
//! Everything is judged on the parsed request: byte for byte, and case-sensitive but for the names of
//! headers. A policy only allows, so another rule never takes a permission away.

mod headers;
mod keys;
mod rule;
#[cfg(test)]
mod tests;

use super::request::{Method, Request};
use headers::harmful_header;
pub(super) use headers::names_source;
use keys::is_unsafe;

pub use keys::KeyPatterns;
pub use rule::PolicyRule;

/// Who asks for a URL: what the variables in a policy stand for.
#[derive(Clone, Copy, Debug)]
pub struct Requester<'a> {
    /// Namespace of the `PresignedUrl`.
    pub namespace: &'a str,
    /// Name of the `PresignedUrl`.
    pub name: &'a str,
}

impl<'a> Requester<'a> {
    /// The `PresignedUrl` of this name.
    #[must_use]
    pub fn new(namespace: &'a str, name: &'a str) -> Self {
        Self { namespace, name }
    }
}

/// The policy of a signer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Policy {
    /// What is allowed. What no rule allows is denied.
    pub rules: Vec<PolicyRule>,
    /// Whether the holder of an upload URL could copy other objects with it, because the store acts on
    /// headers that nobody signed and the credentials can read.
    pub lets_uploads_copy: bool,
}

/// What a policy says about a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// A rule allows the request.
    Allowed {
        /// Name of the rule.
        rule: String,
        /// The longest lifetime that it allows, in seconds; `None` for no limit.
        cap: Option<u32>,
    },
    /// No rule allows the request.
    Denied(Denial),
}

/// Why a request is denied: the field of the user's spec, and what would be allowed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("spec.{field}: {message}")]
pub struct Denial {
    /// Path of the field below `spec`.
    pub field: &'static str,
    /// What would be allowed. It says nothing about rules for other namespaces.
    pub message: String,
    /// Whether an audit denies it too, because it is not about a rule but about a key, a header or a
    /// store with which no rule would hold.
    pub is_unsafe: bool,
}

impl Denial {
    fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into(), is_unsafe: false }
    }

    fn of_safety(field: &'static str, message: impl Into<String>) -> Self {
        Self { is_unsafe: true, ..Self::new(field, message) }
    }
}

impl Policy {
    /// Judges a request. Of several rules that allow it, the one with the longest lifetime counts, and
    /// of these the first. Of several that do not, the one of which most holds is named.
    #[must_use]
    pub fn judge(&self, request: &Request, requester: Requester<'_>) -> Verdict {
        if let Some(denial) = self.safety(request, requester) {
            return Verdict::Denied(denial);
        }
        let mut allowed: Option<&PolicyRule> = None;
        let mut closest: Option<(usize, Denial)> = None;
        for rule in self.rules_for(requester.namespace) {
            match rule.judge(request, requester) {
                Ok(()) => {
                    if allowed.is_none_or(|best| is_longer(rule.max_expires_in, best.max_expires_in)) {
                        allowed = Some(rule);
                    }
                }
                Err((passed, denial)) => {
                    if closest.as_ref().is_none_or(|(most, _)| passed > *most) {
                        closest = Some((passed, denial));
                    }
                }
            }
        }
        match (allowed, closest) {
            (Some(rule), _) => Verdict::Allowed { rule: rule.name.clone(), cap: rule.max_expires_in },
            // A header that another rule names for other requests is no matter of an audit.
            (None, Some((_, denial))) => {
                let has_harmful = request.headers.iter().any(|(name, _)| harmful_header(name));
                Verdict::Denied(Denial { is_unsafe: denial.is_unsafe || has_harmful, ..denial })
            }
            (None, None) => Verdict::Denied(Denial::new(
                "signerRef",
                "no rule of the signer is for this namespace: ask its owner for one",
            )),
        }
    }

    /// The rules that are for a namespace.
    pub(super) fn rules_for(&self, namespace: &str) -> impl Iterator<Item = &PolicyRule> {
        self.rules.iter().filter(move |rule| {
            rule.namespaces.as_ref().is_none_or(|names| names.iter().any(|name| name == namespace))
        })
    }

    /// Whether a rule may allow requests with a method, whatever else is in them.
    pub(super) fn may_allow(&self, rule: &PolicyRule, method: Method) -> bool {
        let is_denied = self.lets_uploads_copy && is_upload(method);
        rule.methods.contains(&method)
            && !is_denied
            && (method != Method::Post || rule.require_headers.is_empty())
    }

    /// What is denied even if the rules are only audited.
    fn safety(&self, request: &Request, requester: Requester<'_>) -> Option<Denial> {
        let is_prefix = request.form.as_ref().is_some_and(|form| form.is_key_prefix);
        let key = request.key.strip_suffix('/').filter(|_| is_prefix).unwrap_or(&request.key);
        if is_unsafe(key) {
            let message = "with a signer, the key must not begin or end with a slash, and must not contain '//', a backslash, %2e, %2f or %5c, because some stores take such a key for another one";
            return Some(Denial::of_safety("key", message));
        }
        if self.lets_uploads_copy && is_upload(request.method) {
            let message = format!(
                "the signer does not permit {}: with its store and credentials, an upload URL could be used to copy other objects; its owner can set s3.unsignedHeaders to Refused after trying that on the store, or use credentials that can only write",
                request.method
            );
            return Some(Denial::of_safety("method", message));
        }
        let acting = request.query.iter().find(|(name, _)| headers::acts_in_a_query(name));
        if let Some((name, _)) = acting {
            let message = format!(
                "{name} is not permitted by the signer, because some stores act on parameters with such names: remove it"
            );
            return Some(Denial::of_safety("query", message));
        }
        let names = |name: &str| self.rules_for(requester.namespace).any(|rule| rule.names_header(name));
        let harmful = request.headers.iter().find(|(name, _)| harmful_header(name) && !names(name))?;
        let message = format!("{} is not permitted by the signer: remove it", harmful.0);
        Some(Denial::of_safety("headers", message))
    }
}

/// Whether a method uploads, so that a store that copies by a header may copy.
pub(super) fn is_upload(method: Method) -> bool {
    matches!(method, Method::Put | Method::Post)
}

/// Whether a cap allows a longer lifetime than another one.
fn is_longer(cap: Option<u32>, than: Option<u32>) -> bool {
    match (cap, than) {
        (None, Some(_)) => true,
        (Some(cap), Some(than)) => cap > than,
        (_, None) => false,
    }
}
