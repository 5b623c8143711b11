//! The headers and the query parameters of a spec, as they are signed.

use crate::crd::{PresignedUrlSpec, ResponseOverrides};

/// The headers of a spec, sorted by name, ignoring case.
pub(super) fn headers(spec: &PresignedUrlSpec) -> Vec<(String, String)> {
    let mut headers: Vec<_> = spec.headers.clone().unwrap_or_default().into_iter().collect();
    headers.sort_by_key(|(name, _)| name.to_ascii_lowercase());
    headers
}

/// The query parameters of a spec, sorted by name.
pub(super) fn query(spec: &PresignedUrlSpec) -> Vec<(String, String)> {
    let mut query: Vec<_> = spec.query.clone().unwrap_or_default().into_iter().collect();
    if let Some(version) = &spec.version_id {
        query.push(("versionId".to_owned(), version.clone()));
    }
    if let Some(response) = &spec.response {
        query.extend(response_parameters(response).map(|(name, value)| (name.to_owned(), value.clone())));
    }
    query.sort();
    query
}

/// The `response-*` parameters of a spec, with their names in the S3 API.
pub(super) fn response_parameters(
    response: &ResponseOverrides,
) -> impl Iterator<Item = (&'static str, &String)> {
    [
        ("response-cache-control", &response.cache_control),
        ("response-content-disposition", &response.content_disposition),
        ("response-content-encoding", &response.content_encoding),
        ("response-content-language", &response.content_language),
        ("response-content-type", &response.content_type),
        ("response-expires", &response.expires),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.as_ref().map(|value| (name, value)))
}
