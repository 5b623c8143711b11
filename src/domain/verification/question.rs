//! What the store is asked about a URL. No question changes anything in the store.

use crate::domain::request::{Method, Request};

/// Headers that a request without a body cannot have as a user writes them.
const NOT_SENT: [&str; 7] =
    ["content-length", "connection", "expect", "keep-alive", "te", "trailer", "upgrade"];

/// What the store is asked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum QuestionKind {
    /// For the object, of which at most the first byte is sent.
    #[default]
    Object,
    /// For a list of no objects, signed with the same credentials for the same bucket.
    Listing,
}

/// A question to the store.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is asked.
    pub kind: QuestionKind,
    /// The request to sign. Its method is GET.
    pub request: Request,
    /// The headers to send. Those of the request are among them.
    pub headers: Vec<(String, String)>,
}

impl QuestionKind {
    /// What is asked about the URL of a request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let is_sent = |(name, _): &(String, String)| {
            !NOT_SENT.iter().any(|not_sent| name.eq_ignore_ascii_case(not_sent))
        };
        match request.method {
            Method::Get | Method::Head if request.headers.iter().all(is_sent) => Self::Object,
            Method::Get | Method::Head | Method::Put | Method::Delete | Method::Post => Self::Listing,
        }
    }
}

impl Question {
    /// The question about the URL of a request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let kind = QuestionKind::of(request);
        // A form cannot be sent as a GET: the question is signed as a URL.
        let asked = Request { method: Method::Get, form: None, ..request.clone() };
        match kind {
            // The answer to a HEAD request has no body, and so no error code.
            QuestionKind::Object => {
                let mut headers = asked.headers.clone();
                // S3 refuses a range of a part.
                let has_range = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("range"))
                    || asked.query.iter().any(|(name, _)| name == "partNumber");
                if !has_range {
                    headers.push(("Range".to_owned(), "bytes=0-0".to_owned()));
                }
                Self { kind, request: asked, headers }
            }
            QuestionKind::Listing => {
                let query = [("list-type", "2"), ("max-keys", "0")];
                let query = query.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
                let request = Request { key: String::new(), headers: Vec::new(), query, ..asked };
                Self { kind, request, headers: Vec::new() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::request;
    use crate::domain::request::Form;

    fn with(method: Method, headers: &[(&str, &str)], query: &[(&str, &str)]) -> Question {
        let owned = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        Question::of(&Request { method, headers: owned(headers), query: owned(query), ..request() })
    }

    fn of_form() -> Request {
        let form = Form {
            min_size: 0,
            max_size: 10,
            is_key_prefix: false,
            content_type: None,
            metadata: Vec::new(),
            answer: None,
        };
        Request { method: Method::Post, form: Some(form), ..request() }
    }

    #[test]
    fn a_download_is_asked_for_one_byte() {
        for method in [Method::Get, Method::Head] {
            let question = with(method, &[("If-Match", "\"a\"")], &[("versionId", "v")]);
            assert_eq!((question.kind, question.request.method), (QuestionKind::Object, Method::Get));
            assert_eq!(question.request.key, request().key);
            assert_eq!(question.headers.len(), 2);
            assert_eq!(question.headers[1], ("Range".to_owned(), "bytes=0-0".to_owned()));
        }
        for question in [
            with(Method::Get, &[("range", "bytes=5-9")], &[]),
            with(Method::Head, &[], &[("partNumber", "1")]),
        ] {
            assert!(!question.headers.iter().any(|(_, value)| value == "bytes=0-0"));
        }
    }

    #[test]
    fn what_would_change_something_is_a_listing() {
        for question in [
            with(Method::Put, &[("Content-Type", "text/plain")], &[]),
            with(Method::Put, &[], &[("partNumber", "1"), ("uploadId", "u")]),
            with(Method::Delete, &[], &[("versionId", "v")]),
            with(Method::Get, &[("Content-Length", "5")], &[]),
            Question::of(&of_form()),
        ] {
            assert_eq!((question.kind, question.request.method), (QuestionKind::Listing, Method::Get));
            assert!(question.request.key.is_empty() && question.headers.is_empty());
            assert!(question.request.headers.is_empty(), "they are those of the URL");
            assert_eq!(question.request.form, None, "a form is not signed as a URL");
            let query: Vec<_> = question.request.query.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(query, ["list-type", "max-keys"]);
        }
    }
}
