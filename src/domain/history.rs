//! The history of one object that its next reconcile needs: failures, contests, and what it waits for.
//! It is kept in memory only. Losing it costs a few requests and nothing else.

mod awaited;

use jiff::Timestamp;

pub use self::awaited::Awaited;
use super::backoff::{MAX_BACKOFF, backoff};
use super::reason::{FailureReason, IssueReason};
use super::status::Problem;
use super::validity::plus;

/// The longest backoff of an object that needs a session, in seconds.
const MAX_WITHOUT_SESSION: u32 = 60;

/// How long an object waits for a watch event before the safety net reconciles it, in seconds.
pub const SAFETY_NET: u32 = 300;

/// The history of one object. The default is that of an object at rest.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct History {
    failure: Option<PastFailure>,
    contest: Option<Contest>,
    /// Reconciles in a row that ended because the API server was overloaded.
    overloads: u32,
    /// Reconciles in a row whose plan was outdated when it was carried out.
    outdated: u32,
    /// Status writes in a row that failed.
    failed_status_writes: u32,
    awaits: Option<Awaiting>,
}

/// The inputs of a reconcile. A change of one of them ends the backoff after a failure.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Inputs {
    /// Generation of the spec.
    pub generation: Option<i64>,
    /// The token of the renew annotation.
    pub renew: Option<Box<str>>,
    /// Resource version of the credentials Secret; 0 while it is unknown.
    pub credentials: u64,
    /// How many sessions were got of those that the object uses, so that a new one ends its backoff.
    pub sessions: u64,
    /// UID and generation of the signer; `None` without one, and while it is unknown.
    pub signer: Option<Box<(String, i64)>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Awaiting {
    what: Awaited,
    /// When the wait began, or when the Secret was last read from the API server.
    since: Timestamp,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct PastFailure {
    inputs: Inputs,
    count: u32,
    problem: Problem,
    wait: Wait,
}

/// Writes that repeat because of what other clients do, to whichever Secret.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Contest {
    count: u32,
    wait: Wait,
    /// The token of the renew annotation and the generation that the last of them handled.
    renew: Option<Box<str>>,
    generation: Option<i64>,
}

/// A period during which something is not tried again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Wait {
    since: Timestamp,
    until: Timestamp,
}

/// The longest backoff after a failure, in seconds. No watch shows that a session can be had again, and a
/// reconcile that asks for one in vain costs nothing.
fn longest(reason: FailureReason) -> u32 {
    match reason {
        FailureReason::CredentialsNotFound
        | FailureReason::CredentialsDenied
        | FailureReason::CredentialsUnavailable => MAX_WITHOUT_SESSION,
        _ => MAX_BACKOFF,
    }
}

/// Whether a write for `reason` repeats an earlier one because another client undid it or changed its
/// inputs, possibly again and again. `is_url_ours` is false when another client wrote over our URL.
#[must_use]
pub fn is_contested(reason: IssueReason, was_issued: bool, is_url_ours: bool) -> bool {
    match reason {
        IssueReason::Missing => was_issued,
        // Another client can remove the annotation with the handled token. A `SpecChanged` can also
        // come from the expiration of the credentials.
        IssueReason::Drifted
        | IssueReason::CredentialsChanged
        | IssueReason::Requested
        | IssueReason::SpecChanged => true,
        // Another client can write an older URL, again and again.
        IssueReason::Expired | IssueReason::RenewalDue => !is_url_ours,
    }
}

impl History {
    /// Whether the history is that of an object at rest, so that it need not be kept.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        *self == Self::default()
    }

    /// What the object waits for.
    #[must_use]
    pub fn awaits(&self) -> Option<Awaited> {
        self.awaits.map(|awaiting| awaiting.what)
    }

    /// What the object waits for, if it was not read for the time of the safety net, so that a watch may
    /// have missed its change. Wakes in between do not matter.
    #[must_use]
    pub fn overdue(&self, now: Timestamp) -> Option<Awaited> {
        let Awaiting { what, since } = self.awaits?;
        (now >= plus(since, SAFETY_NET) || now < since).then_some(what)
    }

    /// The failure whose backoff is on at `now`, and the end of that backoff.
    #[must_use]
    pub fn backoff(&self, inputs: &Inputs, now: Timestamp) -> Option<(&Problem, Timestamp)> {
        let failure = self.failure.as_ref().filter(|failure| failure.inputs == *inputs)?;
        failure.wait.is_on(now).then_some((&failure.problem, failure.wait.until))
    }

    /// The panic whose backoff is on at `now`. A panic is noted with inputs of unknown credentials,
    /// because it may happen before the credentials are read.
    #[must_use]
    pub fn panic_backoff(&self, inputs: &Inputs, now: Timestamp) -> Option<&Problem> {
        let (problem, _) = self.backoff(inputs, now)?;
        Some(problem).filter(|problem| problem.reason == FailureReason::InternalError)
    }

    /// Until when a contested write for `reason` has to wait; `None` when it need not wait at `now`. A
    /// renew token or an edit of the spec that was not handled yet never waits.
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

    /// Whether contested writes were sent recently.
    #[must_use]
    pub fn has_contest(&self, now: Timestamp) -> bool {
        self.contest.as_ref().is_some_and(|contest| !contest.is_over(now))
    }

    /// Whether the last plan was outdated when it was carried out.
    #[must_use]
    pub fn was_outdated(&self) -> bool {
        self.outdated > 0
    }

    /// Notes what the object waits for, and whether this reconcile read it from the API server.
    pub(super) fn set_awaits(&mut self, awaits: Option<Awaited>, has_read: bool, now: Timestamp) {
        let before = self.awaits.filter(|before| Some(before.what) == awaits && !has_read);
        self.awaits = before.or(awaits.map(|what| Awaiting { what, since: now }));
    }

    /// Notes a failure at `now`, and returns when to try again. `left` is the time that the stored URL
    /// has left, and `at_least` the wait that the API server asks for, both in seconds.
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
        let wait = backoff(count, left).min(longest(problem.reason));
        let wait = Wait::new(now, wait.max(at_least.unwrap_or(0).min(MAX_BACKOFF)));
        self.failure = Some(PastFailure { inputs: inputs.clone(), count, problem: problem.clone(), wait });
        wait.until
    }

    /// Notes that a contested write was sent at `now`. `left` is the lifetime of a new URL, in seconds. The
    /// wait does not grow with edits of the spec: they are no contest, and a person makes several in a row.
    pub(super) fn contested(&mut self, inputs: &Inputs, now: Timestamp, left: Option<u32>) {
        let before = self.contest.take().filter(|contest| !contest.is_over(now));
        let count = before.map_or(1, |contest| {
            let is_edit = contest.generation != inputs.generation;
            contest.count + u32::from(!is_edit)
        });
        let wait = Wait::new(now, backoff(count, left));
        let (renew, generation) = (inputs.renew.clone(), inputs.generation);
        self.contest = Some(Contest { count, wait, renew, generation });
    }

    /// Notes a reconcile whose plan was outdated, and returns the number of these in a row.
    pub(super) fn outdated(&mut self) -> u32 {
        self.outdated += 1;
        self.outdated
    }

    /// Notes a request that an overloaded API server refused, and returns the number of these in a row.
    pub(super) fn overloaded(&mut self) -> u32 {
        self.overloads += 1;
        self.overloads
    }

    /// Notes that a status could not be written, and returns when to try again. This backoff does not
    /// hold back writes of the Secret. `left` and `at_least` are those of [`failed`](Self::failed).
    pub(super) fn status_not_written(
        &mut self,
        now: Timestamp,
        left: Option<u32>,
        at_least: Option<u32>,
    ) -> Timestamp {
        self.failed_status_writes += 1;
        let wait = backoff(self.failed_status_writes, left).max(at_least.unwrap_or(0).min(MAX_BACKOFF));
        plus(now, wait)
    }

    /// Notes that the status is up to date.
    pub fn status_is_current(&mut self) {
        self.failed_status_writes = 0;
    }

    /// Notes a reconcile that did not fail.
    pub(super) fn succeeded(&mut self, now: Timestamp) {
        self.failure = None;
        self.overloads = 0;
        self.outdated = 0;
        self.contest = self.contest.take().filter(|contest| !contest.is_over(now));
    }
}

impl Contest {
    /// Whether, after the wait of the last write, as much time again has passed without another one.
    fn is_over(&self, now: Timestamp) -> bool {
        let Wait { since, until } = self.wait;
        now < since || until.checked_add(until.duration_since(since)).is_ok_and(|over| over <= now)
    }
}

impl Wait {
    fn new(now: Timestamp, seconds: u32) -> Self {
        Self { since: now, until: plus(now, seconds) }
    }

    /// Whether the wait is on. A wait that begins in the future was planned before the clock was set
    /// back, and does not count.
    fn is_on(&self, now: Timestamp) -> bool {
        self.since <= now && now < self.until
    }
}

#[cfg(test)]
mod tests;
