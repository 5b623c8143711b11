//! The jobs of the volumes, each in a task of its own, so that no volume waits for another.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use super::calls::VolumeAnswer;
use super::folder::{FolderError, VolumeFolders};
use super::signing::{Signing, SigningWork};
use crate::domain::volume::{SignJobFailure, SignedVolume, VolumeFailure, VolumeReason};

/// How long signing may take, with all calls of an STS or of the signing service.
const SIGNING: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) enum JobEnd {
    /// The job with this number has signed, or not.
    Signed(u64, Result<SignedVolume, SignJobFailure>),
    /// The files were written, or not.
    Written(VolumeAnswer),
    /// The folder was unmounted and removed, or not.
    Unmounted(VolumeAnswer),
    /// The job panicked.
    Broke,
}

/// The jobs in flight.
#[derive(Debug, Default)]
pub(super) struct VolumeJobs {
    tasks: JoinSet<JobEnd>,
    volumes: HashMap<Id, String>,
}

impl VolumeJobs {
    /// Waits for the next job that ends, and returns the id of its volume. `None` for one that was aborted.
    /// Never resolves while there are none.
    pub(super) async fn ended(&mut self) -> Option<(String, JobEnd)> {
        match self.tasks.join_next_with_id().await {
            Some(Ok((task, end))) => Some((self.volumes.remove(&task)?, end)),
            Some(Err(error)) => self.broke(&error),
            None => std::future::pending().await,
        }
    }

    fn broke(&mut self, error: &JoinError) -> Option<(String, JobEnd)> {
        let id = self.volumes.remove(&error.id())?;
        error.is_panic().then_some((id, JobEnd::Broke))
    }

    /// How many jobs are in flight.
    pub(super) fn count(&self) -> usize {
        self.tasks.len()
    }

    pub(super) fn sign(
        &mut self,
        id: &str,
        job: u64,
        signing: Arc<Signing>,
        work: SigningWork,
    ) -> AbortHandle {
        self.start(id, async move {
            let signed = tokio::time::timeout(SIGNING, signing.sign(work)).await;
            JobEnd::Signed(job, signed.unwrap_or_else(|_| Err(SignJobFailure::Failure(too_long()))))
        })
    }

    /// Reports a failure in place of signing.
    pub(super) fn refuse(&mut self, id: &str, job: u64, failure: VolumeFailure) {
        self.start(id, async move { JobEnd::Signed(job, Err(SignJobFailure::Failure(failure))) });
    }

    /// Writes the files.
    pub(super) fn write(
        &mut self,
        id: &str,
        folders: Arc<VolumeFolders>,
        target: PathBuf,
        fs_group: Option<u32>,
        signed: SignedVolume,
    ) {
        self.start_blocking(id, move || {
            JobEnd::Written(folders.write(&target, fs_group, &signed.files).map_err(failed))
        });
    }

    /// Unmounts the folder, and removes it.
    pub(super) fn unmount(&mut self, id: &str, target: PathBuf) {
        self.start_blocking(id, move || JobEnd::Unmounted(VolumeFolders::remove(&target).map_err(failed)));
    }

    fn start(&mut self, id: &str, job: impl Future<Output = JobEnd> + Send + 'static) -> AbortHandle {
        let handle = self.tasks.spawn(job);
        self.volumes.insert(handle.id(), id.to_owned());
        handle
    }

    fn start_blocking(&mut self, id: &str, job: impl FnOnce() -> JobEnd + Send + 'static) {
        let handle = self.tasks.spawn_blocking(job);
        self.volumes.insert(handle.id(), id.to_owned());
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
fn failed(error: FolderError) -> VolumeFailure {
    VolumeFailure::temporary(VolumeReason::VolumeError, error.to_string())
}

fn too_long() -> VolumeFailure {
    let message = "the STS or the signing service takes too long: check that it can be reached from the node";
    VolumeFailure::temporary(VolumeReason::CredentialsUnavailable, message)
}
