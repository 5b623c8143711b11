//! A signer as decisions use it: a parsed `Signer` or `ClusterSigner`.

mod namespaces;

use std::fmt;

pub use self::namespaces::Labels;
pub(super) use self::namespaces::Served;
use self::namespaces::{ServedNamespaces, served};
use super::limits::{Limits, NotPermitted};
use super::policy::{KeyPatterns, Policy, PolicyRule, Requester, is_upload};
use super::request::{InvalidSpec, MAX_LIFETIME, check_connection};
use super::resolve::CredentialsLocation;
use super::session::{self, ParsedCredentials, Whose};
use crate::crd::duration::DurationText;
use crate::crd::signer_rules as rules;
use crate::crd::{
    ClusterSignerSpec, CredentialsSecretRef, Enforcement, NarrowTo, S3Connection, SignerKind, SignerPolicy,
    SignerRule, SignerSpec, UnsignedHeaders, WhenDenied,
};

/// Which signer.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SignerId {
    /// Kind of the signer.
    pub kind: SignerKind,
    /// Namespace of a `Signer`; empty for a `ClusterSigner`.
    pub namespace: String,
    /// Name of the signer.
    pub name: String,
}

impl fmt::Display for SignerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.kind, self.name)
    }
}

/// A valid signer.
#[derive(Clone, Debug)]
pub struct ParsedSigner {
    /// Which signer it is.
    pub id: SignerId,
    /// UID of the signer: one that was deleted and created again is another one.
    pub uid: String,
    /// Generation of the spec.
    pub generation: i64,
    /// The store and the credentials.
    pub(super) s3: S3Connection,
    /// The namespace of the Secret or the ServiceAccount with the credentials.
    pub(super) credentials_namespace: String,
    pub(super) namespaces: ServedNamespaces,
    /// What is allowed; `None` for everything.
    pub(super) policy: Option<Policy>,
    pub(super) enforcement: Enforcement,
    /// What happens to the URL of a request that is denied now.
    pub(super) when_denied: WhenDenied,
}

impl ParsedSigner {
    /// Parses a `Signer`.
    ///
    /// # Errors
    /// The error names the first field that is not valid.
    pub fn of_namespace(
        id: SignerId,
        uid: String,
        generation: i64,
        spec: &SignerSpec,
    ) -> Result<Self, InvalidSpec> {
        let namespaces = ServedNamespaces::Names(vec![id.namespace.clone()]);
        let namespace = id.namespace.clone();
        let policy = spec.policy.as_ref();
        check_connection(&spec.s3, Whose::Signer { has_policy: policy.is_some() })?;
        Self::parse(id, uid, generation, &spec.s3, (namespace, namespaces), policy, spec.write_only_key)
    }

    /// Parses a `ClusterSigner`, whose credentials are in `namespace`.
    ///
    /// # Errors
    /// The error names the first field that is not valid.
    pub fn of_cluster(
        id: SignerId,
        uid: String,
        generation: i64,
        spec: &ClusterSignerSpec,
        namespace: &str,
    ) -> Result<Self, InvalidSpec> {
        let namespaces = served(spec.allowed_namespaces.as_ref())?;
        check_connection(&spec.s3, Whose::ClusterSigner)?;
        let from = (namespace.to_owned(), namespaces);
        Self::parse(id, uid, generation, &spec.s3, from, Some(&spec.policy), spec.write_only_key)
    }

    fn parse(
        id: SignerId,
        uid: String,
        generation: i64,
        s3: &S3Connection,
        (credentials_namespace, namespaces): (String, ServedNamespaces),
        policy: Option<&SignerPolicy>,
        write_only_key: Option<bool>,
    ) -> Result<Self, InvalidSpec> {
        let is_honoured = match s3.unsigned_headers {
            Some(unsigned) => unsigned == UnsignedHeaders::Honoured,
            None => s3.endpoint.is_some(),
        };
        let session = s3.credentials.session.as_ref();
        let is_for_object = session.and_then(|session| session.narrow_to) == Some(NarrowTo::Object);
        let lets_uploads_copy = is_honoured && !write_only_key.unwrap_or(false) && !is_for_object;
        Ok(Self {
            id,
            uid,
            generation,
            s3: s3.clone(),
            credentials_namespace,
            namespaces,
            enforcement: policy.and_then(|policy| policy.enforcement).unwrap_or_default(),
            when_denied: policy.and_then(|policy| policy.when_denied).unwrap_or_default(),
            policy: policy.map(|policy| parse_policy(policy, lets_uploads_copy)).transpose()?,
        })
    }

    /// Where the credentials for the URL of `requester` come from.
    ///
    /// # Errors
    /// The error names the field of the signer that is not valid.
    pub fn credentials(&self, requester: Requester<'_>) -> Result<CredentialsLocation, InvalidSpec> {
        let has_policy = self.policy.is_some();
        let ParsedCredentials { source, session } =
            session::parse(&self.s3, requester, Some(&self.id), has_policy)?;
        let of_signer = &self.credentials_namespace;
        let namespace = if source.is_of_requester() { requester.namespace } else { of_signer }.to_owned();
        Ok(CredentialsLocation { namespace, source, session, signer: Some(self.id.clone()) })
    }

    /// The Secret with the access key, and its namespace; `None` if there is none.
    #[must_use]
    pub fn secret(&self) -> Option<(&str, &CredentialsSecretRef)> {
        Some((&self.credentials_namespace, self.s3.credentials.secret_ref.as_ref()?))
    }

    /// Refuses a signer whose sessions may not be requested.
    ///
    /// # Errors
    /// The error names the field and the flag that permits it.
    pub fn check_sessions(&self, limits: &Limits) -> Result<(), NotPermitted> {
        // Who asks makes no difference to what is checked.
        let Ok(credentials) = self.credentials(Requester::new("", "")) else { return Ok(()) };
        match (limits.sessions(), &credentials.session) {
            (Some(limits), Some(spec)) => limits.check_spec(&credentials.source, spec),
            _ => Ok(()),
        }
    }

    /// Whether the operator gets sessions to sign with.
    #[must_use]
    pub fn has_session(&self) -> bool {
        self.s3.credentials.secret_ref.is_none() || self.s3.credentials.assume_role.is_some()
    }

    /// Whether the signer chooses namespaces by their labels.
    #[must_use]
    pub fn selects_labels(&self) -> bool {
        matches!(self.namespaces, ServedNamespaces::Labelled(_))
    }

    /// Whether the store has an address of its own, instead of that of AWS.
    #[must_use]
    pub fn has_endpoint(&self) -> bool {
        self.s3.endpoint.is_some()
    }

    /// Why some requests cannot be permitted, as a note for the owner of the signer. `knows_labels` says
    /// whether the operator watches the labels of namespaces.
    #[must_use]
    pub fn note(&self, knows_labels: bool) -> Option<&'static str> {
        if matches!(self.namespaces, ServedNamespaces::Nobody) {
            return Some("no namespace may use it: set spec.allowedNamespaces");
        }
        if self.selects_labels() && !knows_labels {
            return Some(
                "no namespace can use it, because the operator does not watch labels: set the chart value signers.namespaceSelectors, or use from: Names",
            );
        }
        let has_upload = |rule: &PolicyRule| rule.methods.iter().any(|method| is_upload(*method));
        let policy = self.policy.as_ref().filter(|policy| policy.lets_uploads_copy)?;
        policy.rules.iter().any(has_upload).then_some("PUT and POST are denied, because the store may act on headers that are not signed: set spec.s3.unsignedHeaders to Refused after trying that, or spec.writeOnlyKey to true")
    }
}

fn parse_policy(policy: &SignerPolicy, lets_uploads_copy: bool) -> Result<Policy, InvalidSpec> {
    if policy.rules.is_empty() {
        return Err(InvalidSpec::new("policy.rules", "must have at least one rule"));
    }
    let names = policy.rules.iter().map(|rule| rule.name.as_str());
    let are_unique = names.collect::<std::collections::BTreeSet<_>>().len() == policy.rules.len();
    require(are_unique, "policy.rules", rules::RULE_NAMES)?;
    let rules = policy.rules.iter().map(parse_rule).collect::<Result<_, _>>()?;
    Ok(Policy { rules, lets_uploads_copy })
}

fn parse_rule(rule: &SignerRule) -> Result<PolicyRule, InvalidSpec> {
    let keys = match (&rule.key_prefixes, &rule.keys) {
        (Some(prefixes), None) => {
            let are_valid = !prefixes.is_empty() && prefixes.iter().all(|prefix| is_prefix(prefix));
            require(are_valid, "policy.rules.keyPrefixes", rules::RULE_PREFIXES)?;
            KeyPatterns::Prefixes(prefixes.clone())
        }
        (None, Some(keys)) => {
            let are_valid = !keys.is_empty() && keys.iter().all(|key| is_pattern(key));
            require(are_valid, "policy.rules.keys", rules::RULE_VARIABLES)?;
            KeyPatterns::Keys(keys.clone())
        }
        _ => return Err(InvalidSpec::new("policy.rules.keyPrefixes", rules::RULE_KEYS.message)),
    };
    let allowed = rule.allow_headers.iter().flatten();
    require(allowed.clone().all(|name| is_header(name)), "policy.rules.allowHeaders", rules::RULE_HEADERS)?;
    let size = |field, size: Option<i64>| {
        let size = size.map(u64::try_from).transpose();
        size.map_err(|_| InvalidSpec::new(field, "must not be negative"))
    };
    Ok(PolicyRule {
        name: rule.name.clone(),
        namespaces: rule.namespaces.clone(),
        methods: rule.methods.clone(),
        buckets: rule.buckets.clone(),
        keys,
        max_expires_in: rule.max_expires_in.as_ref().map(cap).transpose()?,
        require_headers: rule
            .require_headers
            .iter()
            .flatten()
            .map(|required| (required.name.clone(), required.value.clone()))
            .collect(),
        allow_headers: rule.allow_headers.clone(),
        max_content_length: size("policy.rules.maxContentLength", rule.max_content_length)?,
        allows_versions: rule.allow_versions.unwrap_or(false),
        allows_post_prefix: rule.allow_post_prefix.unwrap_or(false),
        max_form_size: size("policy.rules.maxFormSize", rule.max_form_size)?,
    })
}

fn require(holds: bool, field: &'static str, rule: crate::crd::rules::Rule) -> Result<(), InvalidSpec> {
    if holds { Ok(()) } else { Err(InvalidSpec::new(field, rule.message)) }
}

fn cap(text: &DurationText) -> Result<u32, InvalidSpec> {
    let seconds = text.seconds().filter(|seconds| (60..=MAX_LIFETIME).contains(seconds));
    seconds.ok_or_else(|| InvalidSpec::new("policy.rules.maxExpiresIn", rules::RULE_CAP.message))
}

/// Whether a text is what keys begin with: whole segments, each with a slash after it.
fn is_prefix(text: &str) -> bool {
    text.strip_suffix('/').is_some_and(is_pattern)
}

/// Whether a text consists of segments that are a variable, or have no braces.
fn is_pattern(text: &str) -> bool {
    let is_segment = |segment: &str| match segment {
        "" | "." | ".." => false,
        "{namespace}" | "{name}" => true,
        segment => !segment.contains(['{', '}']),
    };
    text.split('/').all(is_segment)
}

/// Whether a text is the name of a header, possibly with `*` in place of its end.
fn is_header(text: &str) -> bool {
    let name = text.strip_suffix('*').unwrap_or(text);
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.~!#$%&+^|-".contains(c))
}

#[cfg(test)]
mod tests;
