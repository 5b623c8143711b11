//! The form of a `PresignedUrl` with method POST: what a browser may upload.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{form_rules, schema};

/// What visitors of a web page may upload with a form. The store checks it, so it holds whatever a
/// client sends.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = form_rules::FORM_SIZES,
    validation = form_rules::FORM_TYPE,
    validation = form_rules::FORM_TYPE_VARIABLE,
    validation = form_rules::FORM_METADATA_NAME,
    validation = form_rules::FORM_METADATA_VALUE,
    validation = form_rules::FORM_METADATA_VARIABLE,
    validation = form_rules::FORM_METADATA_SIZE,
    validation = form_rules::FORM_REDIRECT,
    validation = form_rules::FORM_REDIRECT_VARIABLE,
    validation = form_rules::FORM_STATUS,
    validation = form_rules::FORM_ANSWER,
)]
pub struct UploadForm {
    /// The largest file, in bytes. Example: `10485760` for 10 MiB. Amazon S3 takes at most 5 GiB in one
    /// upload.
    #[schemars(range(min = 1, max = 999_999_999_999_999_i64))]
    pub max_size: i64,
    /// The smallest file, in bytes. Set 1 to refuse empty files. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 999_999_999_999_999_i64))]
    pub min_size: Option<i64>,
    /// Whether `spec.key` is a prefix, which ends with a slash, and visitors choose the name after it. One
    /// form then serves many uploads, and an upload can replace an earlier one. Some stores let a name
    /// with `..` leave the prefix (see docs/providers.md), so prefer an exact key where you can. Default:
    /// false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_prefix: Option<bool>,
    /// The `Content-Type` that the upload must have. A value that ends with a slash is a prefix: `image/`
    /// permits every image, and the page adds the field `Content-Type` itself. The store compares what the
    /// client says, and does not look into the file. Default: no limit; some stores then keep the type that
    /// the browser sends with the file. Examples: `application/pdf`, `image/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub content_type: Option<String>,
    /// Metadata of the object, as names without `x-amz-meta-`. At most 16, and at most 2048 characters in
    /// all names and values together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::metadata_map")]
    pub metadata: Option<BTreeMap<String, String>>,
    /// The address that the store sends the browser to after an upload, with `bucket`, `key` and `etag` in
    /// its query. Set this or `successStatus`. Example: `https://app.example.com/done`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub success_redirect: Option<String>,
    /// The status of the answer to an upload: 200, 201 (with an XML document that names the object) or
    /// 204. Set this or `successRedirect`. Default: 204.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_status: Option<i32>,
}
