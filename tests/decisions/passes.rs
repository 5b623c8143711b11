//! The operator: looks when it is due, writes, fails and waits, with a judge behind it.

use jiff::Timestamp;

use super::{Life, Rhythm, after, between};
use crate::domain::backoff::backoff;
use crate::domain::decision::{Decision, Obstacle};
use crate::domain::reason::IssueReason;
use crate::judge::{self, Issued};

impl Life {
    /// Wakes the operator; a change of what it acts on resets its backoff.
    pub(super) fn wake(&mut self, is_input: bool) {
        if is_input {
            self.failures = 0;
        }
        if self.is_running {
            self.pass();
        }
    }

    /// The operator looks once.
    pub(super) fn pass(&mut self) {
        let decision = self.world.decide();
        judge::assert_right(&self.world, self.issued.as_ref(), decision);
        match decision {
            Decision::Keep { until } => self.settle(until),
            Decision::Wait { obstacle: Obstacle::Suspended } => self.settle(Timestamp::MAX),
            Decision::Wait { obstacle: Obstacle::AwaitingCredentials } => {
                self.settle(self.issued.as_ref().unwrap().validity.expiration_time());
            }
            Decision::Wait { obstacle: Obstacle::NoCredentials | Obstacle::CredentialsExpired(_) } => {
                self.wait_for_change();
            }
            Decision::Repair | Decision::Issue { .. } if self.is_reachable => self.write(decision),
            Decision::Repair | Decision::Issue { .. } => self.fail(),
        }
        if self.rhythm == Rhythm::EverySecond {
            self.look = after(self.world.now, 1);
        }
    }

    fn write(&mut self, decision: Decision) {
        if let Decision::Issue { reason, validity } = decision {
            self.record(reason);
            let world = &self.world;
            let handled = self.issued.take().filter(|_| world.server.get().is_some()).and_then(|i| i.handled);
            self.issued = Some(Issued {
                request: world.request.clone(),
                credentials: world.credentials.clone().unwrap(),
                validity,
                handled: world.request.renew.clone().or(handled),
                url_key: String::new(),
            });
            let end = world.credentials.as_ref().and_then(|credentials| credentials.expiration);
            let is_last = end.is_some_and(|end| end == validity.expiration_time());
            self.last_renewals += u32::from(is_last && reason == IssueReason::RenewalDue);
            assert!(self.last_renewals <= 1, "an expiring session is signed again and again");
        }
        let before = self.world.server.get();
        self.world.act(decision);
        assert_ne!(before, self.world.server.get(), "writes what is there already");
        let url_key = &self.world.request.target.url_key;
        self.issued.as_mut().unwrap().url_key.clone_from(url_key);
        self.failures = 0;
        self.note_death();
        // What was written is right, so the next look is at its renewal.
        let next = self.world.decide();
        judge::assert_right(&self.world, self.issued.as_ref(), next);
        match next {
            Decision::Keep { until } => self.settle(until),
            Decision::Wait { obstacle: Obstacle::AwaitingCredentials } if decision == Decision::Repair => {
                self.settle(self.issued.as_ref().unwrap().validity.expiration_time());
            }
            Decision::Wait { obstacle: Obstacle::CredentialsExpired(_) } if decision == Decision::Repair => {
                self.wait_for_change();
            }
            _ => panic!("{decision:?} is followed by {next:?}"),
        }
    }

    /// Counts a mint, and sees to it that a renewal comes neither too soon after the last
    /// one nor, where it could have come in time, after the expiry.
    fn record(&mut self, reason: IssueReason) {
        self.mints += 1;
        let Some(issued) = &self.issued else { return };
        let (validity, expiration) = (issued.validity, issued.validity.expiration_time());
        if reason == IssueReason::RenewalDue {
            let age = between(validity.signing_time, self.world.now);
            assert!(age >= i64::from(validity.lifetime) / 6, "renewed after {age} s");
        }
        if reason == IssueReason::Expired {
            let able = self.event.max(self.recovery);
            assert!(
                between(able, expiration) <= 2,
                "only renewed at its end, {expiration}, though nothing was in the way since {able}"
            );
        }
    }

    /// All is well until `until`: nothing is missing from the Secret.
    fn settle(&mut self, until: Timestamp) {
        self.failures = 0;
        self.look = until;
        if !self.world.request.suspend {
            assert_eq!(judge::missing_from(&self.world), Vec::<String>::new());
        }
    }

    /// Without credentials, only a change of them can help; and the URL is looked at when it
    /// expires.
    fn wait_for_change(&mut self) {
        let expiration = self.issued.as_ref().map(|issued| issued.validity.expiration_time());
        self.look = expiration.filter(|end| *end > self.world.now).unwrap_or(Timestamp::MAX);
    }

    /// It is tried again, sooner the less time the stored URL has left; and looked at when
    /// that expires.
    fn fail(&mut self) {
        let now = self.world.now;
        self.failures += 1;
        self.failed = now;
        let expiration = self.issued.as_ref().map(|issued| issued.validity.expiration_time());
        let left = expiration.filter(|_| self.dead_since.is_none()).map(|end| between(now, end));
        let wait = backoff(self.failures, left.and_then(|left| u32::try_from(left).ok()));
        self.look = after(now, i64::try_from(wait.as_secs()).unwrap());
        if let Some(end) = expiration.filter(|end| *end > now) {
            self.look = self.look.min(end);
        }
    }
}
