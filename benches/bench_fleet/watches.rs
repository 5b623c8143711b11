//! Watches that are read to the last byte and thrown away, but for the number of events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use tokio::task::JoinSet;

use super::plain;

/// An open watch. Ends when dropped.
pub(crate) struct Watch {
    events: Arc<AtomicU64>,
    _task: JoinSet<()>,
}

impl Watch {
    /// Watches a collection from now on.
    pub(crate) async fn open(client: &Client, path: &str, selector: &str, metadata_only: bool) -> Self {
        let events = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&events);
        let on_event = move |_: &[u8]| {
            count.fetch_add(1, Ordering::Relaxed);
        };
        Self { events, _task: follow(client, path, selector, metadata_only, on_event).await }
    }

    /// The three that the operator holds, in a namespace.
    pub(crate) async fn like_the_operators(client: &Client, namespace: &str) -> [Self; 3] {
        let secrets = format!("{}/{namespace}/secrets", plain::CORE);
        [
            Self::open(client, &plain::presigned_urls(namespace), "", false).await,
            Self::open(client, &secrets, OURS, false).await,
            Self::open(client, &secrets, OTHERS, true).await,
        ]
    }

    /// How many events it has shown.
    pub(crate) fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }
}

/// Watches a collection from now on, until the task is dropped. When the API server ends the watch, as it does
/// with one that it finds too slow, it is opened again where it ended, or from now on if the API server no longer
/// has that version.
pub(crate) async fn follow(
    client: &Client,
    path: &str,
    selector: &str,
    metadata_only: bool,
    mut on_event: impl FnMut(&[u8]) + Send + 'static,
) -> JoinSet<()> {
    let from = plain::version(client, path).await;
    let (client, path, selector) = (client.clone(), path.to_owned(), selector.to_owned());
    let mut body = begin(&client, &path, &selector, metadata_only, &from).await;
    let mut task = JoinSet::new();
    task.spawn(async move {
        let (mut last, mut line) = (Vec::new(), Vec::new());
        loop {
            while let Some(Ok(frame)) = body.frame().await {
                let Ok(data) = frame.into_data() else { continue };
                for part in data.split_inclusive(|byte| *byte == b'\n') {
                    line.extend_from_slice(part);
                    if part.ends_with(b"\n") {
                        on_event(&line);
                        last = std::mem::take(&mut line);
                    }
                }
            }
            line.clear();
            // An error, such as 410, has no version: then the watch goes on from now.
            let shown = match version_of(&last) {
                Some(version) => version,
                None => plain::version(&client, &path).await,
            };
            body = begin(&client, &path, &selector, metadata_only, &shown).await;
        }
    });
    task
}

async fn begin(client: &Client, path: &str, selector: &str, metadata_only: bool, from: &str) -> Body {
    let selector = format!("{selector}&watch=true&resourceVersion={from}&timeoutSeconds=7200");
    let response = plain::open(client, path, &selector, metadata_only).await;
    assert!(response.status().is_success(), "{path}: {}", response.status());
    response.into_body()
}

/// The version of the object that an event shows.
fn version_of(event: &[u8]) -> Option<String> {
    let event: Value = serde_json::from_slice(event).ok()?;
    event["object"]["metadata"]["resourceVersion"].as_str().map(str::to_owned)
}

const OURS: &str = "labelSelector=presign.dev%2Fmanaged%3Dtrue";
const OTHERS: &str = "labelSelector=presign.dev%2Fmanaged%21%3Dtrue&fieldSelector=type%21%3Dhelm.sh%2Frelease.v1%2Ctype%21%3Dkubernetes.io%2Fservice-account-token";

/// Takes the three lists that an operator takes at its start, streamed as they are to it,
/// and throws them away.
pub(crate) async fn lists(client: &Client, namespace: &str) {
    let urls = plain::presigned_urls(namespace);
    let secrets = format!("{}/{namespace}/secrets", plain::CORE);
    tokio::join!(
        list(client, &urls, "", false),
        list(client, &secrets, OURS, false),
        list(client, &secrets, OTHERS, true)
    );
}

async fn list(client: &Client, path: &str, selector: &str, metadata_only: bool) {
    let selector = format!("{selector}&{STREAMED}");
    let response = plain::open(client, path, &selector, metadata_only).await;
    assert!(response.status().is_success(), "{path}: {}", response.status());
    let (mut body, mut end) = (response.into_body(), Vec::new());
    loop {
        let frame = body.frame().await.expect("the list ends with its mark").unwrap();
        let Ok(data) = frame.into_data() else { continue };
        end.extend_from_slice(&data[data.len().saturating_sub(MARK_WITHIN)..]);
        end.drain(..end.len().saturating_sub(MARK_WITHIN));
        if end.ends_with(b"\n") && String::from_utf8_lossy(&end).contains(END_OF_LIST) {
            return;
        }
    }
}

const STREAMED: &str = "watch=true&timeoutSeconds=290&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
const END_OF_LIST: &str = "k8s.io/initial-events-end";
/// So near to the end of the last event of a list stands the mark in it.
const MARK_WITHIN: usize = 512;
