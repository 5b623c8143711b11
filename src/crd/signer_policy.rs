//! The policy of a signer: what `PresignedUrl`s may ask it for.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::DurationText;
use super::{Method, schema, signer_rules};

/// What PresignedUrls may ask a signer for.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = signer_rules::RULE_NAMES)]
pub struct SignerPolicy {
    /// What is allowed. A request is allowed if at least one rule allows it, that is, if everything
    /// in that rule holds. What no rule allows is denied.
    #[schemars(length(min = 1, max = 32))]
    pub rules: Vec<SignerRule>,
    /// Whether the rules are enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<Enforcement>,
    /// What happens to the URL of a PresignedUrl that was allowed and is denied now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_denied: Option<WhenDenied>,
}

/// Whether the rules are enforced. Enforce: what they deny is not signed. Audit: it is signed, and
/// the condition `Permitted` says that it would be denied. Audit does not change which namespaces
/// may use the signer. It never permits unsafe keys, headers or query parameters, or PUT and POST where
/// the store honours unsigned headers. Default: Enforce.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Enforcement {
    /// What the rules deny is not signed.
    #[default]
    Enforce,
    /// What the rules deny is signed and reported.
    Audit,
}

/// What happens to the URL of a PresignedUrl that was allowed and is denied now. Keep: the Secret keeps the
/// URL until it expires. Withdraw: the operator empties the data key `url` at once; the Secret stays. A URL
/// that somebody has copied works until it expires in both cases. Default: Keep.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum WhenDenied {
    /// The URL stays in its Secret until it expires.
    #[default]
    Keep,
    /// The data key `url` is emptied at once.
    Withdraw,
}

/// One rule. It allows a request if everything in it holds.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = signer_rules::RULE_KEYS,
    validation = signer_rules::RULE_PREFIXES,
    validation = signer_rules::RULE_VARIABLES,
    validation = signer_rules::RULE_CAP,
    validation = signer_rules::RULE_HEADERS,
)]
pub struct SignerRule {
    /// Name of the rule, which the condition `Permitted` shows.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// The namespaces that the rule is for. Default: all that may use the signer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::namespace_names")]
    pub namespaces: Option<Vec<String>>,
    /// The methods that the rule allows.
    #[schemars(length(min = 1, max = 8))]
    pub methods: Vec<Method>,
    /// The buckets that the rule allows, exactly as `spec.bucket` of a PresignedUrl names them.
    #[schemars(schema_with = "schema::bucket_names")]
    pub buckets: Vec<String>,
    /// What the key must begin with. Each prefix ends with a slash. `{namespace}` and `{name}` stand
    /// for those of the PresignedUrl, each as a whole part between slashes. Set this or `keys`.
    /// Example: `tenants/{namespace}/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::keys")]
    pub key_prefixes: Option<Vec<String>>,
    /// The keys that the rule allows, with the same variables as `keyPrefixes`. Set this or
    /// `keyPrefixes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::keys")]
    pub keys: Option<Vec<String>>,
    /// The longest lifetime of a URL. A longer `expiresIn` is not denied: the URL expires earlier,
    /// and `status.limitedBy` is Signer. Of several rules that allow a request, the longest counts.
    /// Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_expires_in: Option<DurationText>,
    /// Headers that the request must have in `spec.headers`. They need not be in `allowHeaders`. A rule
    /// with such headers does not allow POST, because a form has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub require_headers: Option<Vec<RequiredHeader>>,
    /// The only headers that the request may have beside those of `requireHeaders`. A `*` at the end
    /// stands for any characters, but headers that reach beyond the object (copy source, ACL, grants,
    /// tagging, redirect, object lock, encryption) must be named in full. The content type and the
    /// metadata of a form count as the headers Content-Type and x-amz-meta-*. Default: Content-Type,
    /// -Length, -MD5, -Disposition, -Encoding and -Language, Cache-Control, Expires, If-None-Match,
    /// If-Match, Range, x-amz-checksum-* and x-amz-meta-*. Beware of `x-amz-copy-source`: with it, an
    /// upload URL copies any object that the credentials can read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::header_names")]
    pub allow_headers: Option<Vec<String>>,
    /// The largest upload in bytes. A PUT must then have the header Content-Length in `spec.headers`, and
    /// `spec.form.maxSize` of a form (method POST) must not be more. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 999_999_999_999_999_i64))]
    pub max_content_length: Option<i64>,
    /// Whether the request may name a version of the object. With DELETE, a version is deleted
    /// permanently. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_versions: Option<bool>,
    /// Whether a form (method POST) may let visitors choose the name below a prefix
    /// (`spec.form.keyPrefix`). Some stores let a name with `..` leave the prefix. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_post_prefix: Option<bool>,
    /// The largest `spec.form.maxSize` of a form (method POST), in bytes. If `maxContentLength` is set too,
    /// the smaller of the two counts. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 999_999_999_999_999_i64))]
    pub max_form_size: Option<i64>,
}

/// A header that a request must have.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequiredHeader {
    /// Name of the header. Upper and lower case do not differ.
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9_.~!#$%&*+^|-]+$"))]
    pub name: String,
    /// The value that it must have. Default: any value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub value: Option<String>,
}
