//! Whether the policy of a signer allows a request.
//!
//! Everything is judged on the parsed request: byte for byte, and case-sensitive but for the names of
//! headers. A policy only allows, so another rule never takes a permission away.

mod headers;
mod keys;
#[cfg(test)]
mod tests;

use super::request::{Method, Request};
pub(super) use headers::names_source;
use headers::{HeaderPattern, harmful_header};
pub use keys::KeyPatterns;

use keys::is_unsafe;

/// Who asks for a URL: what the variables in a policy stand for.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Namespace of the `PresignedUrl`.
    pub namespace: &'a str,
    /// Name of the `PresignedUrl`.
    pub name: &'a str,
}

impl<'a> Asker<'a> {
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

/// One rule. It allows a request if everything in it holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PolicyRule {
    /// Name of the rule.
    pub name: String,
    /// The namespaces that the rule is for; `None` for all.
    pub namespaces: Option<Vec<String>>,
    /// The allowed methods.
    pub methods: Vec<Method>,
    /// The allowed buckets.
    pub buckets: Vec<String>,
    /// The allowed keys.
    pub keys: KeyPatterns,
    /// The longest lifetime, in seconds, to which a longer one is cut.
    pub max_expires_in: Option<u32>,
    /// The headers that a request must have, with the value if only one is right.
    pub require_headers: Vec<(String, Option<String>)>,
    /// The headers that a request may have; `None` for those that are known to be harmless.
    pub allow_headers: Option<Vec<String>>,
    /// The largest `Content-Length` of a PUT, in bytes.
    pub max_content_length: Option<u64>,
    /// Whether a request may name a version of the object.
    pub allows_versions: bool,
    /// Whether a form may let visitors choose the name below a prefix.
    pub allows_post_prefix: bool,
    /// The largest file that a form may permit, in bytes.
    pub max_form_size: Option<u64>,
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
    /// of these the first. Of several that do not, the one of which most holds is told.
    #[must_use]
    pub fn judge(&self, request: &Request, asker: Asker<'_>) -> Verdict {
        if let Some(denial) = self.safety(request, asker) {
            return Verdict::Denied(denial);
        }
        let mut allowed: Option<&PolicyRule> = None;
        let mut closest: Option<(usize, Denial)> = None;
        for rule in self.rules_for(asker.namespace) {
            match rule.judge(request, asker) {
                Ok(()) => {
                    if allowed.is_none_or(|best| is_longer(rule.max_expires_in, best.max_expires_in)) {
                        allowed = Some(rule);
                    }
                }
                Err((held, denial)) => {
                    if closest.as_ref().is_none_or(|(most, _)| held > *most) {
                        closest = Some((held, denial));
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
    fn safety(&self, request: &Request, asker: Asker<'_>) -> Option<Denial> {
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
        let names = |name: &str| self.rules_for(asker.namespace).any(|rule| rule.names_header(name));
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

impl PolicyRule {
    /// Whether the rule allows a request; otherwise how many of its conditions hold before the first
    /// that does not, and what that one allows.
    fn judge(&self, request: &Request, asker: Asker<'_>) -> Result<(), (usize, Denial)> {
        let checks =
            [Self::method, Self::bucket, Self::key, Self::version, Self::headers, Self::length, Self::form];
        for (held, check) in checks.into_iter().enumerate() {
            check(self, request, asker).map_err(|denial| (held, denial))?;
        }
        Ok(())
    }

    fn method(&self, request: &Request, _: Asker<'_>) -> Result<(), Denial> {
        if self.methods.contains(&request.method) {
            return Ok(());
        }
        let message = format!("the signer allows {}", list(self.methods.iter().map(ToString::to_string)));
        Err(Denial::new("method", message))
    }

    fn bucket(&self, request: &Request, _: Asker<'_>) -> Result<(), Denial> {
        if self.buckets.contains(&request.bucket) {
            return Ok(());
        }
        let message =
            format!("for {} the signer allows {}", request.method, list(self.buckets.iter().cloned()));
        Err(Denial::new("bucket", message))
    }

    fn key(&self, request: &Request, asker: Asker<'_>) -> Result<(), Denial> {
        if self.keys.allow(&request.key, asker) {
            return Ok(());
        }
        let (rendered, how) = (self.keys.rendered(asker), self.keys.how());
        if rendered.is_empty() {
            return Err(Denial::new("signerRef", "the signer cannot be used without a name"));
        }
        let (bucket, shown) = (&request.bucket, list(rendered));
        Err(Denial::new("key", format!("keys of this namespace in {bucket} {how} {shown}")))
    }

    fn version(&self, request: &Request, _: Asker<'_>) -> Result<(), Denial> {
        if self.allows_versions || request.query.iter().all(|(name, _)| name != "versionId") {
            return Ok(());
        }
        Err(Denial::new("versionID", "the signer does not allow versions: remove it"))
    }

    fn headers(&self, request: &Request, _: Asker<'_>) -> Result<(), Denial> {
        if let (Some(_), Some((name, _))) = (&request.form, self.require_headers.first()) {
            let message = format!("the signer requires the header {name}, which a form cannot have: use PUT");
            return Err(Denial::new("method", message));
        }
        for (name, value) in &self.require_headers {
            let given = request.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
            let is_met = given.is_some_and(|(_, given)| value.as_ref().is_none_or(|value| value == given));
            if !is_met {
                let wanted = value.as_ref().map_or_else(|| name.clone(), |value| format!("{name}: {value}"));
                return Err(Denial::new(
                    "headers",
                    format!("the signer requires the header {wanted}: add it"),
                ));
            }
        }
        let refused = request.headers.iter().find(|(name, _)| !self.allows_header(name));
        refused.map_or(Ok(()), |(name, _)| {
            Err(Denial::new("headers", format!("the signer does not allow the header {name}: remove it")))
        })
    }

    fn length(&self, request: &Request, _: Asker<'_>) -> Result<(), Denial> {
        let Some(most) = self.max_content_length.filter(|_| request.method == Method::Put) else {
            return Ok(());
        };
        let length = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        if length.and_then(|(_, length)| length.parse::<u64>().ok()).is_some_and(|length| length <= most) {
            return Ok(());
        }
        let message = format!("the signer requires the header Content-Length with at most {most} bytes");
        Err(Denial::new("headers", message))
    }

    fn form(&self, request: &Request, _: Asker<'_>) -> Result<(), Denial> {
        let Some(form) = &request.form else { return Ok(()) };
        if let Some(name) = form.header_names().find(|name| !self.allows_header(name)) {
            let field = if name.starts_with("x-amz-meta-") { "form.metadata" } else { "form.contentType" };
            return Err(Denial::new(field, format!("the signer does not allow {name}: remove it")));
        }
        if form.is_key_prefix && !self.allows_post_prefix {
            let message = "the signer does not allow forms whose visitors choose the name: remove it, and write the whole key into spec.key";
            return Err(Denial::new("form.keyPrefix", message));
        }
        match self.max_form_size.filter(|most| form.max_size > *most) {
            None => Ok(()),
            Some(most) => {
                Err(Denial::new("form.maxSize", format!("the signer allows at most {most} bytes: reduce it")))
            }
        }
    }

    /// Whether a request may have a header.
    fn allows_header(&self, name: &str) -> bool {
        let is_safe = self.allow_headers.is_none() && headers::is_safe(name);
        let is_length = self.max_content_length.is_some() && name.eq_ignore_ascii_case("content-length");
        is_safe || is_length || self.names_header(name)
    }

    /// Whether the rule names a header, in full or, if it is harmless, by its beginning.
    pub(super) fn names_header(&self, name: &str) -> bool {
        let is_required =
            self.require_headers.iter().any(|(required, _)| required.eq_ignore_ascii_case(name));
        let mut allowed = self.allow_headers.iter().flatten().map(|pattern| HeaderPattern(pattern));
        is_required || allowed.any(|pattern| pattern.matches(name))
    }
}

/// The most items of a list that a message names.
const MOST_NAMED: usize = 5;

/// A list as a sentence names it: `a`, or `a, b or c`.
fn list(items: impl IntoIterator<Item = String>) -> String {
    let mut items: Vec<String> = items.into_iter().collect();
    if items.len() > MOST_NAMED {
        let others = items.len() - MOST_NAMED;
        items.truncate(MOST_NAMED);
        items.push(format!("{others} others"));
    }
    match items.pop() {
        Some(last) if items.is_empty() => last,
        Some(last) => format!("{} or {last}", items.join(", ")),
        None => "nothing".to_owned(),
    }
}
