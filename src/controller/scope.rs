//! What one operator looks after: all namespaces at once, or some, each on its own.
//!
//! Each scope has watches, a memory of its objects and passes of its own, so that one that
//! may not be watched holds up no other. Facts, credentials and the gate are shared.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use kube::runtime::controller::{Action, Error as QueueError};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher;
use kube::runtime::{Config, Controller};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::access::look_at_credentials;
use super::context::Context;
use super::object::LeanPresignedUrl;
use super::reconcile::reconcile;
use super::triggers::{self, Alarm, Bell};
use crate::ops::Probes;

/// What a pass may end with that is not reported on its object.
pub(super) type PassError = QueueError<Infallible, watcher::Error>;

/// One namespace, or all of them when it has no name.
pub(super) struct Scope {
    namespace: Option<String>,
    objects: Store<LeanPresignedUrl>,
    writer: reflector::store::Writer<LeanPresignedUrl>,
    wake: mpsc::UnboundedSender<ObjectRef<LeanPresignedUrl>>,
    woken: mpsc::UnboundedReceiver<ObjectRef<LeanPresignedUrl>>,
}

/// What reaches a scope from outside.
pub(super) struct Signals {
    /// Wakes objects of every scope.
    pub(super) alarm: Arc<Alarm>,
    /// Has every object looked at.
    pub(super) again: BoxStream<'static, ()>,
    /// Resolves when no pass is to begin any more.
    pub(super) stop: SyncFuture,
}

/// A future that can be shared, as the controller wants it.
pub(super) type SyncFuture = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

impl Scope {
    /// A scope that nothing is known of yet.
    pub(super) fn new(namespace: Option<String>) -> Self {
        let (objects, writer) = reflector::store();
        let (wake, woken) = mpsc::unbounded_channel();
        Self { namespace, objects, writer, wake, woken }
    }

    /// Its objects, as far as they are known.
    pub(super) fn objects(&self) -> Store<LeanPresignedUrl> {
        self.objects.clone()
    }

    /// What wakes its objects.
    pub(super) fn bell(&self) -> Bell {
        Bell { objects: self.objects.clone(), wake: self.wake.clone() }
    }

    /// Starts its watches among `watches`, and gives its passes: they run while the stream
    /// is polled, until they are to stop and those in flight have ended.
    pub(super) fn start(
        self,
        ctx: Arc<Context>,
        probes: &Probes,
        watches: &mut JoinSet<()>,
        signals: Signals,
    ) -> BoxStream<'static, Result<(ObjectRef<LeanPresignedUrl>, Action), PassError>> {
        let Self { namespace, objects, writer, woken, wake: _ } = self;
        let Signals { alarm, again, stop } = signals;
        let place = namespace.as_ref().map(|namespace| format!(" in {namespace}")).unwrap_or_default();
        let check = |what: &str| probes.check(&format!("watch of {what}{place}"));
        let woken = futures::stream::unfold(woken, |mut woken| async move {
            woken.recv().await.map(|object| (object, woken))
        });
        if ctx.reads_by_name() {
            ctx.synced.complete(namespace.as_deref());
            watches.spawn(look_at_credentials(ctx.clone(), alarm, namespace.clone()));
        } else {
            let ours = check("our Secrets");
            watches.spawn(triggers::follow_ours(ctx.clone(), alarm.clone(), namespace.clone(), ours));
            let others = check("other Secrets");
            watches.spawn(triggers::follow_others(ctx.clone(), alarm, namespace.clone(), others));
        }
        let ready = check("PresignedUrls");
        let changed = triggers::objects(ctx.clone(), writer, namespace, ready);
        Controller::for_stream(changed, objects)
            // Unbounded: the gate bounds and orders what reaches the API server.
            .with_config(Config::default().concurrency(0))
            .reconcile_on(woken)
            .reconcile_all_on(ctx.leadership.begins())
            .reconcile_all_on(again)
            .graceful_shutdown_on(stop)
            .run(reconcile, |_, never, _| match *never {}, ctx)
            .boxed()
    }
}

/// Of which scopes the facts about our Secrets are complete.
#[derive(Debug)]
pub struct Synced {
    scopes: BTreeMap<Option<String>, watch::Sender<Facts>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Facts {
    Incomplete,
    Complete,
    /// They will not be: the process ends.
    GivenUp,
}

impl Synced {
    /// For these namespaces; for all when there is none.
    pub(super) fn new(namespaces: &[Option<String>]) -> Self {
        let scopes =
            namespaces.iter().map(|namespace| (namespace.clone(), watch::Sender::new(Facts::Incomplete)));
        Self { scopes: scopes.collect() }
    }

    /// Says that the first list of a scope is complete.
    pub fn complete(&self, namespace: Option<&str>) {
        if let Some(synced) = self.scopes.get(&namespace.map(str::to_owned)) {
            synced.send_replace(Facts::Complete);
        }
    }

    /// Whether the facts about a namespace are complete.
    #[must_use]
    pub fn is_complete(&self, namespace: &str) -> bool {
        self.of(namespace).is_some_and(|synced| *synced.borrow() == Facts::Complete)
    }

    /// Waits until they are, and says whether they are.
    pub async fn wait(&self, namespace: &str) -> bool {
        let Some(synced) = self.of(namespace) else { return false };
        let mut synced = synced.subscribe();
        synced
            .wait_for(|facts| *facts != Facts::Incomplete)
            .await
            .is_ok_and(|facts| *facts == Facts::Complete)
    }

    /// Has nobody wait any longer.
    pub(super) fn give_up(&self) {
        for synced in self.scopes.values() {
            synced.send_if_modified(|facts| {
                let waits = *facts == Facts::Incomplete;
                *facts = if waits { Facts::GivenUp } else { *facts };
                waits
            });
        }
    }

    fn of(&self, namespace: &str) -> Option<&watch::Sender<Facts>> {
        self.scopes.get(&None).or_else(|| self.scopes.get(&Some(namespace.to_owned())))
    }
}
