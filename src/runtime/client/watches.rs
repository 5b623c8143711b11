//! Which watches fail at present, told by how their requests end.
//!
//! Not by what they deliver: a watch that is well says nothing while nothing happens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::{StatusCode, Uri};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use url::form_urlencoded;

use crate::runtime::client::request::{ApiRequest, Verb};

/// The watches that were ever begun.
#[derive(Clone, Debug, Default)]
pub(super) struct Watches {
    failing: Family<Labels, Gauge>,
    /// What is watched → whether the last request for it failed.
    known: Arc<Mutex<HashMap<String, bool>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    resource: String,
}

impl Watches {
    /// Registers `failing_watches`.
    pub fn register(registry: &mut Registry) -> Self {
        let watches = Self::default();
        let help = "Watches whose last request to the API server failed, by what they watch";
        registry.register("failing_watches", help, watches.failing.clone());
        watches
    }

    /// Takes in how a request for the collection `watched` ended.
    ///
    /// A list counts once its watch has begun: it is how a watch begins anew.
    pub fn note(&self, watched: &str, request: &ApiRequest, status: Option<StatusCode>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.get(watched).copied();
        let is_about_a_watch =
            request.verb == Verb::Watch || (request.verb == Verb::List && before.is_some());
        if !is_about_a_watch {
            return;
        }
        // 410 asks to begin anew, which is routine.
        let is_failing = !status.is_some_and(|status| status.is_success() || status == StatusCode::GONE);
        known.insert(watched.to_owned(), is_failing);
        let gauge = self.failing.get_or_create(&Labels { resource: request.resource.clone() });
        gauge.inc_by(i64::from(is_failing) - i64::from(before.unwrap_or_default()));
    }
}

/// What a request for a collection is about, whatever page or version of it.
pub(super) fn watched(uri: &Uri) -> String {
    let query = uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| matches!(&**name, "labelSelector" | "fieldSelector"))
        .fold(uri.path().to_owned(), |watched, (_, selector)| format!("{watched}?{selector}"))
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, Method};
    use prometheus_client::encoding::text::encode;

    use super::*;

    const ALL: &str = "/api/v1/secrets?watch=true&resourceVersion=";
    const OURS: &str = "/api/v1/secrets?labelSelector=a%3Db&watch=true&resourceVersion=";

    struct Story {
        registry: Registry,
        watches: Watches,
    }

    impl Story {
        fn begin() -> Self {
            let mut registry = Registry::default();
            let watches = Watches::register(&mut registry);
            Self { registry, watches }
        }

        fn note(&self, uri: &str, code: u16) {
            let uri: Uri = uri.parse().unwrap();
            let request = ApiRequest::parse(&Method::GET, &uri, &HeaderMap::new());
            self.watches.note(&watched(&uri), &request, StatusCode::from_u16(code).ok());
        }

        fn failing(&self, resource: &str) -> Option<i64> {
            let mut text = String::new();
            encode(&mut text, &self.registry).unwrap();
            let series = format!("failing_watches{{resource=\"{resource}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok())
        }
    }

    #[test]
    fn a_watch_fails_until_it_is_accepted_again() {
        let story = Story::begin();
        for (code, expected) in [(200, 0), (0, 1), (503, 1), (403, 1), (200, 0), (410, 0), (200, 0)] {
            story.note(&format!("{ALL}{code}"), code);
            assert_eq!(story.failing("secrets"), Some(expected), "{code}");
        }
    }

    #[test]
    fn watches_of_one_resource_add_up() {
        let story = Story::begin();
        story.note(&format!("{ALL}1"), 503);
        story.note(&format!("{OURS}1"), 503);
        story.note("/apis/presign.dev/v1alpha1/presignedurls?watch=1", 200);
        assert_eq!(story.failing("secrets"), Some(2));
        story.note(&format!("{OURS}2"), 200);
        assert_eq!((story.failing("secrets"), story.failing("presignedurls")), (Some(1), Some(0)));
    }

    #[test]
    fn a_list_counts_where_there_is_a_watch() {
        let story = Story::begin();
        story.note("/api/v1/pods?limit=5", 503);
        story.note("/api/v1/namespaces/a/secrets/b", 503);
        assert_eq!((story.failing("pods"), story.failing("secrets")), (None, None));
        story.note(&format!("{ALL}1"), 200);
        story.note("/api/v1/secrets?limit=500", 503);
        assert_eq!(story.failing("secrets"), Some(1));
        story.note("/api/v1/secrets?limit=500", 200);
        assert_eq!(story.failing("secrets"), Some(0));
    }
}
