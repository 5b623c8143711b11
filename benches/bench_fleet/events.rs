//! A watch whose objects are read, each with the time at which it came.

use std::time::Instant;

use http_body_util::BodyExt as _;
use kube::Client;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::plain;

/// An open watch. Ends when dropped.
pub(crate) struct Events {
    receiver: mpsc::UnboundedReceiver<(Value, Instant)>,
    task: JoinHandle<()>,
}

impl Drop for Events {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Events {
    /// Watches a collection from now on.
    pub(crate) async fn open(client: &Client, path: &str) -> Self {
        let from = plain::version(client, path).await;
        let selector = format!("watch=true&resourceVersion={from}&timeoutSeconds=7200");
        let response = plain::open(client, path, &selector, false).await;
        assert!(response.status().is_success(), "{path}: {}", response.status());
        let (sender, receiver) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let (mut body, mut line) = (response.into_body(), Vec::new());
            while let Some(Ok(frame)) = body.frame().await {
                for byte in frame.into_data().unwrap_or_default() {
                    if byte == b'\n' {
                        let mut event: Value = serde_json::from_slice(&line).unwrap();
                        let _ = sender.send((event["object"].take(), Instant::now()));
                        line.clear();
                    } else {
                        line.push(byte);
                    }
                }
            }
        });
        Self { receiver, task }
    }

    /// The next object that changed.
    pub(crate) async fn next(&mut self) -> (Value, Instant) {
        self.receiver.recv().await.expect("the watch stays open")
    }

    /// What came and was not read yet.
    pub(crate) fn so_far(&mut self) -> Vec<Value> {
        let mut objects = Vec::new();
        loop {
            match self.receiver.try_recv() {
                Ok((object, _)) => objects.push(object),
                Err(mpsc::error::TryRecvError::Empty) => return objects,
                Err(mpsc::error::TryRecvError::Disconnected) => panic!("the watch stays open"),
            }
        }
    }
}
