//! The headers of the answer that a URL asks the store for.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// Headers of the response that a URL for GET or HEAD overrides.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::RESPONSE_VALUE)]
pub struct ResponseOverrides {
    /// `Content-Type` of the response. Example: `application/pdf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub content_type: Option<String>,
    /// `Content-Disposition` of the response, in ASCII. Examples: `attachment;
    /// filename="report.pdf"`, `attachment; filename*=UTF-8''q3%20s%C3%BCm.pdf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub content_disposition: Option<String>,
    /// `Content-Language` of the response. Example: `de`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub content_language: Option<String>,
    /// `Content-Encoding` of the response. Example: `gzip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub content_encoding: Option<String>,
    /// `Cache-Control` of the response. Example: `no-store`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub cache_control: Option<String>,
    /// `Expires` of the response, an HTTP date. Example: `Wed, 02 Jan 2030 03:04:05 GMT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub expires: Option<String>,
}
