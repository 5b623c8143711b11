//! `PresignedUrl`: what a user asks for.
//!
//! The comments on fields are user documentation: `kubectl explain psu.spec` prints
//! them. Defaults are described here and applied in `domain`, never written into
//! stored objects, so that GitOps tools see no drift.
#![allow(clippy::duplicated_attributes, reason = "several printcolumn(...) share keys by design")]

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::connection::S3Connection;
use super::duration::DurationText;
use super::form::UploadForm;
use super::response::ResponseOverrides;
use super::secret_target::SecretTarget;
use super::signer_ref::SignerRef;
use super::status::PresignedUrlStatus;
use super::verification::Verify;
use super::{credentials_rules, form_rules, rules, schema};

/// Which URL to issue, how long it lives and where it is written.
#[derive(Clone, CustomResource, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "presign.dev",
    version = "v1alpha1",
    kind = "PresignedUrl",
    plural = "presignedurls",
    singular = "presignedurl",
    shortname = "psu",
    namespaced,
    status = "PresignedUrlStatus",
    derive = "PartialEq",
    doc = "PresignedUrl issues an S3 presigned URL into a Secret of the same namespace and renews it before it expires.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the Secret holds a valid URL"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Reason of the Ready condition"
    ),
    printcolumn(
        name = "Expires",
        type_ = "string",
        json_path = ".status.expirationTime",
        description = "When the URL expires"
    ),
    printcolumn(
        name = "Renews",
        type_ = "string",
        json_path = ".status.renewalTime",
        description = "When the next URL is issued"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Method",
        type_ = "string",
        json_path = ".spec.method",
        description = "HTTP method",
        priority = 1
    ),
    printcolumn(name = "Bucket", type_ = "string", json_path = ".spec.bucket", priority = 1),
    printcolumn(name = "Key", type_ = "string", json_path = ".spec.key", priority = 1),
    printcolumn(
        name = "Signer",
        type_ = "string",
        json_path = ".spec.signerRef.name",
        description = "The signer that provides the credentials",
        priority = 1
    ),
    printcolumn(
        name = "Secret",
        type_ = "string",
        json_path = ".status.secretName",
        description = "The Secret that holds the URL",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::CONNECTION_ONE,
    validation = credentials_rules::SOURCE_ONE,
    validation = credentials_rules::ROLE_PLAIN,
    validation = credentials_rules::NARROW_POLICY,
    validation = rules::BUCKET_SCHEME,
    validation = rules::BUCKET_EXPRESS,
    validation = rules::BUCKET_AWS,
    validation = rules::BUCKET_ENDPOINT,
    validation = rules::KEY_BYTES,
    validation = rules::KEY_CONTROL,
    validation = rules::KEY_DOTS,
    validation = rules::KEY_SCHEME,
    validation = rules::KEY_SLASHES,
    validation = rules::VERSION_METHOD,
    validation = rules::VERSION_CONTROL,
    validation = rules::HEADER_NAME,
    validation = rules::HEADER_UNIQUE,
    validation = rules::HEADER_REFUSED,
    validation = rules::HEADER_KEY,
    validation = rules::HEADER_VALUE,
    validation = rules::HEADER_LENGTH,
    validation = rules::RESPONSE_METHOD,
    validation = rules::QUERY_NAME,
    validation = rules::QUERY_PART,
    validation = rules::QUERY_PART_NUMBER,
    validation = rules::QUERY_VALUE,
    validation = rules::REGION_ARN,
    validation = rules::EXPIRES_NUMBER,
    validation = rules::EXPIRES_DAYS,
    validation = rules::EXPIRES_FORM,
    validation = rules::EXPIRES_RANGE,
    validation = rules::BEFORE_ONE,
    validation = rules::BEFORE_NUMBER,
    validation = rules::BEFORE_DAYS,
    validation = rules::BEFORE_FORM,
    validation = rules::BEFORE_FITS,
    validation = rules::BEFORE_NEVER,
    validation = rules::TTL_NEVER,
    validation = rules::TTL_FORM,
    validation = form_rules::FORM_NEEDED,
    validation = form_rules::FORM_METHOD,
    validation = form_rules::FORM_BUCKET,
    validation = form_rules::FORM_PREFIX,
    validation = form_rules::FORM_VARIABLE,
    validation = form_rules::FORM_HEADERS,
    validation = form_rules::FORM_QUERY,
    validation = rules::ENDPOINT_BUCKET,
    validation = rules::STYLE_BUCKET,
    validation = rules::STYLE_ARN,
)]
pub struct PresignedUrlSpec {
    /// Name of the bucket, without `s3://`. Without `s3.endpoint` it must be an AWS bucket name or
    /// the ARN of an access point (not a multi-region one); with `s3.endpoint`, 3 to 255 letters,
    /// digits, '.', '_' and '-', or `tenant:bucket` (Ceph). Directory buckets ('--x-s3') are not
    /// supported.
    #[schemars(length(min = 3, max = 255))]
    pub bucket: String,
    /// Key of the object, exactly as it is stored. Do not percent-encode it: the operator does
    /// that. 1 to 1024 bytes of UTF-8, without control characters. It must not consist only of
    /// slashes, and must not contain '.' or '..' between slashes, because HTTP clients collapse
    /// them and the signature breaks. Example: `2026/q3 summary.pdf`.
    #[schemars(length(min = 1, max = 1024))]
    pub key: String,
    /// HTTP method that the URL permits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Version of the object in a versioned bucket. For GET, HEAD and DELETE.
    #[serde(default, rename = "versionID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub version_id: Option<String>,
    /// Headers that the caller must send, with exactly these values: each is signed. Examples:
    /// `Content-Type`, `If-None-Match: "*"` (write once), `Content-Length` (exact size),
    /// `x-amz-server-side-encryption`. The Secret has them under the data key `headers`, for
    /// `curl -H @headers`. Not allowed: headers that the client or the signature itself sets (Host,
    /// User-Agent, x-amz-date ...), and headers with your own encryption key (SSE-C). At most 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::headers_map")]
    pub headers: Option<BTreeMap<String, String>>,
    /// Headers of the store's response that replace those from the object's metadata. For GET and
    /// HEAD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseOverrides>,
    /// Additional signed query parameters: `partNumber` with `uploadId` (PUT: one part of a
    /// multipart upload) or alone (GET, HEAD: one part of the object), and tags for the access log
    /// named `x-...` (not `x-id`, not `x-amz-...`). Other parameters are refused, because they can
    /// turn a download into another operation. At most 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::query_map")]
    pub query: Option<BTreeMap<String, String>>,
    /// What may be uploaded with a form, for method POST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<UploadForm>,
    /// Lifetime of each URL, from `1m` to `168h`. The actual lifetime is shorter if the credentials
    /// expire earlier or the signer allows less. Examples: `90m`, `1h30m`. Default: `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<DurationText>,
    /// Renew this long before the URL expires. The operator renews up to a tenth of the lifetime
    /// earlier than that, to spread out many renewals. At most five sixths of `expiresIn`; if the
    /// credentials make the actual lifetime shorter, at most five sixths of that are used. Set this
    /// or `renewBeforePercentage`. Default: a third of the actual lifetime. Example: `20m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_before: Option<DurationText>,
    /// Renew when this percentage of the actual lifetime is left, from 1 to 80. The operator renews
    /// up to a tenth of the lifetime earlier than that. Set this or `renewBefore`. Example: `50`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 80))]
    pub renew_before_percentage: Option<i32>,
    /// The S3-compatible store, with credentials of this namespace. Set this or `signerRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Connection>,
    /// The signer that provides the store and the credentials. It may permit only some methods,
    /// buckets and keys: the condition `Permitted` says so. Set this or `s3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer_ref: Option<SignerRef>,
    /// The Secret that the URL is written to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretTarget>,
    /// How the pods that mount the Secret get a new URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_refresh: Option<PodRefresh>,
    /// Whether the operator asks the store if it accepts the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// Whether the URL is renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_policy: Option<RenewPolicy>,
    /// With `renewPolicy: Never`, the PresignedUrl itself is deleted this long after its URL has
    /// expired. While `suspend` is true it is not deleted. A GitOps tool creates it again, with a new
    /// URL. The operator needs permission to delete PresignedUrls (chart value `deleteExpired`).
    /// Default: it stays. Example: `24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_after_expired: Option<DurationText>,
    /// While true, the operator issues and writes nothing. An existing Secret stays, and its URL
    /// expires. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// HTTP method that the URL permits. GET: download the object. HEAD: read the object's
/// metadata. PUT: upload the object. DELETE: delete the object. POST: upload with a form of a web page, as
/// `spec.form` says. Default: GET.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize, strum::Display)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub enum Method {
    /// Download the object.
    #[default]
    Get,
    /// Read the object's metadata.
    Head,
    /// Upload the object.
    Put,
    /// Delete the object.
    Delete,
    /// Upload with a form.
    Post,
}

/// Whether the URL is renewed. Always: a new URL is written before the old one expires. Never: for a
/// link to share. It is signed once, and again only when the spec changes in a way that changes the
/// URL, when another client deletes or changes its Secret, or when the annotation
/// `presign.dev/renew` asks for it. When it expires, the Secret stays with
/// an empty URL, and the condition Ready becomes False with the reason Expired. Default: Always.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum RenewPolicy {
    /// A new URL is written before the old one expires.
    #[default]
    Always,
    /// The URL is signed once.
    Never,
}

/// How the pods that mount the Secret get a new URL. Kubelet: the kubelet updates the mounted files within
/// about 90 seconds. Annotate: after each new URL, the operator sets the annotation
/// `presign.dev/url-renewed-at` of the running pods that mount the Secret as a volume, so that the kubelet
/// updates their files within seconds. No pod restarts, because no pod template changes. The operator needs
/// permission to list and patch pods (chart value `pods.enabled`); without it, the condition `RotationSafe`
/// says so. Default: Kubelet.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum PodRefresh {
    /// The kubelet updates the mounted files by itself.
    #[default]
    Kubelet,
    /// The operator annotates the running pods, so that the kubelet updates their files at once.
    Annotate,
}
