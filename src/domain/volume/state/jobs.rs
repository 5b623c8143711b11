//! How a volume goes on when a job of it ends, and how the next one begins.

use jiff::{SignedDuration, Timestamp};

use super::{Effects, UrlVolume, VolumeEnd, VolumeStage};
use crate::domain::backoff::backoff;
use crate::domain::reason::IssueReason;
use crate::domain::volume::{
    SignJobFailure, SignedVolume, VolumeEffect, VolumeFailure, VolumeNote, VolumeReason, VolumeTimes,
};

impl UrlVolume {
    /// A job that signs has ended. The result of an aborted one is ignored.
    #[must_use]
    pub fn signed(
        &mut self,
        job: u64,
        outcome: Result<SignedVolume, SignJobFailure>,
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
            Err(SignJobFailure::Gone) => {
                self.stage = VolumeStage::Idle;
                let mut effects = vec![VolumeEffect::AnswerPublish(Err(pod_gone()))];
                effects.extend(self.finish(VolumeEnd::Asked));
                effects
            }
            Err(SignJobFailure::Failure(failure)) => self.fail(failure, now),
        }
    }

    /// Whether new URLs live longer than those in the folder, where that is the reason to sign.
    fn gains(&self, times: VolumeTimes, now: Timestamp) -> bool {
        let is_routine = self.reason == IssueReason::RenewalDue;
        let is_longer = self.issued.is_none_or(|current| times.expiration_time > current.expiration_time);
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
            VolumeStage::Signing(job) => self.signed(job, Err(SignJobFailure::Failure(bug)), now),
            VolumeStage::Writing(_) => self.written(Err(bug), now),
            VolumeStage::Unmounting => self.unmounted(Err(bug), now),
        }
    }

    /// Signs, now or when what is in flight has ended.
    pub(super) fn begin(&mut self, reason: IssueReason, is_other: bool) -> Effects {
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

    pub(super) fn start(&mut self) -> Effects {
        if self.is_outdated {
            self.reason = IssueReason::CredentialsChanged;
            self.is_outdated = false;
        }
        self.jobs += 1;
        self.stage = VolumeStage::Signing(self.jobs);
        vec![VolumeEffect::Sign(self.jobs)]
    }

    /// Ends the volume, now or when what is in flight has ended.
    pub(super) fn finish(&mut self, end: VolumeEnd) -> Effects {
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

    pub(super) fn unmount(&mut self) -> Effects {
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
            effects.push(self.refuse(failure));
        }
        effects
    }

    fn back_off(&mut self, left: Option<u32>, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        let wait = SignedDuration::from_secs(i64::from(backoff(self.failures, left)));
        self.retry_at = Some(now.checked_add(wait).unwrap_or(now));
    }
}

fn pod_gone() -> VolumeFailure {
    VolumeFailure::temporary(
        VolumeReason::VolumeError,
        "the pod is gone: the kubelet has removed the folder of its volume",
    )
}

fn no_gain() -> VolumeFailure {
    VolumeFailure::temporary(
        VolumeReason::CredentialsExpired,
        "the credentials expire so soon that a new URL would not live longer: renew them",
    )
}
