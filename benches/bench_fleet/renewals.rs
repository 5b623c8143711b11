//! Follows every renewal in a namespace: how late it was, and whether the URL before had expired.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use presign_operator::runtime::Clock;
use serde_json::Value;

use super::events::Events;
use super::latency::Spread;
use super::plain;
use super::result::Renewed;

const OPERATOR: &str = "presign-operator";
const EXPIRES_AT: &str = "expires-at";
const SIGNING_TIME: &str = "presign.dev/signing-time";

/// A URL, by what its status and its Secret say.
#[derive(Clone, Copy, Default)]
struct Url {
    renewal: Option<Timestamp>,
    expiration: Option<Timestamp>,
    /// When the API server took in the Secret, in whole seconds.
    stored: Option<Timestamp>,
}

/// The URLs of each object by their signing times.
pub(crate) struct Renewals {
    statuses: Events,
    secrets: Events,
    urls: BTreeMap<String, BTreeMap<Timestamp, Url>>,
}

impl Renewals {
    /// Watches a namespace that has no objects yet.
    pub(crate) async fn watch(client: &Client, namespace: &str) -> Self {
        let statuses = Events::open(client, &plain::presigned_urls(namespace)).await;
        let secrets = Events::open(client, &format!("{}/{namespace}/secrets", plain::CORE)).await;
        Self { statuses, secrets, urls: BTreeMap::new() }
    }

    /// How many objects have a URL that was signed at that time or later, and reported.
    pub(crate) fn signed_since(&mut self, time: Timestamp) -> usize {
        self.take_in();
        let is_since =
            |urls: &&BTreeMap<Timestamp, Url>| urls.range(time..).any(|(_, url)| url.renewal.is_some());
        self.urls.values().filter(is_since).count()
    }

    /// The renewals since a time, and what is still stored past its expiry now.
    pub(crate) fn since(&mut self, time: Timestamp) -> Renewed {
        self.take_in();
        let now = Clock::system().now();
        let (mut late_by, mut unknown, mut past_expiry) = (Vec::new(), 0, 0);
        for urls in self.urls.values() {
            let urls: Vec<_> = urls.iter().collect();
            for pair in urls.windows(2).filter(|pair| *pair[1].0 >= time) {
                let [(_, before), (signed, after)] = [pair[0], pair[1]];
                match before.renewal {
                    Some(due) => late_by.push(signed.duration_since(due).as_secs_f64()),
                    None => unknown += 1,
                }
                let replaced = after.stored.unwrap_or(now);
                past_expiry +=
                    usize::from(before.expiration.is_some_and(|expiration| expiration <= replaced));
            }
            let last = urls.last().and_then(|(_, url)| url.expiration);
            past_expiry += usize::from(last.is_some_and(|expiration| expiration <= now));
        }
        Renewed { late_by: Spread::of(late_by), unknown, past_expiry }
    }

    fn take_in(&mut self) {
        for object in self.statuses.so_far() {
            let time = |field: &str| time(object["status"][field].as_str()?);
            let Some(signed) = time("signingTime") else { continue };
            let url = self.url(object["metadata"]["name"].as_str().unwrap(), signed);
            url.renewal = time("renewalTime");
        }
        for object in self.secrets.so_far() {
            let Some(written) = WrittenSecret::read(object) else { continue };
            let url = self.url(&written.name, written.signed);
            url.stored.get_or_insert(written.at);
            url.expiration = Some(written.expiration);
        }
    }

    fn url(&mut self, name: &str, signed: Timestamp) -> &mut Url {
        let urls = self.urls.entry(name.to_owned()).or_default();
        urls.entry(signed).or_default()
    }
}

/// What the operator wrote into a Secret.
struct WrittenSecret {
    name: String,
    signed: Timestamp,
    expiration: Timestamp,
    at: Timestamp,
}

impl WrittenSecret {
    fn read(secret: Value) -> Option<Self> {
        let Secret { metadata, data, .. } = serde_json::from_value(secret).ok()?;
        let ours = metadata.managed_fields?.into_iter();
        let ours = ours.filter(|entry| entry.manager.as_deref() == Some(OPERATOR));
        Some(Self {
            name: metadata.name?,
            signed: time(metadata.annotations?.get(SIGNING_TIME)?)?,
            expiration: time(str::from_utf8(&data?.get(EXPIRES_AT)?.0).ok()?)?,
            at: ours.filter_map(|entry| Some(entry.time?.0)).max()?,
        })
    }
}

fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}
