//! What happened to one object that its next reconcile has to know: failures, contests, and
//! what is waited for. Kept in memory only; losing it costs a few calls and nothing else.

use jiff::Timestamp;

use super::backoff::{LONGEST, backoff};
use super::reason::{FailureReason, IssueReason};
use super::status::Problem;
use super::validity::plus;

/// How long to wait for something that a watch will tell, in case it does not, in seconds.
pub const SAFETY_NET: u32 = 300;

/// What happened to one object. The default is that of an object at rest.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct History {
    failure: Option<Failure>,
    contest: Option<Contest>,
    /// Calls in a row that the API server was too busy for.
    overloads: u32,
    /// Reconciles in a row whose decision was outdated when it was carried out.
    outdated: u32,
    /// Statuses in a row that could not be written.
    unreported: u32,
    awaits: Option<Awaiting>,
}

/// What has to change for a failure to be tried again before its time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Inputs {
    /// Generation of the spec.
    pub generation: Option<i64>,
    /// The token of the renew annotation.
    pub renew: Option<Box<str>>,
    /// Resource version of the Secret with the credentials; 0 while that is not known.
    pub credentials: u64,
}

/// Something that is waited for and told by a watch; the safety net reads it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Awaited {
    /// The Secret with the credentials.
    Credentials,
    /// The target Secret, which somebody else holds.
    Target,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Awaiting {
    what: Awaited,
    /// When it was looked at last.
    since: Timestamp,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Failure {
    inputs: Inputs,
    count: u32,
    problem: Problem,
    wait: Wait,
}

/// Writes that repeat because of what others do, whatever they do and to which Secret.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Contest {
    count: u32,
    wait: Wait,
    /// What the last of them answered: the token of the renew annotation and the generation.
    renew: Option<Box<str>>,
    generation: Option<i64>,
}

/// A time during which something is not tried again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Wait {
    since: Timestamp,
    until: Timestamp,
}

/// Whether a write repeats an earlier one because somebody undid it or changed what it was
/// made from, perhaps again and again. `is_url_ours` is false where somebody put another URL in
/// the place of ours.
#[must_use]
pub fn is_contested(reason: IssueReason, was_issued: bool, is_url_ours: bool) -> bool {
    match reason {
        IssueReason::Missing => was_issued,
        // Somebody can take away the annotation that says that a token was answered. In what
        // the spec gives, the expiration of the credentials has a part.
        IssueReason::Drifted
        | IssueReason::CredentialsChanged
        | IssueReason::Requested
        | IssueReason::SpecChanged => true,
        // Somebody can put an older URL there, again and again.
        IssueReason::Expired | IssueReason::RenewalDue => !is_url_ours,
    }
}

impl History {
    /// Whether there is nothing to remember.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        *self == Self::default()
    }

    /// What is waited for.
    #[must_use]
    pub fn awaits(&self) -> Option<Awaited> {
        self.awaits.map(|awaiting| awaiting.what)
    }

    /// What is waited for and was not looked at for so long that a watch may have missed it,
    /// however often the object was woken meanwhile.
    #[must_use]
    pub fn overdue(&self, now: Timestamp) -> Option<Awaited> {
        let Awaiting { what, since } = self.awaits?;
        (now >= plus(since, SAFETY_NET) || now < since).then_some(what)
    }

    /// The failure that nothing is tried again after at `now`, and until when.
    #[must_use]
    pub fn held(&self, inputs: &Inputs, now: Timestamp) -> Option<(&Problem, Timestamp)> {
        let failure = self.failure.as_ref().filter(|failure| failure.inputs == *inputs)?;
        failure.wait.is_on(now).then_some((&failure.problem, failure.wait.until))
    }

    /// The panic that nothing is tried again after at `now`. It is noted with inputs whose
    /// credentials are not known, since it may have come before they were looked at.
    #[must_use]
    pub fn held_by_panic(&self, inputs: &Inputs, now: Timestamp) -> Option<&Problem> {
        let (problem, _) = self.held(inputs, now)?;
        Some(problem).filter(|problem| problem.reason == FailureReason::InternalError)
    }

    /// Until when a contested write for `reason` has to wait at `now`. A token and an edit that
    /// were not answered yet wait for nothing.
    #[must_use]
    pub fn contested_until(
        &self,
        reason: Option<IssueReason>,
        inputs: &Inputs,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let contest = self.contest.as_ref().filter(|contest| contest.wait.is_on(now))?;
        let is_new = match reason {
            Some(IssueReason::Requested) => contest.renew != inputs.renew,
            Some(IssueReason::SpecChanged) => contest.generation != inputs.generation,
            _ => false,
        };
        (!is_new).then_some(contest.wait.until)
    }

    /// Whether contested writes were sent a short time ago.
    #[must_use]
    pub fn has_contest(&self, now: Timestamp) -> bool {
        self.contest.as_ref().is_some_and(|contest| !contest.is_over(now))
    }

    /// Whether the last decision was outdated when it was carried out.
    #[must_use]
    pub fn was_outdated(&self) -> bool {
        self.outdated > 0
    }

    /// Notes what is waited for, and whether it was looked at just now.
    pub(super) fn set_awaits(&mut self, awaits: Option<Awaited>, has_looked: bool, now: Timestamp) {
        let before = self.awaits.filter(|before| Some(before.what) == awaits && !has_looked);
        self.awaits = before.or(awaits.map(|what| Awaiting { what, since: now }));
    }

    /// Notes a failure at `now`, and says when to try again. `left` is what the stored URL has
    /// left, `at_least` what the API server asked for, both in seconds.
    pub(super) fn failed(
        &mut self,
        inputs: &Inputs,
        problem: &Problem,
        now: Timestamp,
        left: Option<u32>,
        at_least: Option<u32>,
    ) -> Timestamp {
        let before = self.failure.take().filter(|failure| failure.inputs == *inputs);
        let count = before.map_or(0, |failure| failure.count) + 1;
        let wait = Wait::new(now, backoff(count, left).max(at_least.unwrap_or(0).min(LONGEST)));
        self.failure = Some(Failure { inputs: inputs.clone(), count, problem: problem.clone(), wait });
        wait.until
    }

    /// Notes that a contested write was sent at `now`. `left` is what a URL that was written has
    /// left, in seconds.
    pub(super) fn contested(&mut self, inputs: &Inputs, now: Timestamp, left: Option<u32>) {
        let before = self.contest.take().filter(|contest| !contest.is_over(now));
        let count = before.map_or(0, |contest| contest.count) + 1;
        let wait = Wait::new(now, backoff(count, left));
        let (renew, generation) = (inputs.renew.clone(), inputs.generation);
        self.contest = Some(Contest { count, wait, renew, generation });
    }

    /// Notes a reconcile that found what it decided on outdated, and says how many in a row.
    pub(super) fn outdated(&mut self) -> u32 {
        self.outdated += 1;
        self.outdated
    }

    /// Notes a call that the API server was too busy for, and says how many in a row.
    pub(super) fn overloaded(&mut self) -> u32 {
        self.overloads += 1;
        self.overloads
    }

    /// Notes that a status could not be written, and says when to try again. That is no reason to
    /// leave the Secret alone. `left` and `at_least` are those of [`failed`](Self::failed).
    pub(super) fn unreported(
        &mut self,
        now: Timestamp,
        left: Option<u32>,
        at_least: Option<u32>,
    ) -> Timestamp {
        self.unreported += 1;
        let wait = backoff(self.unreported, left).max(at_least.unwrap_or(0).min(LONGEST));
        plus(now, wait)
    }

    /// Notes that the status says how things stand.
    pub fn reported(&mut self) {
        self.unreported = 0;
    }

    /// Notes a reconcile that came to its end.
    pub(super) fn succeeded(&mut self, now: Timestamp) {
        self.failure = None;
        self.overloads = 0;
        self.outdated = 0;
        self.contest = self.contest.take().filter(|contest| !contest.is_over(now));
    }
}

impl Contest {
    /// Whether all has been well for as long as the last write had to wait.
    fn is_over(&self, now: Timestamp) -> bool {
        let Wait { since, until } = self.wait;
        now < since || until.checked_add(until.duration_since(since)).is_ok_and(|over| over <= now)
    }
}

impl Wait {
    fn new(now: Timestamp, seconds: u32) -> Self {
        Self { since: now, until: plus(now, seconds) }
    }

    /// Whether it is on. One that began in the future was planned before the clock was put back.
    fn is_on(&self, now: Timestamp) -> bool {
        self.since <= now && now < self.until
    }
}

#[cfg(test)]
mod tests;
