//! Makes streamed lists show the most recent state.
//!
//! kube requests "version 0 or later", which is any state in the watch cache of the API server. A cache
//! that lags could show an older spec than the one that an earlier leader signed for. Without a version
//! the API server first makes sure that its cache is up to date
//! (<https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists>).

use hyper::Uri;
use hyper::http::uri::PathAndQuery;

const STREAMED: &str = "sendInitialEvents=true";
const VERSION: &str = "resourceVersion=";

/// The URI without a version, if the request begins a streamed list; otherwise `None`.
pub(super) fn most_recent(uri: &Uri) -> Option<Uri> {
    let query = uri.query().filter(|query| query.split('&').any(|pair| pair == STREAMED))?;
    let others: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with(VERSION)).collect();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{}?{}", uri.path(), others.join("&"))).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_streamed_list_names_no_version() {
        let uri =
            |query: &str| format!("https://h:6443/prefix/api/v1/secrets?{query}").parse::<Uri>().unwrap();
        let begins = uri(
            "&watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&labelSelector=a%3Db&resourceVersion=0",
        );
        let expected =
            uri("&watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&labelSelector=a%3Db");
        assert_eq!(most_recent(&begins), Some(expected));
        for other in ["watch=true&resourceVersion=77", "limit=500", "labelSelector=sendInitialEvents%3Dtrue"]
        {
            assert_eq!(most_recent(&uri(other)), None, "{other}");
        }
    }
}
