//! The loop that owns the volumes: it passes events to the state of each volume, and carries out the effects.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::calls::VolumeCall;
use super::entry::{Entry, seed};
use super::folder::VolumeFolders;
use super::jobs::{JobEnd, VolumeJobs};
use super::metrics::DriverMetrics;
use super::notes::{note_down, too_late};
use super::records::{KeptVolume, VolumeRecords};
use super::signing::{Signing, SigningWork};
use super::takeover::{found, shown};
use crate::domain::volume::{
    UrlVolume, VolumeEffect, VolumeFailure, VolumeInputs, VolumePlan, VolumePod, VolumeReason,
    VolumeSettings, VolumeSize, VolumeTimes,
};
use crate::runtime::{Clock, Probes};

/// How often all volumes are checked. Times of day are compared each time, so a jump of the clock is
/// noticed at once.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How long the kubelet waits for the first URLs at most. It would give up after two minutes.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(30);

/// What the loop works with.
#[derive(Debug)]
pub(super) struct DriverParts {
    pub(super) volumes: VolumeSettings,
    pub(super) clock: Clock,
    pub(super) folders: Arc<VolumeFolders>,
    pub(super) records: VolumeRecords,
    pub(super) signing: Arc<Signing>,
    pub(super) metrics: DriverMetrics,
    pub(super) probes: Probes,
}

/// The loop and its volumes.
#[derive(Debug)]
pub(super) struct Driver {
    parts: DriverParts,
    volumes: HashMap<String, Entry>,
    jobs: VolumeJobs,
}

impl Driver {
    pub(super) fn new(parts: DriverParts) -> Self {
        Self { parts, volumes: HashMap::new(), jobs: VolumeJobs::default() }
    }

    /// Takes over the volumes that were published before a restart. Those whose URLs are due are signed by
    /// the first tick. One whose files are not those that were kept is left to the kubelet, which publishes
    /// it again.
    pub(super) fn adopt(&mut self) {
        for KeptVolume { id, inputs, times } in self.parts.records.all() {
            let target = PathBuf::from(&inputs.target);
            let plan = VolumePlan::parse(&inputs, &self.parts.volumes);
            let is_whole =
                self.parts.folders.is_target(&inputs.target) && VolumeFolders::is_in_place(&target);
            if !is_whole {
                tracing::debug!(namespace = inputs.pod.namespace, name = inputs.pod.name, "not adopted");
                self.forget_record(&id);
                continue;
            }
            if let Err(failure) = &plan {
                let VolumePod { namespace, name, .. } = &inputs.pod;
                tracing::warn!(namespace, name, "the URLs of a volume are not renewed: {failure}");
            }
            let times = plan.as_ref().map_or(times, |plan| shown(&target, plan, times));
            let pod = inputs.pod.clone();
            let size =
                plan.as_ref().map_or_else(|_| VolumeSize::default(), |plan| VolumeSize::of(&inputs, plan));
            let mut entry = Entry::new(UrlVolume::adopted(inputs, plan, times), target);
            (entry.pod, entry.size) = (pod, size);
            self.volumes.insert(id, entry);
        }
        if !self.volumes.is_empty() {
            tracing::info!(volumes = self.volumes.len(), "took over volumes from before the restart");
        }
        self.count();
    }

    /// Runs until `stop` resolves, and then until the jobs that write have ended.
    pub(super) async fn run(
        mut self,
        mut calls: mpsc::Receiver<VolumeCall>,
        stop: impl Future<Output = ()> + Send,
    ) {
        let mut ticks = tokio::time::interval(CHECK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(call) = calls.recv() => self.take(call),
                ended = self.jobs.ended() => self.end(ended),
                _ = ticks.tick() => self.tick(),
            }
            self.count();
        }
        for entry in self.volumes.values_mut() {
            if let Some(signing) = entry.signing.take() {
                signing.abort();
            }
        }
        while self.jobs.count() > 0 {
            let _ = self.jobs.ended().await;
        }
    }

    fn take(&mut self, call: VolumeCall) {
        let now = self.parts.clock.now();
        match call {
            VolumeCall::Publish { id, target, pod, inputs, is_in_place, answer } => {
                let target = PathBuf::from(target);
                let entry = self.volumes.entry(id.clone()).or_insert_with(|| {
                    let volume = if is_in_place { found(&target, now) } else { UrlVolume::unknown() };
                    Entry::new(volume, target.clone())
                });
                if entry.target != target {
                    let message =
                        "target_path: the volume is published in another folder: unpublish it there";
                    let failure = VolumeFailure::lasting(VolumeReason::InvalidAttributes, message);
                    let _ = answer.send(Err(failure));
                    return;
                }
                entry.pod = pod;
                entry.await_published(answer, Instant::now() + PUBLISH_TIMEOUT);
                let asked = self.asked(&id, inputs);
                let Some(entry) = self.volumes.get_mut(&id) else { return };
                let effects = entry.volume.publish(asked, is_in_place, now);
                self.carry_out(&id, effects);
            }
            VolumeCall::Unpublish { id, target, answer } => {
                let target = PathBuf::from(target);
                let entry = self
                    .volumes
                    .entry(id.clone())
                    .or_insert_with(|| Entry::new(UrlVolume::unknown(), target.clone()));
                // The folder that the kubelet names is the one that it waits for.
                entry.target = target;
                entry.await_unpublished(answer);
                let effects = entry.volume.unpublish();
                self.carry_out(&id, effects);
            }
        }
    }

    /// What a volume asks for, if it is valid and there is room for it.
    fn asked(
        &mut self,
        id: &str,
        inputs: Result<Box<VolumeInputs>, VolumeFailure>,
    ) -> Result<(VolumeInputs, VolumePlan), VolumeFailure> {
        let inputs = inputs?;
        let plan = VolumePlan::parse(&inputs, &self.parts.volumes)?;
        let size = VolumeSize::of(&inputs, &plan);
        let of_namespace = |(known, entry): (&String, &Entry)| {
            (known != id && entry.pod.namespace == inputs.pod.namespace).then_some(entry.size)
        };
        let others = self.volumes.iter().filter_map(of_namespace);
        let is_new = self.volumes.get(id).is_none_or(|entry| entry.volume.issued().is_none());
        if is_new {
            size.check_beside(others)?;
        }
        if let Some(entry) = self.volumes.get_mut(id) {
            entry.size = size;
        }
        Ok((*inputs, plan))
    }

    fn end(&mut self, ended: Option<(String, JobEnd)>) {
        let Some((id, end)) = ended else { return };
        let now = self.parts.clock.now();
        let Some(entry) = self.volumes.get_mut(&id) else { return };
        let effects = match end {
            JobEnd::Signed(job, outcome) => entry.volume.signed(job, outcome, now),
            JobEnd::Written(outcome) => entry.volume.written(outcome, now),
            JobEnd::Unmounted(outcome) => entry.volume.unmounted(outcome, now),
            JobEnd::Broke => entry.volume.broke(now),
        };
        self.carry_out(&id, effects);
    }

    fn tick(&mut self) {
        self.parts.probes.beat();
        let (now, instant) = (self.parts.clock.now(), Instant::now());
        let end = |entry: &Entry| entry.volume.issued().map(|times| times.expiration_time);
        let mut ids: Vec<_> = self.volumes.iter().map(|(id, entry)| (end(entry), id.clone())).collect();
        // After an outage, those that expire first are signed first.
        ids.sort_unstable();
        for (_, id) in ids {
            let Some(entry) = self.volumes.get_mut(&id) else { continue };
            let has_waiters = entry.has_waiters(instant, too_late);
            let effects = entry.volume.tick(now, has_waiters);
            self.carry_out(&id, effects);
        }
    }

    fn carry_out(&mut self, id: &str, effects: Vec<VolumeEffect>) {
        for effect in effects {
            self.carry_out_one(id, effect);
        }
    }

    fn carry_out_one(&mut self, id: &str, effect: VolumeEffect) {
        let Some(entry) = self.volumes.get_mut(id) else { return };
        let folders = self.parts.folders.clone();
        match effect {
            VolumeEffect::Sign(job) => {
                let now = self.parts.clock.now();
                match work(entry, id, now) {
                    Ok(work) => {
                        entry.signing = Some(self.jobs.sign(id, job, self.parts.signing.clone(), work));
                    }
                    Err(failure) => self.jobs.refuse(id, job, failure),
                }
            }
            VolumeEffect::StopSigning => {
                if let Some(signing) = entry.signing.take() {
                    signing.abort();
                }
            }
            VolumeEffect::Keep(times) => {
                if let Some(inputs) = entry.volume.inputs() {
                    keep(&self.parts.records, id, inputs, times);
                }
            }
            VolumeEffect::Write(signed) => {
                let Some(inputs) = entry.volume.inputs() else { return };
                // Before the files: a process that is killed in between signs again.
                keep(&self.parts.records, id, inputs, signed.times);
                self.jobs.write(id, folders, entry.target.clone(), inputs.fs_group, signed);
            }
            VolumeEffect::Unmount => {
                let target = entry.target.clone();
                self.forget_record(id);
                self.jobs.unmount(id, target);
            }
            VolumeEffect::AnswerPublish(answer) => drop(entry.answer_published(&answer)),
            VolumeEffect::AnswerUnpublish(answer) => entry.answer_unpublished(&answer),
            VolumeEffect::Note(note) => note_down(&self.parts.metrics, &entry.pod, &note),
            VolumeEffect::Forget => drop(self.volumes.remove(id)),
        }
    }

    fn forget_record(&self, id: &str) {
        if let Err(error) = self.parts.records.remove(id) {
            tracing::warn!(%error, "cannot remove what was kept of a volume");
        }
    }

    fn count(&self) {
        let now = self.parts.clock.now();
        self.parts.metrics.count(self.volumes.values().map(|entry| entry.volume.state(now)));
    }
}

/// What the job that signs needs.
fn work(entry: &Entry, id: &str, now: Timestamp) -> Result<SigningWork, VolumeFailure> {
    let missing = || VolumeFailure::lasting(VolumeReason::InternalError, "a bug in the driver: report it");
    let (inputs, plan) = entry.volume.work().ok_or_else(missing)?;
    let current = entry.volume.issued().filter(|times| times.are_alive(now));
    let longer_than = current.map(|times| times.expiration_time);
    Ok(SigningWork { inputs, plan: plan?, sessions: entry.sessions.clone(), longer_than, seed: seed(id) })
}

fn keep(records: &VolumeRecords, id: &str, inputs: &VolumeInputs, times: VolumeTimes) {
    if let Err(error) = records.put(id, inputs, times) {
        let VolumePod { namespace, name, .. } = &inputs.pod;
        tracing::warn!(namespace, name, %error, "cannot keep what a restart needs: a restart renews later");
    }
}
