//! A watch as a stream that does not end: the list of everything that is selected, then its
//! changes. Errors are handled here: kube's watcher tries again, and `health.rs` tells about it.
//!
//! What the events mean is for the consumer; when to begin anew is decided by whoever holds
//! the [`Restart`].

mod health;
mod restart;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::sync::Arc;

use futures::stream::{BoxStream, Stream, StreamExt as _, unfold};
use kube::core::NamespaceResourceScope;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, Error, Event, Result, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use crate::runtime::watch::health::{Health, observed};
use crate::runtime::watch::restart::Restarts;
pub use health::Watches;
pub use restart::Restart;

/// What a watch selects.
#[derive(Clone, Debug)]
pub struct Selection {
    /// How logs call it, such as "our Secrets".
    pub what: &'static str,
    /// The namespace; all when `None`.
    pub namespace: Option<String>,
    /// Labels and fields.
    pub config: Config,
}

/// An event of a watch. The names are those of kube's [`Event`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEvent<K> {
    /// The watch was begun anew on demand. Nothing that it showed before can be relied on,
    /// versions included; no event of the old watch comes after this one.
    Restarted,
    /// A list begins. If one was under way, it has broken off.
    Init,
    /// An object of the list.
    InitApply(K),
    /// The list is complete: what it did not show does not exist.
    InitDone,
    /// An object was created or changed.
    Apply(K),
    /// An object was deleted.
    Delete(K),
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
/// - The stream does not end and yields no errors: requests that fail are repeated with
///   backoff, logged, and counted in `watches`.
/// - Every list is of the most recent state. It is streamed where the API server can do that,
///   and comes in pages elsewhere. (A streamed list is served from the API server's memory,
///   while every page but the first of a custom resource is read from etcd and decoded: three
///   times the time for ten thousand objects.)
/// - After [`Restart::restart`] the watch is dropped and begun anew: see
///   [`Restarted`](WatchEvent::Restarted).
pub fn follow<K>(
    client: &Client,
    selection: Selection,
    restart: &Restart,
    watches: &Watches,
) -> impl Stream<Item = WatchEvent<K>> + Send + use<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + Debug + DeserializeOwned + Send + 'static,
{
    let Selection { what, namespace, config } = selection;
    let health = Arc::new(watches.health(K::plural(&()).into_owned(), what, namespace.clone()));
    let client = observed(client, &health);
    let api: Api<K> = match &namespace {
        None => Api::all(client),
        Some(namespace) => Api::namespaced(client, namespace),
    };
    let begin = move |lists| {
        let config = match lists {
            Lists::Streamed => config.clone().streaming_lists(),
            Lists::Paged => config.clone(),
        };
        watcher(api.clone(), config).default_backoff().boxed()
    };
    Follow::new(begin, restart, health).events()
}

/// How lists are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lists {
    Streamed,
    Paged,
}

type Events<K> = BoxStream<'static, Result<Event<K>>>;

/// A watch and what begins it anew.
struct Follow<K, F> {
    begin: F,
    lists: Lists,
    current: Events<K>,
    restarts: Restarts,
    health: Arc<Health>,
}

impl<K: Send + 'static, F: FnMut(Lists) -> Events<K> + Send> Follow<K, F> {
    fn new(mut begin: F, restart: &Restart, health: Arc<Health>) -> Self {
        let lists = Lists::Streamed;
        Self { current: begin(lists), begin, lists, restarts: restart.subscribe(), health }
    }

    fn events(self) -> impl Stream<Item = WatchEvent<K>> + Send {
        unfold(self, |mut follow| async move {
            let event = follow.next().await?;
            Some((event, follow))
        })
    }

    async fn next(&mut self) -> Option<WatchEvent<K>> {
        loop {
            let event = tokio::select! {
                biased;
                () = self.restarts.due() => {
                    self.restarts.begin();
                    // An API server that was replaced may be able to stream lists now.
                    self.begin(Lists::Streamed);
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
                Err(error) if self.lists == Lists::Streamed && cannot_stream(&error) => {
                    self.begin(Lists::Paged);
                }
                Err(error) => self.health.failed(&error),
            }
        }
    }

    fn begin(&mut self, lists: Lists) {
        self.lists = lists;
        self.current = (self.begin)(lists);
    }
}

/// Whether this is how an API server answers that cannot stream lists: the parameter that
/// asks for it is invalid there.
fn cannot_stream(error: &Error) -> bool {
    matches!(error, Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 422)
}
