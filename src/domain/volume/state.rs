//! The state of one volume: what to do after each event, and when to look again.
//!
//! The shell carries out the effects and reports how each ended. It has at most one job at a time for a
//! volume, so nothing is written after the volume was unmounted. Every volume has a job in flight, or a time
//! at which `tick` begins one, or is forgotten: none can be lost.

mod jobs;

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    VolumeEffect, VolumeFailure, VolumeInputs, VolumeNote, VolumePlan, VolumeReason, VolumeState, VolumeTimes,
};
use crate::domain::decision::MAX_CLOCK_SKEW;
use crate::domain::reason::IssueReason;

/// No attempt is further away than this, in seconds, unless the clock was set back.
const MAX_WAIT: i64 = 600;

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
pub struct UrlVolume {
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

impl UrlVolume {
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

    /// A volume of which only the files in its folder are known, so that a pod may read them. They are due at
    /// once, and end with the pod only. `expiration_time` is `None` if the files do not say it.
    #[must_use]
    pub fn found(expiration_time: Option<Timestamp>, now: Timestamp) -> Self {
        let expiration_time = expiration_time.unwrap_or(now);
        let issued = VolumeTimes { signing_time: now, renewal_time: now, expiration_time };
        Self { issued: Some(issued), ..Self::unknown() }
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

    /// The kubelet publishes the volume, for the first time or again. `asked` is what it brought, or why that
    /// cannot be used, and `is_in_place` says whether the folder is as the driver made it.
    #[must_use]
    pub fn publish(
        &mut self,
        asked: Result<(VolumeInputs, VolumePlan), VolumeFailure>,
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
        let failure = match asked {
            Ok((inputs, plan)) => return self.take(inputs, plan, is_alive),
            Err(failure) => failure,
        };
        if is_alive {
            return vec![VolumeEffect::Note(VolumeNote::Kept(failure)), VolumeEffect::AnswerPublish(Ok(()))];
        }
        let note = VolumeNote::Failed { failure: failure.clone(), is_new: self.failure.is_none() };
        let mut effects = vec![VolumeEffect::Note(note)];
        if self.issued.is_none() && self.stage == VolumeStage::Idle {
            effects.extend(self.finish(VolumeEnd::Failed(failure)));
        } else {
            self.failure = Some(failure.clone());
            effects.push(self.refuse(failure));
        }
        effects
    }

    /// Answers that the volume cannot be published. Where something is mounted, the kubelet must not take that
    /// for the last word: it would forget the mount.
    fn refuse(&self, failure: VolumeFailure) -> VolumeEffect {
        let is_written = self.issued.is_some() || matches!(self.stage, VolumeStage::Writing(_));
        let is_temporary = failure.is_temporary || is_written;
        VolumeEffect::AnswerPublish(Err(VolumeFailure { is_temporary, ..failure }))
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
        let is_failing = self.failures > 0;
        // Before there are URLs, nothing is kept: the kubelet publishes such a volume again.
        if let Some(times) = self.issued.filter(|_| is_other_input) {
            // A restart must sign what has not been signed yet.
            let is_due = is_other_plan || is_failing;
            let renewal_time = if is_due { times.signing_time } else { times.renewal_time };
            effects.push(VolumeEffect::Keep(VolumeTimes { renewal_time, ..times }));
        }
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
        let has_come = |time: Timestamp| time <= now || time.duration_since(now).as_secs() > MAX_WAIT;
        let is_due = self.retry_at.is_none_or(has_come);
        // The kubelet gave up, so it might never unpublish what is mounted from now on.
        if self.issued.is_none() && self.end.is_none() && !has_waiters {
            return self.finish(VolumeEnd::Asked);
        }
        if self.stage != VolumeStage::Idle || !is_due {
            return Vec::new();
        }
        match (self.issued, &self.end) {
            (_, Some(_)) => self.unmount(),
            (None, None) => self.start(),
            // What to sign is not known until the kubelet publishes the volume again.
            (Some(_), None) if self.published.is_none() => Vec::new(),
            (Some(times), None) if self.retry_at.is_some() || times.renewal_time <= now => {
                let is_alive = times.are_alive(now);
                self.begin(if is_alive { IssueReason::RenewalDue } else { IssueReason::Expired }, false)
            }
            (Some(times), None) if is_of_future(times, now) => self.begin(IssueReason::Drifted, false),
            _ => Vec::new(),
        }
    }
}

/// Whether URLs were signed with a clock that was ahead, so that the store does not accept them yet.
fn is_of_future(times: VolumeTimes, now: Timestamp) -> bool {
    times.signing_time.duration_since(now).as_secs() > i64::from(MAX_CLOCK_SKEW)
}

fn ending() -> VolumeFailure {
    VolumeFailure::temporary(
        VolumeReason::CredentialsUnavailable,
        "the volume is being unmounted: the kubelet tries again",
    )
}

#[cfg(test)]
mod tests;
