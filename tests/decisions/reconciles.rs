//! The operator: plans when a reconcile is due, writes, fails and waits, with a judge behind it.

use jiff::Timestamp;

use super::{Life, Rhythm, after, between};
use crate::domain::finish::{Done, Finish, Interruption, Next, Outcome, ReportContext, finish};
use crate::domain::history::Inputs;
use crate::domain::plan::{Action, Plan};
use crate::domain::reason::{Disposition, FailureReason, IssueReason};
use crate::domain::status::{Problem, Progress, ReportedUrl, next_status};
use crate::domain::{Ownership, Validity};
use crate::judge::{self, Issued};
use crate::model::{World, owner, sign};

impl Life {
    /// Wakes the operator; a change of what it acts on ends its backoff.
    pub(super) fn wake(&mut self, is_input: bool) {
        if is_input {
            self.failures = 0;
        }
        if self.is_running {
            self.reconcile();
        }
    }

    /// One reconcile.
    pub(super) fn reconcile(&mut self) {
        let inputs = Inputs {
            generation: Some(self.generation),
            renew: self.world.request.renew.as_deref().map(Into::into),
            credentials: self.credentials_version,
            sessions: 0,
            signer: None,
        };
        let plan = self.world.plan(&self.history, &inputs, self.status.signing_time.is_some());
        self.judge(&plan, &inputs);
        self.contested_until = plan.contested_until.unwrap_or(self.contested_until);
        let slowness = std::mem::take(&mut self.slowness);
        if slowness > 0 {
            self.is_busy = true;
            self.pass_time(after(self.world.now, slowness));
            (self.is_busy, self.event) = (false, self.world.now);
        }
        let result = self.carry_out(&plan);
        let is_right = result.is_ok() && slowness == 0;
        let outcome = Outcome { ended_at: self.world.now, result, prune_at: None };
        let context = ReportContext { generation: Some(self.generation), ..ReportContext::default() };
        let finish = finish(&plan, &outcome, &self.history, context);
        self.check_history(&plan, &finish);
        self.take_in(&plan, &inputs, &finish);
        if is_right {
            self.assert_settled(&plan);
        }
        self.assert_in_time(&plan);
    }

    /// Whether the operator may write the Secret.
    pub(super) fn is_writable(&self) -> bool {
        let stored = self.world.stored();
        stored.is_none_or(|it| Ownership::of(&it, &owner()) == Ownership::Ours && !it.is_fixed)
    }

    /// Whether the plan does what is right, or nothing where it has to wait.
    fn judge(&self, plan: &Plan, inputs: &Inputs) {
        let now = self.world.now;
        if !self.is_writable() {
            assert!(
                matches!(&plan.progress, Progress::Failed(p) if p.reason == FailureReason::SecretConflict)
            );
            return assert_eq!(plan.action, Action::Nothing);
        }
        let decision = self.world.decide();
        judge::assert_right(&self.world, self.issued.as_ref(), decision);
        let waits = self.history.backoff(inputs, now).is_some() || plan.contested_until.is_some();
        let expected = judge::action(decision, self.world.server.get().is_some());
        assert!(plan.action == expected || (waits && plan.action == Action::Nothing), "{plan:?}");
        if let (Some(_), Progress::Failed(problem)) = (plan.contested_until, &plan.progress) {
            assert_eq!(problem.disposition, Disposition::Retry, "a contest stalls nothing");
        }
    }

    fn carry_out(&mut self, plan: &Plan) -> Result<Done, Interruption> {
        let (rendered, validity) = match plan.action {
            Action::Nothing | Action::GetSession { .. } => return Ok(Done::Nothing),
            _ if !self.is_reachable => {
                let problem = Problem::new(FailureReason::ApiError, "out of reach".to_owned());
                return Err(Interruption::Failed { problem, retry_after: None });
            }
            Action::End { .. } => panic!("ends a URL that is renewed"),
            Action::Repair => (self.world.rendered().unwrap(), None),
            Action::Create { validity, .. } | Action::Replace { validity, .. } => {
                (self.world.fresh(validity), Some(validity))
            }
        };
        if let Some((validity, reason)) = validity.zip(plan.action.reason()) {
            self.record(reason, validity);
        }
        let before = self.world.server.get();
        self.world.write(rendered, plan.reads_first).unwrap();
        assert_ne!(before, self.world.server.get(), "writes what is there already");
        let url_key = &self.world.request.target.url_key;
        self.issued.as_mut().unwrap().url_key.clone_from(url_key);
        self.note_death();
        let World { request, credentials, seed, .. } = &self.world;
        Ok(validity.map_or(Done::Repaired, |validity| {
            Done::Issued(ReportedUrl::new(request, validity, credentials.as_ref(), *seed))
        }))
    }

    /// Counts a new URL, and sees to it that a renewal comes neither too soon after the last one
    /// nor, where it could have come in time, after the expiry.
    fn record(&mut self, reason: IssueReason, validity: Validity) {
        self.mints += 1;
        let world = &self.world;
        if let Some(issued) = &self.issued {
            let (before, expiration) = (issued.validity, issued.validity.expiration_time());
            if reason == IssueReason::RenewalDue {
                let age = between(before.signing_time, world.now);
                assert!(age >= i64::from(before.lifetime) / 6, "renewed after {age} s");
            }
            if reason == IssueReason::Expired {
                let able = self.event.max(self.recovery).max(self.contested_until);
                assert!(
                    between(able, expiration) <= 2,
                    "only renewed at its end, {expiration}, though nothing was in the way since {able}"
                );
            }
        }
        let handled = self.issued.take().filter(|_| world.server.get().is_some()).and_then(|i| i.handled);
        let credentials = world.credentials.clone().unwrap();
        let url = judge::written(&sign(&world.request, &credentials, validity));
        self.issued = Some(Issued {
            request: world.request.clone(),
            credentials,
            url,
            validity,
            handled: world.request.renew.clone().or(handled),
            url_key: String::new(),
        });
        let end = world.credentials.as_ref().and_then(|credentials| credentials.expiration);
        let is_last = end.is_some_and(|end| end == validity.expiration_time());
        self.last_renewals += u32::from(is_last && reason == IssueReason::RenewalDue);
        assert!(self.last_renewals <= 1, "an expiring session is signed again and again");
    }

    /// What is remembered must be what happened.
    fn check_history(&mut self, plan: &Plan, finish: &Finish) {
        let now = self.world.now;
        match &finish.report.as_ref().unwrap().progress {
            Progress::Failed(problem) if plan.action != Action::Nothing => {
                (self.failures, self.failed) = (self.failures + 1, now);
                assert!(finish.history.backoff(&plan.inputs, now).is_some(), "{problem:?} is not remembered");
            }
            Progress::Failed(_) => {}
            _ => {
                self.failures = 0;
                assert_eq!(finish.history.backoff(&plan.inputs, now), None);
            }
        }
        if plan.action != Action::Nothing && plan.is_contested {
            let was_written = !matches!(finish.report.as_ref().unwrap().progress, Progress::Failed(_));
            assert_eq!(finish.history.has_contest(now), was_written || self.history.has_contest(now));
        }
    }

    fn take_in(&mut self, plan: &Plan, inputs: &Inputs, finish: &Finish) {
        let now = self.world.now;
        let report = finish.report.as_ref().unwrap();
        self.status = next_status(&self.status, report, now);
        self.history = finish.history.clone();
        self.held_until = self.history.backoff(inputs, now).map(|(_, until)| until);
        self.is_settled = report.progress == Progress::UpToDate && plan.contested_until.is_none();
        self.next = match finish.next {
            Next::At(time) => time,
            // Every change is told here, so the safety net finds nothing.
            Next::OnChange(time) => time.unwrap_or(Timestamp::MAX),
        };
        if self.rhythm == Rhythm::EverySecond {
            self.next = self.next.min(after(now, 1));
        }
    }

    /// What was written or kept is right: nothing is missing, and nothing else is to be done.
    fn assert_settled(&self, plan: &Plan) {
        if plan.progress == Progress::UpToDate && plan.contested_until.is_none() {
            assert_eq!(judge::missing_from(&self.world), Vec::<String>::new());
        }
        if plan.action != Action::Nothing && !plan.reads_first {
            let next = self.world.decide();
            judge::assert_right(&self.world, self.issued.as_ref(), next);
            let has_end = plan.action == Action::Repair;
            assert!(judge::is_quiet(next, has_end), "{:?} is followed by {next:?}", plan.action);
        }
    }

    /// The next reconcile is never later than the renewal or the expiry, which it was not made
    /// for already.
    fn assert_in_time(&self, plan: &Plan) {
        let Some(issued) = self.issued.as_ref().filter(|_| self.dead_since.is_none()) else { return };
        if !self.is_writable() || self.rhythm == Rhythm::EverySecond {
            return;
        }
        let (request, validity) = (&self.world.request, issued.validity);
        let renewal = validity.renewal_time(request.overlap, self.world.seed);
        let is_ahead = |time: &Timestamp| *time > plan.made_at;
        let times = [validity.expiration_time(), renewal];
        let planned = times.into_iter().take(if request.suspend { 1 } else { 2 }).filter(is_ahead).min();
        assert!(planned.is_none_or(|planned| self.next <= planned), "{} is after {planned:?}", self.next);
    }

    /// A long time after the last trouble nothing of it is remembered.
    pub(super) fn assert_at_rest(&self) {
        assert!(!self.is_settled || self.history.is_at_rest(), "{:?}", self.history);
    }
}
