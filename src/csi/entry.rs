//! A volume in the loop: its state, the calls that wait for it, and what its job needs.

use std::path::PathBuf;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::calls::VolumeAnswer;
use super::sessions::VolumeSessions;
use crate::domain::stored::Digest;
use crate::domain::volume::{UrlVolume, VolumeFailure, VolumePod, VolumeSize};

/// A call that waits until its volume is published.
#[derive(Debug)]
struct Waiter {
    answer: oneshot::Sender<VolumeAnswer>,
    until: Instant,
}

/// A volume in the loop.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) volume: UrlVolume,
    pub(super) target: PathBuf,
    /// The pod, for logs.
    pub(super) pod: VolumePod,
    /// What the volume needs.
    pub(super) size: VolumeSize,
    /// Aborts the job that signs.
    pub(super) signing: Option<AbortHandle>,
    pub(super) sessions: VolumeSessions,
    publishes: Vec<Waiter>,
    unpublishes: Vec<oneshot::Sender<VolumeAnswer>>,
}

impl Entry {
    pub(super) fn new(volume: UrlVolume, target: PathBuf) -> Self {
        let (publishes, unpublishes) = (Vec::new(), Vec::new());
        let (pod, size) = (VolumePod::default(), VolumeSize::default());
        let sessions = VolumeSessions::default();
        Self { volume, target, pod, size, signing: None, sessions, publishes, unpublishes }
    }

    /// A call waits until the volume is published, but not for longer than this.
    pub(super) fn await_published(&mut self, answer: oneshot::Sender<VolumeAnswer>, until: Instant) {
        self.publishes.push(Waiter { answer, until });
    }

    /// A call waits until the volume is unpublished.
    pub(super) fn await_unpublished(&mut self, answer: oneshot::Sender<VolumeAnswer>) {
        self.unpublishes.push(answer);
    }

    /// Answers the calls that wait until the volume is published, and returns how many.
    pub(super) fn answer_published(&mut self, answer: &VolumeAnswer) -> usize {
        let waiters = std::mem::take(&mut self.publishes);
        waiters.into_iter().filter_map(|waiter| waiter.answer.send(answer.clone()).ok()).count()
    }

    /// Answers the calls that wait until the volume is unpublished.
    pub(super) fn answer_unpublished(&mut self, answer: &VolumeAnswer) {
        for waiter in self.unpublishes.drain(..) {
            let _ = waiter.send(answer.clone());
        }
    }

    /// Answers the calls that have waited for too long, drops those that the kubelet gave up, and returns
    /// whether others wait.
    pub(super) fn has_waiters(&mut self, now: Instant, late: impl Fn(&UrlVolume) -> VolumeFailure) -> bool {
        let waiters = std::mem::take(&mut self.publishes);
        for waiter in waiters {
            if waiter.answer.is_closed() {
                continue;
            }
            if waiter.until <= now {
                let _ = waiter.answer.send(Err(late(&self.volume)));
            } else {
                self.publishes.push(waiter);
            }
        }
        !self.publishes.is_empty()
    }
}

/// What spreads the renewals of volumes: the same for a volume after a restart.
pub(super) fn seed(id: &str) -> u32 {
    let digest = Digest::of(id).to_string();
    u32::from_str_radix(&digest[..8], 16).unwrap_or_default()
}
