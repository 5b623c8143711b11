//! What a request is about: from its path and, where the path names no object, as that of a
//! create, from its body.

use serde_json::Value;

/// A request as the rules see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    /// Path and query.
    pub(super) path: &'a str,
    pub(super) body: &'a [u8],
}

/// The plural of a resource, and the object and the subresource of it, if the path names them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Target<'a> {
    pub(super) resource: &'a str,
    pub(super) name: Option<&'a str>,
    pub(super) subresource: Option<&'a str>,
}

impl Asked<'_> {
    pub(super) fn target(&self) -> Option<Target<'_>> {
        Target::of(self.path)
    }

    /// Whether the request is about an object of this name.
    pub(super) fn is_about(&self, name: &str) -> bool {
        match self.target().and_then(|target| target.name) {
            Some(named) => named == name,
            None => serde_json::from_slice::<Value>(self.body)
                .is_ok_and(|body| body["metadata"]["name"].as_str() == Some(name)),
        }
    }
}

/// Whether a request with this path and query is a watch.
pub(super) fn is_watch(path: &str) -> bool {
    path.contains("watch=true") || path.contains("watch=1")
}

impl<'a> Target<'a> {
    /// `None` when the path is none of a resource.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let (["api", _, rest @ ..] | ["apis", _, _, rest @ ..]) = segments.as_slice() else { return None };
        let inside = match rest {
            ["namespaces", _, inside @ ..] if !inside.is_empty() => inside,
            rest => rest,
        };
        let (resource, after) = inside.split_first()?;
        Some(Self { resource, name: after.first().copied(), subresource: after.get(1).copied() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Option<(&str, Option<&str>, Option<&str>)> {
        Target::of(path).map(|target| (target.resource, target.name, target.subresource))
    }

    #[test]
    fn the_path_names_the_resource_the_object_and_the_subresource() {
        let urls = "/apis/presign.dev/v1alpha1";
        for (path, expected) in [
            ("/api/v1/secrets?watch=true", Some(("secrets", None, None))),
            ("/api/v1/namespaces/n/secrets", Some(("secrets", None, None))),
            ("/api/v1/namespaces/n/secrets/s?fieldManager=m", Some(("secrets", Some("s"), None))),
            (
                &format!("{urls}/namespaces/n/presignedurls/p/status"),
                Some(("presignedurls", Some("p"), Some("status"))),
            ),
            ("/api/v1/namespaces/n", Some(("namespaces", Some("n"), None))),
            ("/api/v1/namespaces", Some(("namespaces", None, None))),
            ("/readyz", None),
            ("/apis", None),
        ] {
            assert_eq!(target(path), expected, "{path}");
        }
    }

    #[test]
    fn a_create_is_about_the_object_in_its_body() {
        let body = br#"{"metadata": {"name": "s", "ownerReferences": [{"name": "owner"}]}}"#;
        let asked = Asked { method: "POST", path: "/api/v1/namespaces/n/secrets?fieldManager=m", body };
        assert!(asked.is_about("s"));
        assert!(!asked.is_about("owner") && !asked.is_about("secrets"));
        let asked = Asked { method: "PATCH", path: "/api/v1/namespaces/n/secrets/t", body };
        assert!(asked.is_about("t"));
        assert!(!asked.is_about("s"), "the path decides");
        assert!(!Asked { method: "POST", path: "/readyz", body: b"s" }.is_about("s"));
    }
}
