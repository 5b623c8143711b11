//! The verb and the resource of a request to the API server, from the HTTP request alone.
//!
//! The functions are pure. The words are those of the audit log and the metrics of Kubernetes
//! (`k8s.io/apiserver/pkg/endpoints/request/requestinfo.go`). They never contain the name of an object.

use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Method, Uri};
use strum::IntoStaticStr;
use url::form_urlencoded;

/// What a request does with its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub(super) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Apply,
    Delete,
    DeleteCollection,
    Other,
}

impl Verb {
    /// Whether the verb changes nothing.
    pub fn is_read(self) -> bool {
        matches!(self, Self::Get | Self::List | Self::Watch)
    }
}

/// One request, without the parts that would make a label unbounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiRequest {
    pub verb: Verb,
    /// Plural name, with the subresource: `secrets`, `presignedurls/status`. `other` when the path has
    /// no resource.
    pub resource: String,
}

/// Subresources of `namespaces`. Any other word after the name of a namespace is a resource inside it.
const OF_NAMESPACES: [&str; 2] = ["status", "finalize"];

impl ApiRequest {
    pub fn parse(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let target = RequestTarget::parse(uri.path());
        let is_named = target.as_ref().is_some_and(|target| target.is_named);
        let verb = match *method {
            Method::GET if is_named || target.is_none() => Verb::Get,
            Method::GET if asks_to_watch(uri) => Verb::Watch,
            Method::GET => Verb::List,
            Method::POST => Verb::Create,
            Method::PUT => Verb::Update,
            Method::PATCH if is_apply(headers) => Verb::Apply,
            Method::PATCH => Verb::Patch,
            Method::DELETE if is_named => Verb::Delete,
            Method::DELETE => Verb::DeleteCollection,
            _ => Verb::Other,
        };
        let resource = target.map_or_else(|| "other".to_owned(), |target| target.resource);
        Self { verb, resource }
    }
}

struct RequestTarget {
    resource: String,
    is_named: bool,
}

impl RequestTarget {
    fn parse(path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let (["api", _version, rest @ ..] | ["apis", _, _version, rest @ ..]) = segments.as_slice() else {
            return None;
        };
        match *rest {
            ["namespaces", _, sub, ..] if OF_NAMESPACES.contains(&sub) => Self::of(&rest[..3]),
            ["namespaces", _, ref inside @ ..] if !inside.is_empty() => Self::of(inside),
            _ => Self::of(rest),
        }
    }

    fn of(segments: &[&str]) -> Option<Self> {
        let resource = match *segments {
            [plural, _name, sub, ..] if is_word(plural) && is_word(sub) => format!("{plural}/{sub}"),
            [plural] | [plural, _] if is_word(plural) => plural.to_owned(),
            _ => return None,
        };
        Some(Self { resource, is_named: segments.len() > 1 })
    }
}

/// Whether this can be the plural name of a resource: an RFC 1035 label of at most 63 characters.
fn is_word(segment: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    segment.len() <= 63 && segment.bytes().all(is_allowed)
}

fn asks_to_watch(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .any(|(key, value)| key == "watch" && matches!(&*value, "true" | "1"))
}

fn is_apply(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.starts_with("application/apply-patch+"))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    const URLS: &str = "/apis/presign.dev/v1alpha1";

    fn parse(method: &str, path: &str, content_type: &'static str) -> (&'static str, String) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        let ApiRequest { verb, resource } = ApiRequest::parse(&method, &path.parse().unwrap(), &headers);
        (verb.into(), resource)
    }

    #[test]
    fn the_verb_follows_method_path_query_and_content_type() {
        let (all, one) = ("/api/v1/namespaces/a/secrets", "/api/v1/namespaces/a/secrets/b");
        let (json, apply) = ("application/json", "application/apply-patch+yaml");
        let (merge, cbor) = ("application/merge-patch+json", "application/apply-patch+cbor");
        let watch = format!("{all}?labelSelector=presign.dev%2Fmanaged&watch=true&allowWatchBookmarks=true");
        for (method, path, content_type, expected) in [
            ("GET", one, json, "get"),
            ("GET", &format!("{one}?watch=true"), json, "get"),
            ("GET", all, json, "list"),
            ("GET", &format!("{all}?watch=false"), json, "list"),
            ("GET", &format!("{all}?labelSelector=watch%3Dtrue"), json, "list"),
            ("GET", &watch, json, "watch"),
            ("GET", &format!("{all}?watch=1"), json, "watch"),
            ("POST", all, json, "create"),
            ("PUT", one, json, "update"),
            ("PATCH", one, merge, "patch"),
            ("PATCH", one, apply, "apply"),
            ("PATCH", one, cbor, "apply"),
            ("PATCH", &format!("{one}?fieldManager=a&force=true"), apply, "apply"),
            ("DELETE", one, json, "delete"),
            ("DELETE", all, json, "deletecollection"),
            ("OPTIONS", one, json, "other"),
            ("GET", "/version", json, "get"),
        ] {
            assert_eq!(parse(method, path, content_type).0, expected, "{method} {path} {content_type}");
        }
    }

    #[test]
    fn the_resource_never_holds_a_name() {
        let long = format!("/api/v1/{}", "a".repeat(64));
        for (path, expected) in [
            ("/api/v1/secrets", "secrets"),
            ("/api/v1/namespaces/a/secrets", "secrets"),
            ("/api/v1/namespaces/a/secrets/b", "secrets"),
            ("/api/v1/namespaces/status/secrets/b", "secrets"),
            ("/api/v1/namespaces/a/events", "events"),
            ("/apis/coordination.k8s.io/v1/namespaces/a/leases/b", "leases"),
            (&format!("{URLS}/presignedurls"), "presignedurls"),
            (&format!("{URLS}/namespaces/a/presignedurls/b"), "presignedurls"),
            (&format!("{URLS}/namespaces/a/presignedurls/b/status"), "presignedurls/status"),
            ("/api/v1/namespaces/a/pods/b/proxy/c/d", "pods/proxy"),
            ("/api/v1/namespaces", "namespaces"),
            ("/api/v1/namespaces/a", "namespaces"),
            ("/api/v1/namespaces/a/", "namespaces"),
            ("/api/v1/namespaces/a/status", "namespaces/status"),
            ("/api/v1/namespaces/a/finalize", "namespaces/finalize"),
            ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/x.y", "customresourcedefinitions"),
            ("/", "other"),
            ("/version", "other"),
            ("/api", "other"),
            ("/api/v1", "other"),
            ("/apis/presign.dev", "other"),
            (URLS, "other"),
            ("/openid/v1/jwks/secrets", "other"),
            ("/api/v1/namespaces/a/Sec%20rets/b", "other"),
            (&long, "other"),
        ] {
            assert_eq!(parse("GET", path, "").1, expected, "{path}");
        }
    }
}
