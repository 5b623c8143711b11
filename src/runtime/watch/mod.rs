//! A watch as a stream that does not end: a list of all selected objects, then their changes. Errors are
//! handled here: kube's watcher tries again, and `health.rs` logs and counts the errors.
//!
//! The consumer decides what the events mean. A holder of [`RestartHandle`] decides when a watch restarts.

mod backoff;
mod health;
mod restart;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::sync::Arc;

use futures::stream::{BoxStream, Stream, StreamExt as _, unfold};
use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, Error, Event, Result, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use crate::runtime::watch::backoff::BoundedBackoff;
use crate::runtime::watch::health::{Health, observed};
use crate::runtime::watch::restart::RestartSubscription;
pub use health::Watches;
pub use restart::RestartHandle;

/// What a watch selects.
#[derive(Clone, Debug)]
pub struct WatchSelection {
    /// The name of the watch in logs, such as "our Secrets".
    pub what: &'static str,
    /// The namespace; all when `None`.
    pub namespace: Option<String>,
    /// The label and field selectors.
    pub config: Config,
}

/// An event of a watch. The names are those of kube's [`Event`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEvent<K> {
    /// The watch was restarted on demand. What it showed before, including versions, may be wrong. No
    /// event of the old watch comes after this one.
    Restarted,
    /// A list begins. A list that was under way was interrupted.
    Init,
    /// An object of the list.
    InitApply(K),
    /// The list is complete. Objects that it did not show do not exist.
    InitDone,
    /// An object was created or changed.
    Apply(K),
    /// An object was deleted.
    Delete(K),
    /// The API server refuses the watch, because it may not be opened or there is no such resource. It
    /// is opened again with backoff.
    Denied,
}

impl<K> From<Event<K>> for WatchEvent<K> {
    fn from(event: Event<K>) -> Self {
        match event {
            Event::Init => Self::Init,
            Event::InitApply(object) => Self::InitApply(object),
            Event::InitDone => Self::InitDone,
            Event::Apply(object) => Self::Apply(object),
            Event::Delete(object) => Self::Delete(object),
        }
    }
}

/// Watches a selection for as long as the stream is polled.
///
/// # Guarantees
/// - The stream does not end and yields no errors. Requests that fail are repeated with backoff, logged,
///   and counted in `watches`.
/// - Every list shows the most recent state. It is streamed if the API server supports that, and comes in
///   pages otherwise. (A streamed list is served from the memory of the API server, while every page but
///   the first of a custom resource is read from etcd and decoded. That takes three times as long for ten
///   thousand objects.)
/// - After [`RestartHandle::restart`] the watch is dropped and a new one is started: see
///   [`Restarted`](WatchEvent::Restarted).
pub fn watch<K>(
    client: &Client,
    selection: WatchSelection,
    restart: &RestartHandle,
    watches: &Watches,
) -> impl Stream<Item = WatchEvent<K>> + Send + use<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + Debug + DeserializeOwned + Send + 'static,
{
    let api = |client, namespace: Option<&str>| match namespace {
        None => Api::all(client),
        Some(namespace) => Api::namespaced(client, namespace),
    };
    watch_api(client, selection, restart, watches, api)
}

/// Watches a resource that belongs to no namespace, as [`watch`] does.
pub fn watch_cluster<K>(
    client: &Client,
    selection: WatchSelection,
    restart: &RestartHandle,
    watches: &Watches,
) -> impl Stream<Item = WatchEvent<K>> + Send + use<K>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope>,
    K: Clone + Debug + DeserializeOwned + Send + 'static,
{
    watch_api(client, selection, restart, watches, |client, _| Api::all(client))
}

fn watch_api<K>(
    client: &Client,
    selection: WatchSelection,
    restart: &RestartHandle,
    watches: &Watches,
    api: fn(Client, Option<&str>) -> Api<K>,
) -> impl Stream<Item = WatchEvent<K>> + Send + use<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let WatchSelection { what, namespace, config } = selection;
    let health = Arc::new(watches.health(K::plural(&()).into_owned(), what, namespace.clone()));
    let api = api(observed(client, &health), namespace.as_deref());
    let begin = move |lists| {
        let config = match lists {
            ListMode::Streamed => config.clone().streaming_lists(),
            ListMode::Paged => config.clone(),
        };
        watcher(api.clone(), config).backoff(BoundedBackoff::default()).boxed()
    };
    RestartableWatch::new(begin, restart, health).events()
}

/// How lists are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListMode {
    Streamed,
    Paged,
}

type EventStream<K> = BoxStream<'static, Result<Event<K>>>;

/// A watch, and what restarts it.
struct RestartableWatch<K, F> {
    begin: F,
    lists: ListMode,
    current: EventStream<K>,
    restarts: RestartSubscription,
    health: Arc<Health>,
}

impl<K: Send + 'static, F: FnMut(ListMode) -> EventStream<K> + Send> RestartableWatch<K, F> {
    fn new(mut begin: F, restart: &RestartHandle, health: Arc<Health>) -> Self {
        let lists = ListMode::Streamed;
        Self { current: begin(lists), begin, lists, restarts: restart.subscribe(), health }
    }

    fn events(self) -> impl Stream<Item = WatchEvent<K>> + Send {
        unfold(self, |mut watch| async move {
            let event = watch.next().await?;
            Some((event, watch))
        })
    }

    async fn next(&mut self) -> Option<WatchEvent<K>> {
        loop {
            let event = tokio::select! {
                biased;
                () = self.restarts.due() => {
                    self.restarts.begin();
                    // The API server may have been replaced by one that can stream lists.
                    self.begin(ListMode::Streamed);
                    return Some(WatchEvent::Restarted);
                }
                event = self.current.next() => event?,
            };
            match event {
                Ok(event) => {
                    self.health.succeeded();
                    if matches!(event, Event::InitDone) {
                        self.restarts.complete();
                    }
                    return Some(event.into());
                }
                Err(error) if self.lists == ListMode::Streamed && cannot_stream(&error) => {
                    self.begin(ListMode::Paged);
                }
                Err(error) => {
                    self.health.failed(&error);
                    if is_denied(&error) {
                        return Some(WatchEvent::Denied);
                    }
                }
            }
        }
    }

    fn begin(&mut self, lists: ListMode) {
        self.lists = lists;
        self.current = (self.begin)(lists);
    }
}

/// Whether the API server refuses a watch for a reason that does not pass by itself.
fn is_denied(error: &Error) -> bool {
    matches!(error, Error::InitialListFailed(kube::Error::Api(status))
        | Error::WatchStartFailed(kube::Error::Api(status)) if matches!(status.code, 403 | 404))
}

/// Whether the API server cannot stream lists. It then answers that the parameter for streamed lists is
/// invalid.
fn cannot_stream(error: &Error) -> bool {
    matches!(error, Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 422)
}
