//! A watch whose objects are read, each with the time at which it came.

use std::time::Instant;

use kube::Client;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::watches;

/// An open watch. Ends when dropped.
pub(crate) struct Events {
    receiver: mpsc::UnboundedReceiver<(Value, Instant)>,
    _task: JoinSet<()>,
}

impl Events {
    /// Watches a collection from now on.
    pub(crate) async fn open(client: &Client, path: &str) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let on_event = move |event: &[u8]| {
            let mut event: Value = serde_json::from_slice(event).unwrap();
            let _ = sender.send((event["object"].take(), Instant::now()));
        };
        Self { receiver, _task: watches::follow(client, path, "", false, on_event).await }
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
