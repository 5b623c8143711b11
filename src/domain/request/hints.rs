//! Hints about values that are valid but probably not intended. They are reported, never refused.

use super::Request;

impl Request {
    /// Hints for the user who wrote the spec. Each names its field.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        let disposition = self.query.iter().find(|(name, _)| name == "response-content-disposition");
        let disposition = disposition.and_then(|(_, value)| file_name(value));
        [leading_slash(&self.key), disposition].into_iter().flatten().collect()
    }
}

fn leading_slash(key: &str) -> Option<String> {
    let hint = "spec.key begins with a slash, so the URL has two slashes in a row and points to another object than without it: remove the slash, unless it is part of the object's key";
    key.starts_with('/').then(|| hint.to_owned())
}

/// A hint about a file name that is not ASCII: stores refuse such a header value, or garble it.
fn file_name(disposition: &str) -> Option<String> {
    if disposition.is_ascii() {
        return None;
    }
    let (_, rest) = disposition.split_once("filename=").unwrap_or_default();
    let name = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split(';').next(),
    };
    let name = name.map(str::trim).filter(|name| !name.is_empty()).map_or_else(
        || "filename*=UTF-8''NAME with NAME percent-encoded".to_owned(),
        |name| format!("filename*=UTF-8''{}", encoded(name)),
    );
    Some(format!(
        "spec.response.contentDisposition has letters that are not ASCII, which stores refuse or garble: write {name}"
    ))
}

/// Percent-encodes the bytes that RFC 8187 does not permit.
fn encoded(name: &str) -> String {
    let stands = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte);
    let character = |byte: u8| {
        if stands(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    name.bytes().map(character).collect()
}

#[cfg(test)]
mod tests {
    use crate::domain::Request;
    use crate::domain::model::request;

    fn hints(key: &str, disposition: &str) -> Vec<String> {
        let query = vec![("response-content-disposition".to_owned(), disposition.to_owned())];
        Request { key: key.to_owned(), query, ..request() }.hints()
    }

    #[test]
    fn tells_what_is_probably_not_meant_and_what_to_write() {
        for (key, disposition, expected) in [
            ("a", "attachment; filename=\"a.pdf\"", &[][..]),
            ("a//b/", "attachment", &[]),
            ("/a", "attachment", &["spec.key begins with a slash"]),
            ("a", "attachment; filename=\"q3 süm.pdf\"", &["write filename*=UTF-8''q3%20s%C3%BCm.pdf"]),
            ("a", "attachment; filename=süm.pdf; x=y", &["write filename*=UTF-8''s%C3%BCm.pdf"]),
            ("a", "ünline", &["write filename*=UTF-8''NAME with"]),
            ("//a", "inline; filename=\"é\"", &["spec.key", "filename*=UTF-8''%C3%A9"]),
        ] {
            let found = hints(key, disposition);
            assert_eq!(found.len(), expected.len(), "{key} {disposition}: {found:?}");
            let is_told = found.iter().zip(expected).all(|(found, expected)| found.contains(expected));
            assert!(is_told, "{key} {disposition}: {found:?}");
        }
    }
}
