//! The calls of the kubelet on their way to the loop that owns the volumes.

use tokio::sync::{mpsc, oneshot};

use crate::domain::volume::{VolumeFailure, VolumeInputs, VolumePod, VolumeReason};

/// How many calls can wait for the loop, which takes microseconds for each.
const MAX_CALLS: usize = 1024;

pub(super) type VolumeAnswer = Result<(), VolumeFailure>;

/// A call of the kubelet.
#[derive(Debug)]
pub(super) enum VolumeCall {
    /// Publish a volume, for the first time or again.
    Publish {
        id: String,
        /// Its folder.
        target: String,
        /// The pod, as far as the kubelet says it.
        pod: VolumePod,
        /// What the kubelet says about it, or why that cannot be used.
        inputs: Result<Box<VolumeInputs>, VolumeFailure>,
        /// Whether the folder is as the driver made it.
        is_in_place: bool,
        /// Takes the answer.
        answer: oneshot::Sender<VolumeAnswer>,
    },
    Unpublish {
        id: String,
        /// Its folder.
        target: String,
        /// Takes the answer.
        answer: oneshot::Sender<VolumeAnswer>,
    },
}

/// Passes calls to the loop.
#[derive(Clone, Debug)]
pub(super) struct VolumeCalls(mpsc::Sender<VolumeCall>);

impl VolumeCalls {
    /// The calls, and where the loop receives them.
    pub(super) fn new() -> (Self, mpsc::Receiver<VolumeCall>) {
        let (sender, receiver) = mpsc::channel(MAX_CALLS);
        (Self(sender), receiver)
    }

    /// Passes a call, and waits for the answer. When the kubelet gives up, the loop goes on.
    pub(super) async fn make(
        &self,
        call: impl FnOnce(oneshot::Sender<VolumeAnswer>) -> VolumeCall,
    ) -> VolumeAnswer {
        let (sender, answer) = oneshot::channel();
        self.0.send(call(sender)).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }
}

fn stopping() -> VolumeFailure {
    let message = "the driver is stopping: the kubelet tries again";
    VolumeFailure::temporary(VolumeReason::CredentialsUnavailable, message)
}
