//! The recorder of Kubernetes events. Events are written outside of reconciles and with low priority,
//! because they must not delay reconciles.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::rate_limit::RateLimit;
use crate::controller::context::Context;
use crate::runtime::NotLeading;
use crate::runtime::lock::Lock;
use crate::runtime::schedule::{CallLimits, CallQueue, SharedPlaces, WaitingCall};

/// How many events wait at most. Further events are dropped, as client-go does.
const CAPACITY: usize = 1000;
/// The part of the queue that is reserved for warnings, so that other events cannot fill it up.
const CAPACITY_FOR_WARNINGS: usize = 200;
/// How long each event waits while the queue of objects has a backlog.
const EVENT_INTERVAL: Duration = Duration::from_millis(100);
/// How old an event may become while it waits for this process to lead again. Then it is dropped.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many events are written at a time. Those of one namespace are written in order, and if the write hangs,
/// the events of others are still written.
const LIMITS: CallLimits = CallLimits { at_once: 2, per_server: 2, per_flow: 1, per_owner: 1 };

/// The queue of events, in which namespaces take turns.
pub struct Events {
    queue: Lock<EventQueue>,
    /// Notified when an event may be written that could not be before.
    changed: Notify,
    rate_limit: RateLimit,
}

struct EventQueue {
    waiting: CallQueue<QueuedEvent>,
    places: SharedPlaces,
}

/// An event and the object that it concerns.
struct QueuedEvent {
    object: ObjectReference,
    event: Event,
    queued_at: Instant,
}

/// Why an event was dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dropped {
    /// Its object has had too many.
    RateLimited,
    /// Its namespace has too many in the queue.
    QueueFull,
}

impl Default for EventQueue {
    fn default() -> Self {
        Self { waiting: CallQueue::new(LIMITS), places: SharedPlaces::default() }
    }
}

impl WaitingCall for QueuedEvent {
    type Server = ();

    fn flow(&self) -> &str {
        namespace(&self.object)
    }

    fn server(&self) -> &() {
        &()
    }

    fn replaces(&self, _: &Self) -> bool {
        false
    }
}

impl Events {
    /// An empty queue of events.
    #[must_use]
    pub fn new() -> Self {
        Self { queue: Lock::default(), changed: Notify::new(), rate_limit: RateLimit::default() }
    }

    /// Queues an event.
    ///
    /// # Errors
    /// When the event was dropped, the reason.
    pub fn queue(&self, object: ObjectReference, event: Event) -> Result<(), Dropped> {
        let is_warning = matches!(event.type_, EventType::Warning);
        let places = if is_warning { CAPACITY } else { CAPACITY - CAPACITY_FOR_WARNINGS };
        let mut queue = self.queue.write();
        let namespace = namespace(&object);
        if !queue.places.has_capacity(namespace, places) {
            return Err(Dropped::QueueFull);
        }
        if !self.rate_limit.permits(object.uid.as_deref().unwrap_or_default()) {
            return Err(Dropped::RateLimited);
        }
        queue.places.add(namespace);
        queue.waiting.push(QueuedEvent { object, event, queued_at: Instant::now() });
        drop(queue);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for the next event.
    async fn next(&self) -> QueuedEvent {
        loop {
            if let Some(event) = self.pop() {
                return event;
            }
            self.changed.notified().await;
        }
    }

    fn pop(&self) -> Option<QueuedEvent> {
        let mut queue = self.queue.write();
        let event = queue.waiting.pop(|_| true)?;
        queue.places.remove(event.flow());
        Some(event)
    }

    /// Notes that the write of an event ended.
    fn ended(&self, event: &QueuedEvent) {
        self.queue.write().waiting.ended(event);
        self.changed.notify_one();
    }
}

/// The namespace of an object that an event concerns.
fn namespace(object: &ObjectReference) -> &str {
    object.namespace.as_deref().unwrap_or_default()
}

/// Writes the queued events, a few at a time.
pub async fn publish(ctx: Arc<Context>, recorder: Recorder) {
    let (ctx, recorder) = (&*ctx, &recorder);
    let events = futures::stream::unfold((), |()| async move {
        let event = ctx.events.next().await;
        if ctx.queue.has_backlog() {
            tokio::time::sleep(EVENT_INTERVAL).await;
        }
        Some((event, ()))
    });
    let one = |event: QueuedEvent| async move {
        write(ctx, recorder, &event).await;
        ctx.events.ended(&event);
    };
    events.for_each_concurrent(LIMITS.at_once, one).await;
}

async fn write(ctx: &Context, recorder: &Recorder, queued: &QueuedEvent) {
    let QueuedEvent { object, event, queued_at } = queued;
    let once = async || {
        let _permit = ctx.limiter.permit().await;
        recorder.publish(event, object).await
    };
    let mut written = once().await;
    // Unlike a status, an event is not written again by the reconciles of the next term. The end of a term may hide
    // that it was written, so that it can be there twice.
    let end = *queued_at + PATIENCE;
    while written.as_ref().is_err_and(NotLeading::is_cause_of) && ctx.leadership.leads_before(end).await {
        written = once().await;
    }
    if let Err(error) = &written {
        let code = if let kube::Error::Api(status) = error { status.code } else { 0 };
        tracing::debug!(code, "an event could not be written");
    }
    ctx.metrics.event(if written.is_ok() { "done" } else { "failed" });
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
        let events = Events::new();
        for number in 0..2 * CAPACITY {
            let (object, event) = event("busy", number);
            let expected = if number < CAPACITY / 2 { Ok(()) } else { Err(Dropped::QueueFull) };
            assert_eq!(events.queue(object, event), expected, "{number}");
        }
        let (object, event) = event("other", 0);
        assert_eq!(events.queue(object, event), Ok(()));
        let mut seen = Vec::new();
        while let Some(queued) = events.pop() {
            events.ended(&queued);
            seen.push(queued.object.namespace.unwrap());
        }
        assert_eq!(seen.len(), CAPACITY / 2 + 1);
        assert_eq!(seen.iter().position(|namespace| namespace == "other"), Some(1));
        assert_eq!(events.queue.read().places.taken(), 0);
    }

    #[tokio::test]
    async fn a_write_that_hangs_holds_up_its_namespace_only() {
        let events = Events::new();
        for (namespace, number) in [("hangs", 0), ("hangs", 1), ("other", 0), ("other", 1)] {
            let (object, event) = event(namespace, number);
            events.queue(object, event).unwrap();
        }
        let hangs = events.pop().unwrap();
        for _ in 0..2 {
            let other = events.pop().unwrap();
            assert_eq!((hangs.flow(), other.flow()), ("hangs", "other"));
            assert!(events.pop().is_none());
            events.ended(&other);
        }
        events.ended(&hangs);
        assert_eq!(events.pop().unwrap().flow(), "hangs");
    }

    #[tokio::test]
    async fn an_object_has_few_events_and_takes_no_place_with_more() {
        let events = Events::new();
        let queue = || {
            let (object, event) = event("n", 0);
            events.queue(object, event)
        };
        let queued = (0..CAPACITY).filter(|_| queue() == Ok(())).count();
        assert_eq!((queue(), queued), (Err(Dropped::RateLimited), events.queue.read().places.taken()));
    }
}
