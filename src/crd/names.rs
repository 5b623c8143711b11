//! Every name by which users and the operator recognise something, written once.
//!
//! These are forever: objects in clusters carry them. Values that a user can set
//! do not belong here.

/// API group of all our kinds.
pub const GROUP: &str = "presign.dev";
/// API version of all our kinds.
pub const VERSION: &str = "v1alpha1";
/// Kind of the resource that asks for a URL.
pub const KIND: &str = "PresignedUrl";

/// Field manager of every write, value of `app.kubernetes.io/managed-by`, reporter of events.
pub const OPERATOR: &str = "presign-operator";
/// The name of the CSI driver, which pods write into `csi.driver`.
pub const DRIVER: &str = "url.presign.dev";

/// Prefix of the labels and annotations that belong to the operator.
pub const RESERVED_PREFIX: &str = "presign.dev/";
/// Label on every Secret that we write; what the operator's watch selects.
pub const LABEL_MANAGED: &str = "presign.dev/managed";
/// Value of [`LABEL_MANAGED`].
pub const MANAGED: &str = "true";
/// The well-known label that names the tool in charge.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Annotation on a Secret: the name of the `PresignedUrl` that it was written for.
pub const ANNOTATION_OWNER: &str = "presign.dev/owner";
/// Annotation on a Secret: when its URL was signed, RFC 3339.
pub const ANNOTATION_SIGNING_TIME: &str = "presign.dev/signing-time";
/// Annotation on a Secret: which rendering it is, see [`FORMAT`].
pub const ANNOTATION_FORMAT: &str = "presign.dev/format";
/// Annotation on a Secret: the lifetime that was requested for its URL.
pub const ANNOTATION_EXPIRES_IN: &str = "presign.dev/expires-in";
/// Annotation on a Secret whose URL a session signed: a digest of the spec of the credentials.
pub const ANNOTATION_SOURCE: &str = "presign.dev/source";
/// Annotation on a Secret whose URL is empty: why it ended.
pub const ANNOTATION_ENDED: &str = "presign.dev/ended";
/// Annotation on a Secret whose URL is empty: a digest of what the URL was signed for.
pub const ANNOTATION_REQUEST: &str = "presign.dev/request";
/// Annotation on a Secret with credentials that only signers may use.
pub const ANNOTATION_SIGNERS_ONLY: &str = "presign.dev/signers-only";
/// Annotation on a ServiceAccount: the ARNs of the roles that its token may be exchanged for, by commas, or
/// `*`.
pub const ANNOTATION_ROLE_ARNS: &str = "presign.dev/role-arns";
/// Annotation on a `PresignedUrl`: a token that asks for one renewal; copied to the Secret.
pub const ANNOTATION_RENEW: &str = "presign.dev/renew";
/// Annotation on a Lease: the namespaces that its holder looks after, by commas; all when empty.
pub const ANNOTATION_NAMESPACES: &str = "presign.dev/namespaces";
/// Annotation on a pod: when the newest URL that it mounts was signed, RFC 3339.
pub const ANNOTATION_URL_RENEWED_AT: &str = "presign.dev/url-renewed-at";
/// Raised only when the bytes that we render change for the same input, so that an
/// upgrade re-issues at renewal instead of all at once.
pub const FORMAT: &str = "1";

/// Data key of the URL unless `spec.secret.urlKey` says otherwise.
pub const DATA_URL: &str = "url";
/// Data key of the HTTP method.
pub const DATA_METHOD: &str = "method";
/// Data key of the headers that the caller must send.
pub const DATA_HEADERS: &str = "headers";
/// Data key of the expiry, RFC 3339.
pub const DATA_EXPIRES_AT: &str = "expires-at";
/// Data key of the fields of a form, for curl.
pub const DATA_FIELDS: &str = "fields";
/// Data key of a form as JSON.
pub const DATA_FORM: &str = "form.json";
