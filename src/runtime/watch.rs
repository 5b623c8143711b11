//! A watch that begins with everything there is, which comes as a stream where the API
//! server can do that, and in pages elsewhere.
//!
//! A stream comes from the API server's memory, while every page but the first of a custom
//! resource is read from etcd and decoded: three times the time for ten thousand objects.

use std::fmt::Debug;

use futures::stream::{Stream, StreamExt as _, unfold};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, Error, Event, Result, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

/// Follows what `config` selects, for as long as the stream is polled: after an error that
/// it shows it goes on by itself, later each time.
pub fn follow<K>(api: Api<K>, config: Config) -> impl Stream<Item = Result<Event<K>>>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let streamed = watcher(api.clone(), config.clone().streaming_lists()).default_backoff().boxed();
    unfold((streamed, Some((api, config))), async |(mut events, mut paged)| {
        loop {
            let event = events.next().await?;
            if event.as_ref().err().is_some_and(cannot_stream)
                && let Some((api, config)) = paged.take()
            {
                events = watcher(api, config).default_backoff().boxed();
                continue;
            }
            return Some((event, (events, paged)));
        }
    })
}

/// Whether this is how an API server answers that cannot stream lists: the parameter that
/// asks for it is invalid there.
fn cannot_stream(error: &Error) -> bool {
    matches!(error, Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 422)
}
