//! What the API server was asked, by its own count.

use std::collections::BTreeMap;

use kube::Client;

use super::plain;

/// Requests by "VERB resource/subresource".
#[derive(Clone, Debug, Default, serde::Serialize)]
pub(crate) struct Calls(pub(crate) BTreeMap<String, u64>);

/// Everything that it has answered so far.
pub(crate) async fn answered(client: &Client) -> Calls {
    let text = String::from_utf8(plain::get(client, "/metrics").await).unwrap();
    Calls::read(&text, "apiserver_request_total{")
}

impl Calls {
    /// What the operator says of itself on its page of metrics, in the words of the API server.
    pub(crate) fn made(page: &str) -> Self {
        Self::read(page, "presign_api_requests_total{")
    }

    fn read(page: &str, counter: &str) -> Self {
        let mut calls = Self::default();
        for line in page.lines().filter(|line| line.starts_with(counter)) {
            let label = |name: &str| {
                let (_, rest) = line.split_once(&format!("{name}=\"")).unwrap_or_default();
                rest.split('"').next().unwrap_or_default().to_owned()
            };
            let (resource, sub) = (label("resource"), label("subresource"));
            let slash = if sub.is_empty() { "" } else { "/" };
            let verb = match label("verb").to_uppercase().as_str() {
                "CREATE" => "POST".to_owned(),
                "UPDATE" => "PUT".to_owned(),
                verb => verb.to_owned(),
            };
            let count: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
            let count = count as u64;
            *calls.0.entry(format!("{verb} {resource}{slash}{sub}")).or_default() += count;
        }
        calls
    }

    /// What came since `before`, of Secrets, `PresignedUrl`s and events.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let ours = |name: &str| ["secrets", "presignedurls", "events"].iter().any(|part| name.contains(part));
        let more = |(name, count): (&String, &u64)| {
            let new = count - before.0.get(name).copied().unwrap_or(0);
            (new > 0 && ours(name)).then(|| (name.clone(), new))
        };
        Self(self.0.iter().filter_map(more).collect())
    }

    pub(crate) fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// All calls whose verb is one of these.
    pub(crate) fn with_verbs(&self, verbs: &[&str]) -> u64 {
        let has = |name: &str| verbs.iter().any(|verb| name.starts_with(&format!("{verb} ")));
        self.0.iter().filter(|(name, _)| has(name)).map(|(_, count)| count).sum()
    }

    pub(crate) fn writes(&self) -> u64 {
        self.with_verbs(&["APPLY", "PATCH", "PUT", "POST", "DELETE"])
    }

    /// Writes of `PresignedUrl`s and Secrets, without events.
    pub(crate) fn writes_of_urls(&self) -> u64 {
        self.writes() - self.of("POST events") - self.of("PATCH events") - self.of("APPLY events")
    }

    pub(crate) fn reads(&self) -> u64 {
        self.with_verbs(&["GET", "LIST"])
    }
}
