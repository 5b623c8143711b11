//! A request that stands still until somebody lets it go.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

/// A handle on one held request.
#[derive(Clone)]
pub struct Hold {
    reached: Arc<watch::Sender<bool>>,
    released: Arc<watch::Sender<bool>>,
}

impl Default for Hold {
    fn default() -> Self {
        Self { reached: Arc::new(watch::Sender::new(false)), released: Arc::new(watch::Sender::new(false)) }
    }
}

impl Hold {
    /// Waits until a request stands here, or gives up at the deadline and says `false`.
    pub async fn reached(&self, deadline: Duration) -> bool {
        let mut reached = self.reached.subscribe();
        tokio::time::timeout(deadline, reached.wait_for(|reached| *reached))
            .await
            .is_ok_and(|seen| seen.is_ok())
    }

    /// Lets the request, or the answer, go on.
    pub fn release(&self) {
        self.released.send_replace(true);
    }

    pub(super) async fn stand(&self) {
        self.reached.send_replace(true);
        let mut released = self.released.subscribe();
        let _ = released.wait_for(|released| *released).await;
    }
}
