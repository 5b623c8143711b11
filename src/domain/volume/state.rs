//! The state of one volume: what to do after each event, and when to look again.
//!
//! The shell carries out the effects and reports how each ended. It has at most one job at a time for a
//! volume, so nothing is written after the volume was unmounted. Every volume has a job in flight, or a time
//! at which `tick` begins one, or is forgotten: none can be lost.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{VolumeFailure, VolumeFile, VolumeInputs, VolumePlan, VolumeReason, VolumeTimes};
use crate::domain::backoff::backoff;
use crate::domain::reason::IssueReason;

/// A URL signed further in the future than this, in seconds, was signed with a wrong clock.
const MAX_CLOCK_SKEW: i64 = 300;

/// The signed URLs of a volume.
#[derive(Clone, Debug)]
pub struct SignedVolume {
    /// The files.
    pub files: Vec<VolumeFile>,
    /// When the URLs work.
    pub times: VolumeTimes,
}

/// What the shell must do.
#[derive(Clone, Debug)]
pub enum VolumeEffect {
    /// Sign what [`Volume::work`] returns, and report [`Volume::signed`] with this number.
    Sign(u64),
    /// Abort the job that signs.
    StopSigning,
    /// Keep the inputs for a restart.
    Keep,
    /// Keep the inputs, mount the folder if needed, and write the files; report [`Volume::written`].
    Write(SignedVolume),
    /// Forget the inputs, and unmount and remove the folder; report [`Volume::unmounted`].
    Unmount,
    /// Answer every call that waits for the volume to be published.
    AnswerPublish(Result<(), VolumeFailure>),
    /// Answer every call that waits for the volume to be unpublished.
    AnswerUnpublish(Result<(), VolumeFailure>),
    /// Log and count what happened.
    Note(VolumeNote),
    /// Drop the volume.
    Forget,
}

/// What happened, for logs and metrics.
#[derive(Clone, Debug)]
pub enum VolumeNote {
    /// New URLs are in place.
    Issued {
        /// Why.
        reason: IssueReason,
        /// When they work.
        times: VolumeTimes,
        /// How many seconds after the planned renewal that was; `None` if none was planned.
        lag: Option<i64>,
    },
    /// No new URLs could be had.
    Failed {
        /// Why.
        failure: VolumeFailure,
        /// Whether the attempts before had not failed.
        is_new: bool,
    },
    /// The kubelet brought something that cannot be used, and the URLs stay.
    Kept(VolumeFailure),
    /// The folder could not be unmounted.
    Stuck(VolumeFailure),
}

/// Why nothing was signed.
#[derive(Clone, Debug)]
pub enum SignFault {
    /// The folder of the volume is gone, and with it the pod.
    Gone,
    /// What is wrong.
    Failure(VolumeFailure),
}

/// How a volume fares, for metrics.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, strum::IntoStaticStr, strum::VariantArray)]
pub enum VolumeState {
    /// The first URLs are not there yet.
    Starting,
    /// The URLs are valid.
    Serving,
    /// The URLs are valid, and half of the time between renewal and expiry has passed.
    Late,
    /// A URL has expired.
    Expired,
    /// The volume is being unmounted.
    Ending,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum VolumeStage {
    Idle,
    Signing(u64),
    Writing(VolumeTimes),
    Unmounting,
}

/// Why a volume ends.
#[derive(Clone, Debug)]
enum VolumeEnd {
    /// The kubelet asked for it, or the pod is gone.
    Asked,
    /// The first URLs could not be had.
    Failed(VolumeFailure),
}

#[derive(Clone, Debug)]
struct PublishedVolume {
    inputs: Arc<VolumeInputs>,
    plan: Result<Arc<VolumePlan>, VolumeFailure>,
}

/// One volume.
#[derive(Debug)]
pub struct Volume {
    published: Option<PublishedVolume>,
    stage: VolumeStage,
    /// The URLs in the folder; `None` if there are none.
    issued: Option<VolumeTimes>,
    /// Why URLs are signed, now or next.
    reason: IssueReason,
    /// Whether what is in flight is no longer what is asked for.
    is_outdated: bool,
    failures: u32,
    retry_at: Option<Timestamp>,
    failure: Option<VolumeFailure>,
    end: Option<VolumeEnd>,
    jobs: u64,
}

type Effects = Vec<VolumeEffect>;

impl Volume {
    /// A volume of which nothing is known.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            published: None,
            stage: VolumeStage::Idle,
            issued: None,
            reason: IssueReason::Missing,
            is_outdated: false,
            failures: 0,
            retry_at: None,
            failure: None,
            end: None,
            jobs: 0,
        }
    }

    /// A volume that was published before a restart. `issued` are the URLs that are proven to be in its
    /// folder.
    #[must_use]
    pub fn adopted(
        inputs: VolumeInputs,
        plan: Result<VolumePlan, VolumeFailure>,
        issued: VolumeTimes,
    ) -> Self {
        let published = PublishedVolume { inputs: Arc::new(inputs), plan: plan.map(Arc::new) };
        Self { published: Some(published), issued: Some(issued), ..Self::unknown() }
    }

    /// What is to be signed; `None` if that is not known.
    ///
    /// # Errors
    /// Why the inputs cannot be used.
    #[must_use]
    pub fn work(&self) -> Option<(Arc<VolumeInputs>, Result<Arc<VolumePlan>, VolumeFailure>)> {
        self.published.as_ref().map(|published| (published.inputs.clone(), published.plan.clone()))
    }

    /// What the kubelet said about the volume.
    #[must_use]
    pub fn inputs(&self) -> Option<&VolumeInputs> {
        self.published.as_ref().map(|published| &*published.inputs)
    }

    /// The URLs in the folder.
    #[must_use]
    pub fn issued(&self) -> Option<VolumeTimes> {
        self.issued
    }

    /// Why the last attempt failed.
    #[must_use]
    pub fn failure(&self) -> Option<&VolumeFailure> {
        self.failure.as_ref()
    }

    /// How the volume fares.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> VolumeState {
        match self.issued {
            _ if self.end.is_some() => VolumeState::Ending,
            None => VolumeState::Starting,
            Some(times) if !times.are_alive(now) => VolumeState::Expired,
            Some(times) if times.are_late(now) => VolumeState::Late,
            Some(_) => VolumeState::Serving,
        }
    }

    fn is_alive(&self, now: Timestamp) -> bool {
        self.issued.is_some_and(|times| times.are_alive(now))
    }

    /// The kubelet publishes the volume, for the first time or again. `is_in_place` says whether the folder
    /// is as the driver made it.
    #[must_use]
    pub fn publish(
        &mut self,
        inputs: VolumeInputs,
        plan: Result<VolumePlan, VolumeFailure>,
        is_in_place: bool,
        now: Timestamp,
    ) -> Effects {
        if self.end.is_some() {
            return vec![VolumeEffect::AnswerPublish(Err(ending()))];
        }
        if !is_in_place {
            self.issued = None;
        }
        let is_alive = self.is_alive(now);
        match plan {
            Err(failure) if is_alive => {
                vec![VolumeEffect::Note(VolumeNote::Kept(failure)), VolumeEffect::AnswerPublish(Ok(()))]
            }
            Err(failure) if self.issued.is_none() && self.stage == VolumeStage::Idle => {
                self.finish(VolumeEnd::Failed(failure))
            }
            Err(failure) => vec![VolumeEffect::AnswerPublish(Err(failure))],
            Ok(plan) => self.take(inputs, plan, is_alive),
        }
    }

    /// Takes what the kubelet brought, which is valid.
    fn take(&mut self, inputs: VolumeInputs, plan: VolumePlan, is_alive: bool) -> Effects {
        let before = self.published.as_ref();
        let is_same_plan = before.is_some_and(|PublishedVolume { inputs: old, plan: old_plan }| {
            old_plan.as_ref().is_ok_and(|old_plan| **old_plan == plan) && old.fs_group == inputs.fs_group
        });
        let is_other_plan = !is_same_plan;
        let has_other_token = before.is_none_or(|before| before.inputs.tokens != inputs.tokens);
        let is_other_input = is_other_plan || has_other_token;
        self.published = Some(PublishedVolume { inputs: Arc::new(inputs), plan: Ok(Arc::new(plan)) });
        let mut effects = Vec::new();
        // Before there are URLs, nothing is kept: the kubelet publishes such a volume again.
        if is_other_input && self.issued.is_some() {
            effects.push(VolumeEffect::Keep);
        }
        let is_failing = self.failures > 0;
        if is_other_plan || !is_alive || (is_failing && is_other_input) {
            let reason = match self.issued {
                None => IssueReason::Missing,
                Some(_) if !is_alive => IssueReason::Expired,
                Some(_) if is_other_plan => IssueReason::CredentialsChanged,
                Some(_) => IssueReason::RenewalDue,
            };
            effects.extend(self.begin(reason, is_other_plan));
        }
        if is_alive {
            effects.push(VolumeEffect::AnswerPublish(Ok(())));
        }
        effects
    }

    /// The kubelet unpublishes the volume.
    #[must_use]
    pub fn unpublish(&mut self) -> Effects {
        let mut effects = vec![VolumeEffect::AnswerPublish(Err(ending()))];
        effects.extend(self.finish(VolumeEnd::Asked));
        effects
    }

    /// Looks whether something is due. `has_waiters` says whether a call waits for the volume to be
    /// published.
    #[must_use]
    pub fn tick(&mut self, now: Timestamp, has_waiters: bool) -> Effects {
        let is_due = |time: Option<Timestamp>| time.is_none_or(|time| time <= now);
        // The kubelet gave up, so it might never unpublish what is mounted from now on.
        if self.issued.is_none() && self.end.is_none() && !has_waiters {
            return self.finish(VolumeEnd::Asked);
        }
        if self.stage != VolumeStage::Idle {
            return Vec::new();
        }
        match (self.issued, &self.end) {
            (_, Some(_)) if is_due(self.retry_at) => self.unmount(),
            (_, Some(_)) => Vec::new(),
            (None, None) if is_due(self.retry_at) => self.start(),
            (Some(times), None) if is_due(Some(self.retry_at.unwrap_or(times.renewal_time))) => {
                let is_alive = times.are_alive(now);
                self.begin(if is_alive { IssueReason::RenewalDue } else { IssueReason::Expired }, false)
            }
            (Some(times), None) if self.retry_at.is_none() && is_of_future(times, now) => {
                self.begin(IssueReason::Drifted, false)
            }
            (_, None) => Vec::new(),
        }
    }

    /// A job that signs has ended. The result of an aborted one is ignored.
    #[must_use]
    pub fn signed(
        &mut self,
        job: u64,
        outcome: Result<SignedVolume, SignFault>,
        now: Timestamp,
    ) -> Effects {
        if self.stage != VolumeStage::Signing(job) {
            return Vec::new();
        }
        match outcome {
            Ok(signed) if self.gains(signed.times, now) => {
                self.stage = VolumeStage::Writing(signed.times);
                vec![VolumeEffect::Write(signed)]
            }
            Ok(_) => self.fail(no_gain(), now),
            Err(SignFault::Gone) => {
                self.stage = VolumeStage::Idle;
                self.finish(VolumeEnd::Asked)
            }
            Err(SignFault::Failure(failure)) => self.fail(failure, now),
        }
    }

    /// Whether new URLs live longer than those in the folder, where that is the reason to sign.
    fn gains(&self, times: VolumeTimes, now: Timestamp) -> bool {
        let is_routine = self.reason == IssueReason::RenewalDue;
        let is_longer =
            self.issued.is_none_or(|current| times.expiration_time > current.expiration_time);
        times.are_alive(now) && (is_longer || !is_routine)
    }

    /// The job that writes has ended.
    #[must_use]
    pub fn written(&mut self, outcome: Result<(), VolumeFailure>, now: Timestamp) -> Effects {
        let VolumeStage::Writing(times) = self.stage else { return Vec::new() };
        self.stage = VolumeStage::Idle;
        let mut effects = Vec::new();
        match outcome {
            Ok(()) => {
                let planned = self.issued.map(|issued| issued.renewal_time);
                let lag = planned.filter(|_| self.reason == IssueReason::RenewalDue);
                let lag = lag.map(|planned| now.duration_since(planned).as_secs());
                effects.push(VolumeEffect::Note(VolumeNote::Issued { reason: self.reason, times, lag }));
                self.issued = Some(times);
                (self.failures, self.retry_at, self.failure) = (0, None, None);
                if self.end.is_none() {
                    effects.push(VolumeEffect::AnswerPublish(Ok(())));
                }
            }
            Err(failure) if self.end.is_none() => effects.extend(self.fail(failure, now)),
            Err(_) => {}
        }
        if self.end.is_some() {
            if self.stage == VolumeStage::Idle {
                effects.extend(self.unmount());
            }
        } else if self.is_outdated && self.stage == VolumeStage::Idle {
            effects.extend(self.start());
        }
        effects
    }

    /// The job that unmounts has ended.
    #[must_use]
    pub fn unmounted(&mut self, outcome: Result<(), VolumeFailure>, now: Timestamp) -> Effects {
        if self.stage != VolumeStage::Unmounting {
            return Vec::new();
        }
        self.stage = VolumeStage::Idle;
        let mut effects = Vec::new();
        if let Some(VolumeEnd::Failed(failure)) = &self.end {
            effects.push(VolumeEffect::AnswerPublish(Err(failure.clone())));
            self.end = Some(VolumeEnd::Asked);
        }
        match &outcome {
            Ok(()) => effects.extend([VolumeEffect::AnswerUnpublish(Ok(())), VolumeEffect::Forget]),
            Err(failure) => {
                self.back_off(None, now);
                effects.push(VolumeEffect::Note(VolumeNote::Stuck(failure.clone())));
                effects.push(VolumeEffect::AnswerUnpublish(outcome));
            }
        }
        effects
    }

    /// The job in flight ended without a result, which is a bug.
    #[must_use]
    pub fn broke(&mut self, now: Timestamp) -> Effects {
        let bug = VolumeFailure::temporary(
            VolumeReason::InternalError,
            "a bug in the driver: report it with the line from its log",
        );
        match self.stage {
            VolumeStage::Idle => Vec::new(),
            VolumeStage::Signing(job) => self.signed(job, Err(SignFault::Failure(bug)), now),
            VolumeStage::Writing(_) => self.written(Err(bug), now),
            VolumeStage::Unmounting => self.unmounted(Err(bug), now),
        }
    }

    /// Signs, now or when what is in flight has ended.
    fn begin(&mut self, reason: IssueReason, is_other: bool) -> Effects {
        match self.stage {
            VolumeStage::Idle => {
                self.reason = reason;
                self.start()
            }
            VolumeStage::Signing(_) if is_other => {
                self.reason = reason;
                let mut effects = vec![VolumeEffect::StopSigning];
                effects.extend(self.start());
                effects
            }
            VolumeStage::Writing(_) if is_other => {
                self.is_outdated = true;
                Vec::new()
            }
            VolumeStage::Signing(_) | VolumeStage::Writing(_) | VolumeStage::Unmounting => Vec::new(),
        }
    }

    fn start(&mut self) -> Effects {
        if self.is_outdated {
            self.reason = IssueReason::CredentialsChanged;
            self.is_outdated = false;
        }
        self.jobs += 1;
        self.stage = VolumeStage::Signing(self.jobs);
        vec![VolumeEffect::Sign(self.jobs)]
    }

    /// Ends the volume, now or when what is in flight has ended.
    fn finish(&mut self, end: VolumeEnd) -> Effects {
        self.end = Some(end);
        match self.stage {
            VolumeStage::Idle => self.unmount(),
            VolumeStage::Signing(_) => {
                let mut effects = vec![VolumeEffect::StopSigning];
                effects.extend(self.unmount());
                effects
            }
            VolumeStage::Writing(_) | VolumeStage::Unmounting => Vec::new(),
        }
    }

    fn unmount(&mut self) -> Effects {
        self.stage = VolumeStage::Unmounting;
        vec![VolumeEffect::Unmount]
    }

    /// Notes that no new URLs could be had.
    fn fail(&mut self, failure: VolumeFailure, now: Timestamp) -> Effects {
        self.stage = VolumeStage::Idle;
        let left = self.issued.and_then(|times| times.left(now));
        let is_new = self.failures == 0;
        self.back_off(left, now);
        self.failure = Some(failure.clone());
        let note = VolumeEffect::Note(VolumeNote::Failed { failure: failure.clone(), is_new });
        let mut effects = vec![note];
        if failure.is_temporary || left.is_some() {
            return effects;
        }
        if self.issued.is_none() && !self.is_outdated {
            effects.extend(self.finish(VolumeEnd::Failed(failure)));
        } else {
            effects.push(VolumeEffect::AnswerPublish(Err(failure)));
        }
        effects
    }

    fn back_off(&mut self, left: Option<u32>, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        let wait = SignedDuration::from_secs(i64::from(backoff(self.failures, left)));
        self.retry_at = Some(now.checked_add(wait).unwrap_or(now));
    }
}

/// Whether URLs were signed with a clock that was ahead, so that the store does not accept them yet.
fn is_of_future(times: VolumeTimes, now: Timestamp) -> bool {
    times.signing_time.duration_since(now).as_secs() > MAX_CLOCK_SKEW
}

fn ending() -> VolumeFailure {
    VolumeFailure::temporary(
        VolumeReason::CredentialsUnavailable,
        "the volume is being unmounted: the kubelet tries again",
    )
}

fn no_gain() -> VolumeFailure {
    VolumeFailure::temporary(
        VolumeReason::CredentialsExpired,
        "the credentials expire so soon that a new URL would not live longer: renew them",
    )
}

#[cfg(test)]
mod tests;
