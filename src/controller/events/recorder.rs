//! Events, written beside the reconciles and behind everything else: they tell of work and
//! must not hold it up.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder};
use tokio::sync::mpsc;

use super::rate_limit::RateLimit;
use crate::controller::context::Context;

/// How many events wait at most; more are dropped, as client-go does.
const ROOM: usize = 1000;
/// Places that only warnings may take, so that many other events crowd none of them out.
const ROOM_FOR_WARNINGS: usize = 200;
/// How long the next one waits while objects are due.
const PACE: Duration = Duration::from_millis(100);

/// Where events are handed in.
#[derive(Debug)]
pub struct Events {
    handed_in: mpsc::Sender<Told>,
    rate_limit: RateLimit,
}

/// An event and the object that it is about.
pub struct Told {
    object: ObjectReference,
    event: Event,
}

impl Events {
    /// Events, and those that are handed in.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Told>) {
        let (handed_in, waiting) = mpsc::channel(ROOM);
        (Self { handed_in, rate_limit: RateLimit::default() }, waiting)
    }

    /// Hands in an event, which is written when there is time, unless its object has had
    /// too many.
    pub fn tell(&self, object: ObjectReference, event: Event) {
        let is_warning = matches!(event.type_, EventType::Warning);
        let has_room = is_warning || self.handed_in.capacity() > ROOM_FOR_WARNINGS;
        let Some(place) = self.handed_in.try_reserve().ok().filter(|_| has_room) else {
            return tracing::debug!("an event was dropped: too many are waiting");
        };
        if self.rate_limit.permits(object.uid.as_deref().unwrap_or_default()) {
            place.send(Told { object, event });
        }
    }
}

/// Writes the events that are handed in, one at a time.
pub async fn publish(ctx: Arc<Context>, recorder: Recorder, mut waiting: mpsc::Receiver<Told>) {
    while let Some(Told { object, event }) = waiting.recv().await {
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
