//! The recorder of Kubernetes events. Events are written outside of reconciles and with low priority,
//! because they must not delay reconciles.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder};
use tokio::sync::mpsc;

use super::rate_limit::RateLimit;
use crate::controller::context::Context;

/// How many events the queue holds. Further events are dropped, as client-go does.
const ROOM: usize = 1000;
/// The part of the queue that is reserved for warnings, so that other events cannot fill it up.
const ROOM_FOR_WARNINGS: usize = 200;
/// How long each event waits while the queue of objects has a backlog.
const PACE: Duration = Duration::from_millis(100);

/// The queue of events.
#[derive(Debug)]
pub struct Events {
    handed_in: mpsc::Sender<QueuedEvent>,
    rate_limit: RateLimit,
}

/// An event and the object that it concerns.
pub struct QueuedEvent {
    object: ObjectReference,
    event: Event,
}

impl Events {
    /// A queue of events, and its receiver.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<QueuedEvent>) {
        let (handed_in, waiting) = mpsc::channel(ROOM);
        (Self { handed_in, rate_limit: RateLimit::default() }, waiting)
    }

    /// Queues an event. It is dropped when the queue is full, or when its object exceeds the rate limit.
    pub fn queue(&self, object: ObjectReference, event: Event) {
        let is_warning = matches!(event.type_, EventType::Warning);
        let has_room = is_warning || self.handed_in.capacity() > ROOM_FOR_WARNINGS;
        let Some(place) = self.handed_in.try_reserve().ok().filter(|_| has_room) else {
            return tracing::debug!("an event was dropped: too many are waiting");
        };
        if self.rate_limit.permits(object.uid.as_deref().unwrap_or_default()) {
            place.send(QueuedEvent { object, event });
        }
    }
}

/// Writes the queued events, one at a time.
pub async fn publish(ctx: Arc<Context>, recorder: Recorder, mut waiting: mpsc::Receiver<QueuedEvent>) {
    while let Some(QueuedEvent { object, event }) = waiting.recv().await {
        if ctx.queue.has_backlog() {
            tokio::time::sleep(PACE).await;
        }
        let _permit = ctx.limiter.beside().await;
        if let Err(error) = recorder.publish(&event, &object).await {
            let code = if let kube::Error::Api(status) = &error { status.code } else { 0 };
            tracing::debug!(code, "an event could not be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(namespace: &str, number: usize) -> (ObjectReference, Event) {
        let (namespace, uid) = (Some(namespace.to_owned()), Some(format!("{namespace:?} {number}")));
        let (reason, action) = ("Failed".to_owned(), "Issue".to_owned());
        let event = Event { type_: EventType::Warning, reason, action, note: None, secondary: None };
        (ObjectReference { namespace, uid, ..ObjectReference::default() }, event)
    }

    #[tokio::test]
    async fn a_namespace_leaves_room_for_others() {
        let (events, mut waiting) = Events::new();
        for number in 0..2 * ROOM {
            let (object, event) = event("busy", number);
            events.queue(object, event);
        }
        let (object, event) = event("other", 0);
        events.queue(object, event);
        let mut seen = Vec::new();
        while let Ok(queued) = waiting.try_recv() {
            seen.push(queued.object.namespace.unwrap());
        }
        assert_eq!(seen.iter().position(|namespace| namespace == "other"), Some(1));
    }
}
