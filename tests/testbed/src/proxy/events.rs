//! What the watches that go through the proxy have shown, for whoever waits for it.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;

use super::asked::Target;

/// An event of a watch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WatchEvent {
    resource: String,
    kind: String,
    name: String,
}

impl WatchEvent {
    /// The event of this type (`ADDED`, `MODIFIED`, `DELETED`) about the object `name` of a
    /// resource, which is called by its plural.
    pub fn new(resource: impl Into<String>, kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { resource: resource.into(), kind: kind.into(), name: name.into() }
    }

    fn is(&self, resource: &str, line: &Value) -> bool {
        self.resource == resource
            && line["type"].as_str() == Some(&self.kind)
            && line["object"]["metadata"]["name"].as_str() == Some(&self.name)
    }
}

/// A handle on the next event of a kind.
pub struct Awaited {
    shown: Arc<watch::Sender<bool>>,
}

impl Awaited {
    /// Waits until a watch has delivered the event, or gives up at the deadline and says
    /// `false`.
    pub async fn delivered(&self, deadline: Duration) -> bool {
        tokio::time::timeout(deadline, self.wait()).await.is_ok()
    }

    pub(super) async fn wait(&self) {
        let mut shown = self.shown.subscribe();
        let _ = shown.wait_for(|shown| *shown).await;
    }
}

/// The events that somebody waits for.
#[derive(Default)]
pub(super) struct Events {
    awaited: Mutex<Vec<(WatchEvent, Weak<watch::Sender<bool>>)>>,
}

impl Events {
    /// A handle on the next such event, counted from now on.
    pub(super) fn expect(&self, event: WatchEvent) -> Awaited {
        let shown = Arc::new(watch::Sender::new(false));
        self.awaited.lock().push((event, Arc::downgrade(&shown)));
        Awaited { shown }
    }

    fn show(&self, resource: &str, line: &[u8]) {
        let mut awaited = self.awaited.lock();
        awaited.retain(|(_, shown)| shown.strong_count() > 0);
        if awaited.is_empty() {
            return;
        }
        let Ok(line) = serde_json::from_slice::<Value>(line) else { return };
        awaited.retain(|(event, shown)| {
            let is_it = event.is(resource, &line);
            if is_it && let Some(shown) = shown.upgrade() {
                shown.send_replace(true);
            }
            !is_it
        });
    }
}

/// Watches of a resource deliver nothing while this lives; what comes meanwhile comes then.
#[must_use = "watches go on when this is dropped"]
pub struct Pause {
    paused: Paused,
    resource: String,
}

/// The resources whose watches are paused; one that is paused twice is there twice.
pub(super) type Paused = Arc<watch::Sender<Vec<String>>>;

impl Pause {
    pub(super) fn begin(paused: Paused, resource: String) -> Self {
        paused.send_modify(|all| all.push(resource.clone()));
        Self { paused, resource }
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        self.paused.send_modify(|all| {
            if let Some(at) = all.iter().position(|resource| *resource == self.resource) {
                all.swap_remove(at);
            }
        });
    }
}

/// Reads along in the body of one watch.
pub(super) struct Reader {
    events: Arc<Events>,
    paused: Paused,
    resource: String,
    line: Vec<u8>,
}

impl Reader {
    /// A reader of the watch at this path.
    pub(super) fn new(events: Arc<Events>, paused: Paused, path: &str) -> Self {
        let resource = Target::of(path).map(|target| target.resource).unwrap_or_default().to_owned();
        Self { events, paused, resource, line: Vec::new() }
    }

    /// Waits for as long as such watches are paused.
    pub(super) async fn pause(&self) {
        let mut paused = self.paused.subscribe();
        let _ = paused.wait_for(|paused| !paused.contains(&self.resource)).await;
    }

    /// Takes in what is passed on. One task serves all connections, and it writes a frame to
    /// its socket before it turns to another one: who is woken by this comes after it.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        let mut lines = bytes.split(|byte| *byte == b'\n');
        self.line.extend(lines.next().unwrap_or_default());
        for rest in lines {
            self.events.show(&self.resource, &self.line);
            self.line.clear();
            self.line.extend(rest);
        }
    }
}
