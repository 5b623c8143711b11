//! A request that stands still until somebody lets it go.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

/// A handle on one request that is to be held. It goes on when this is dropped.
#[must_use = "what is held goes on when this is dropped"]
pub struct Hold {
    place: HoldPoint,
}

impl Hold {
    /// Waits until a request stands here, or gives up at the deadline and says `false`.
    pub async fn reached(&self, deadline: Duration) -> bool {
        let mut reached = self.place.reached.subscribe();
        tokio::time::timeout(deadline, reached.wait_for(|reached| *reached))
            .await
            .is_ok_and(|seen| seen.is_ok())
    }

    /// Lets the request, or the answer, go on.
    pub fn release(&self) {
        self.place.released.send_replace(true);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.release();
    }
}

/// Where the request stands.
#[derive(Clone)]
pub(super) struct HoldPoint {
    reached: Arc<watch::Sender<bool>>,
    released: Arc<watch::Sender<bool>>,
}

impl HoldPoint {
    /// A place, and the handle on who comes by.
    pub(super) fn new() -> (Self, Hold) {
        let place = Self { reached: Arc::default(), released: Arc::default() };
        (place.clone(), Hold { place })
    }

    /// Stands here until released.
    pub(super) async fn stand(&self) {
        self.reached.send_replace(true);
        let mut released = self.released.subscribe();
        let _ = released.wait_for(|released| *released).await;
    }
}
