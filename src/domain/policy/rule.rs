//! One rule of a policy, and what it says about a request.

use super::headers::{self, HeaderPattern};
use super::{Denial, KeyPatterns, Requester};
use crate::domain::request::{Method, Request};

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
    /// The largest upload, in bytes: the `Content-Length` of a PUT, and the largest file of a form.
    pub max_content_length: Option<u64>,
    /// Whether a request may name a version of the object.
    pub allows_versions: bool,
    /// Whether a form may let visitors choose the name below a prefix.
    pub allows_post_prefix: bool,
    /// The largest file that a form may permit, in bytes, if that is less.
    pub max_form_size: Option<u64>,
}

impl PolicyRule {
    /// Whether the rule allows a request; otherwise how many of its conditions hold before the first
    /// that does not, and what that one allows.
    pub(super) fn judge(&self, request: &Request, requester: Requester<'_>) -> Result<(), (usize, Denial)> {
        let checks =
            [Self::method, Self::bucket, Self::key, Self::version, Self::headers, Self::length, Self::form];
        for (passed, check) in checks.into_iter().enumerate() {
            check(self, request, requester).map_err(|denial| (passed, denial))?;
        }
        Ok(())
    }

    fn method(&self, request: &Request, _: Requester<'_>) -> Result<(), Denial> {
        if self.methods.contains(&request.method) {
            return Ok(());
        }
        let message = format!("the signer allows {}", list(self.methods.iter().map(ToString::to_string)));
        Err(Denial::new("method", message))
    }

    fn bucket(&self, request: &Request, _: Requester<'_>) -> Result<(), Denial> {
        if self.buckets.contains(&request.bucket) {
            return Ok(());
        }
        let message =
            format!("for {} the signer allows {}", request.method, list(self.buckets.iter().cloned()));
        Err(Denial::new("bucket", message))
    }

    fn key(&self, request: &Request, requester: Requester<'_>) -> Result<(), Denial> {
        if self.keys.allow(&request.key, requester) {
            let is_prefix = request.form.as_ref().is_some_and(|form| form.is_key_prefix);
            // A whole key allows nothing below it, also not one that ends with a slash.
            if is_prefix && matches!(self.keys, KeyPatterns::Keys(_)) {
                let message = "the signer allows only whole keys, and visitors of this form choose the name: remove it, and write a whole key into spec.key";
                return Err(Denial::new("form.keyPrefix", message));
            }
            return Ok(());
        }
        let (rendered, how) = (self.keys.rendered(requester), self.keys.how());
        if rendered.is_empty() {
            return Err(Denial::new("signerRef", "the signer cannot be used without a name"));
        }
        let (bucket, shown) = (&request.bucket, list(rendered));
        Err(Denial::new("key", format!("keys of this namespace in {bucket} {how} {shown}")))
    }

    fn version(&self, request: &Request, _: Requester<'_>) -> Result<(), Denial> {
        if self.allows_versions || request.query.iter().all(|(name, _)| name != "versionId") {
            return Ok(());
        }
        Err(Denial::new("versionID", "the signer does not allow versions: remove it"))
    }

    fn headers(&self, request: &Request, _: Requester<'_>) -> Result<(), Denial> {
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

    fn length(&self, request: &Request, _: Requester<'_>) -> Result<(), Denial> {
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

    fn form(&self, request: &Request, _: Requester<'_>) -> Result<(), Denial> {
        let Some(form) = &request.form else { return Ok(()) };
        if let Some(name) = form.header_names().find(|name| !self.allows_header(name)) {
            let field = if name.starts_with("x-amz-meta-") { "form.metadata" } else { "form.contentType" };
            return Err(Denial::new(field, format!("the signer does not allow {name}: remove it")));
        }
        if form.is_key_prefix && !self.allows_post_prefix {
            let message = "the signer does not allow forms whose visitors choose the name: remove it, and write the whole key into spec.key";
            return Err(Denial::new("form.keyPrefix", message));
        }
        let most = self.max_form_size.into_iter().chain(self.max_content_length).min();
        match most.filter(|most| form.max_size > *most) {
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
    pub(in crate::domain) fn names_header(&self, name: &str) -> bool {
        let is_required =
            self.require_headers.iter().any(|(required, _)| required.eq_ignore_ascii_case(name));
        let mut allowed = self.allow_headers.iter().flatten().map(|pattern| HeaderPattern(pattern));
        is_required || allowed.any(|pattern| pattern.matches(name))
    }
}

/// The most items of a list that a message names.
const MAX_NAMED: usize = 5;

/// A list as a sentence names it: `a`, or `a, b or c`.
fn list(items: impl IntoIterator<Item = String>) -> String {
    let mut items: Vec<String> = items.into_iter().collect();
    if items.len() > MAX_NAMED {
        let others = items.len() - MAX_NAMED;
        items.truncate(MAX_NAMED);
        items.push(format!("{others} more"));
    }
    match items.pop() {
        Some(last) if items.is_empty() => last,
        Some(last) => format!("{} or {last}", items.join(", ")),
        None => "nothing".to_owned(),
    }
}
