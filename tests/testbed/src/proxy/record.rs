//! What a client sent through the proxy and what it was shown, in order and with times.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use parking_lot::Mutex;
use serde_json::Value;

/// One entry of the record of a proxy.
#[derive(Clone, Debug)]
pub enum Recorded {
    /// A write was sent: it had reached the proxy, whatever became of it.
    Sent(Sent),
    /// A watch delivered an event about an object.
    Shown(Shown),
    /// Something was read in another way than by a watch.
    Read {
        /// When it was asked for.
        at: Instant,
        /// Path and query.
        path: String,
    },
}

/// A write.
#[derive(Clone, Debug)]
pub struct Sent {
    /// When it reached the proxy.
    pub at: Instant,
    /// Its method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// What the API server answered, if it did.
    pub code: Option<u16>,
    /// The metadata of the object in that answer.
    pub metadata: Value,
}

/// An event of a watch.
#[derive(Clone, Debug)]
pub struct Shown {
    /// When the client got it.
    pub at: Instant,
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub event: String,
    /// The kind of the object.
    pub kind: String,
    /// Its metadata, without managed fields.
    pub metadata: Value,
}

/// The entries that nobody has taken yet.
#[derive(Default)]
pub(super) struct Record {
    is_kept: AtomicBool,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    /// How many were taken before.
    taken: usize,
    left: Vec<Recorded>,
}

impl Record {
    pub(super) fn keep(&self) {
        self.is_kept.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_kept(&self) -> bool {
        self.is_kept.load(Ordering::Relaxed)
    }

    pub(super) fn take(&self) -> Vec<Recorded> {
        let mut entries = self.entries.lock();
        entries.taken += entries.left.len();
        std::mem::take(&mut entries.left)
    }

    /// Notes a request, and says where.
    pub(super) fn sent(&self, method: &str, path: &str, is_watch: bool) -> Option<usize> {
        if !self.is_kept() || is_watch {
            return None;
        }
        let (at, path) = (Instant::now(), path.to_owned());
        let entry = if method == "GET" {
            Recorded::Read { at, path }
        } else {
            Recorded::Sent(Sent { at, method: method.to_owned(), path, code: None, metadata: Value::Null })
        };
        let mut entries = self.entries.lock();
        entries.left.push(entry);
        Some(entries.taken + entries.left.len() - 1)
    }

    /// Adds the answer to a request.
    pub(super) fn answered(&self, place: usize, code: u16, body: &[u8]) {
        let mut object: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut entries = self.entries.lock();
        let Some(place) = place.checked_sub(entries.taken) else { return };
        if let Some(Recorded::Sent(sent)) = entries.left.get_mut(place) {
            sent.code = Some(code);
            sent.metadata = metadata(&mut object);
        }
    }

    /// Notes the events that are complete by these bytes; what is left of one stays in `rest`.
    pub(super) fn shown(&self, rest: &mut Vec<u8>, bytes: &[u8]) {
        let at = Instant::now();
        rest.extend_from_slice(bytes);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let Ok(mut event) = serde_json::from_slice::<Value>(&line) else { continue };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (name, kind) = (text(&event["type"]), text(&event["object"]["kind"]));
            if matches!(name.as_str(), "ADDED" | "MODIFIED" | "DELETED") {
                let metadata = metadata(&mut event["object"]);
                self.entries.lock().left.push(Recorded::Shown(Shown { at, event: name, kind, metadata }));
            }
        }
    }
}

fn metadata(object: &mut Value) -> Value {
    let mut metadata = object["metadata"].take();
    if let Some(fields) = metadata.as_object_mut() {
        fields.remove("managedFields");
    }
    metadata
}
