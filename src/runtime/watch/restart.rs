//! Restarts of watches on demand.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The shortest time between two restarts of a watch. Without it, an API server that keeps causing
/// restarts would get one list request after the other.
const PAUSE: Duration = Duration::from_secs(10);

/// A handle that restarts the watches that subscribe to it. Clones are the same handle.
#[derive(Clone, Debug, Default)]
pub struct RestartHandle(Arc<watch::Sender<()>>);

impl RestartHandle {
    /// Restarts every watch that subscribes to this handle.
    ///
    /// A watch whose list after an earlier restart is still under way ignores this, because that list
    /// already shows the most recent state. A watch that was restarted in the last 10 seconds and has
    /// completed its list waits until they have passed.
    pub fn restart(&self) {
        self.0.send_replace(());
    }

    /// Subscribes to the restarts from now on.
    pub(super) fn subscribe(&self) -> RestartSubscription {
        RestartSubscription {
            demands: self.0.subscribe(),
            is_demanded: false,
            begun: None,
            is_listing: false,
        }
    }
}

/// The restarts of one watch.
#[derive(Debug)]
pub(super) struct RestartSubscription {
    demands: watch::Receiver<()>,
    is_demanded: bool,
    /// When the last restart began.
    begun: Option<Instant>,
    /// Whether the list after that restart is under way.
    is_listing: bool,
}

impl RestartSubscription {
    /// Resolves when the watch has to restart. May be dropped and called again.
    pub async fn due(&mut self) {
        while !self.is_demanded {
            match self.demands.changed().await {
                Ok(()) => self.is_demanded = !self.is_listing,
                Err(_no_handle_is_left) => pending().await,
            }
        }
        if let Some(begun) = self.begun {
            sleep_until(begun + PAUSE).await;
        }
    }

    /// Notes that the watch restarts.
    pub fn begin(&mut self) {
        (self.is_demanded, self.begun, self.is_listing) = (false, Some(Instant::now()), true);
    }

    /// Notes that a list is complete.
    pub fn complete(&mut self) {
        self.is_listing = false;
    }
}
