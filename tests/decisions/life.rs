//! One `PresignedUrl` through days: what happens to it, and a watch over every second in
//! which its Secret holds no valid URL.

mod reconciles;

use jiff::{SignedDuration, Timestamp};

use crate::arbitrary::{Event, Idle};
use crate::crd::PresignedUrlStatus;
use crate::domain::history::History;
use crate::judge::Issued;
use crate::model::{World, at, credentials};

/// When the operator looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rhythm {
    /// When its last reconcile said so.
    WhenDue,
    /// All the time.
    EverySecond,
}

/// See the head of the file.
#[allow(clippy::struct_excessive_bools, reason = "each is one independent fact")]
pub struct Life {
    pub world: World,
    rhythm: Rhythm,
    is_running: bool,
    is_reachable: bool,
    /// How many seconds the next reconcile takes, and whether it is under way.
    slowness: i64,
    is_busy: bool,
    history: History,
    status: PresignedUrlStatus,
    generation: i64,
    /// How often the credentials changed.
    credentials_version: u64,
    /// Failures in a row, and when the last one was.
    failures: u32,
    failed: Timestamp,
    /// When the API server went away, when it came back, and when anything else happened.
    outage: Timestamp,
    recovery: Timestamp,
    event: Timestamp,
    /// Until when a contested write waits, or waited.
    contested_until: Timestamp,
    /// Until when a failure is not tried again.
    held_until: Option<Timestamp>,
    /// Whether the last reconcile left nothing to do.
    is_settled: bool,
    /// When to reconcile next.
    next: Timestamp,
    /// Reconciles that were due by themselves in this second.
    in_a_second: (Timestamp, u32),
    issued: Option<Issued>,
    /// Since when there is no valid URL in the Secret, if there is none.
    dead_since: Option<Timestamp>,
    mints: u32,
    /// Renewals up to the end of the credentials since they last changed.
    last_renewals: u32,
    /// Seconds that have passed, and those of them with a valid URL.
    passed: i64,
    alive: i64,
}

fn after(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

fn between(from: Timestamp, to: Timestamp) -> i64 {
    to.as_second() - from.as_second()
}

impl Life {
    /// A `PresignedUrl` is created, with credentials that do not expire.
    pub fn begin(seed: u32, expires_in: u32, rhythm: Rhythm) -> Self {
        let mut world = World { seed, ..World::new() };
        world.request.expires_in = expires_in;
        let mut life = Self {
            world,
            rhythm,
            is_running: true,
            is_reachable: true,
            slowness: 0,
            is_busy: false,
            held_until: None,
            is_settled: false,
            history: History::default(),
            status: PresignedUrlStatus::default(),
            generation: 1,
            credentials_version: 1,
            failures: 0,
            failed: at(0),
            outage: at(0),
            recovery: at(0),
            event: at(0),
            contested_until: at(0),
            next: at(0),
            in_a_second: (at(0), 0),
            issued: None,
            dead_since: Some(at(0)),
            mints: 0,
            last_renewals: 0,
            passed: 0,
            alive: 0,
        };
        life.reconcile();
        life
    }

    /// When the stored URL expires.
    pub fn expiration(&self) -> Timestamp {
        self.issued.as_ref().unwrap().validity.expiration_time()
    }

    /// URLs issued so far.
    pub fn mints(&self) -> u32 {
        self.mints
    }

    /// How many seconds have passed, and in how many of them there was a valid URL.
    pub fn seconds(&self) -> (i64, i64) {
        (self.passed, self.alive)
    }

    /// Another session, with so many seconds left.
    pub fn rotate(&mut self, left: Option<i64>) {
        let end = left.map(|left| after(self.world.now, left));
        self.world.credentials = Some(credentials("ROTATED", end));
        self.credentials_version += 1;
        self.wake(true);
    }

    /// Something happens, and the operator is told.
    pub fn happen(&mut self, event: &Event) {
        let now = self.world.now;
        self.last_renewals = 0;
        if !matches!(event, Event::Reachable(_)) {
            self.event = now;
        }
        let mut is_input = false;
        match event {
            Event::Edit(edit) => {
                edit.carry_out(&mut self.world.request);
                self.generation += 1;
                is_input = true;
            }
            Event::Suspend(suspend) => {
                self.world.request.suspend = *suspend;
                self.generation += 1;
                is_input = true;
            }
            Event::Rotate(key) => {
                self.world.credentials = key.map(|key| key.at(now));
                self.credentials_version += 1;
                is_input = true;
            }
            Event::Touch(touch) => touch.carry_out(&mut self.world.server, now),
            Event::Reachable(is_reachable) => {
                // While a retry is pending, it is one and the same outage.
                if self.is_reachable && self.failures == 0 {
                    self.outage = now;
                }
                if *is_reachable && !self.is_reachable {
                    self.recovery = now;
                }
                self.is_reachable = *is_reachable;
            }
            Event::Running(is_running) => {
                let starts = *is_running && !self.is_running;
                self.is_running = *is_running;
                if starts {
                    self.history = History::default();
                    self.wake(true);
                }
                return self.note_death();
            }
            Event::Slow(seconds) => {
                self.slowness = *seconds;
                return;
            }
            Event::Clock(seconds) => {
                let times = [&mut self.world.now, &mut self.failed, &mut self.outage, &mut self.recovery];
                let others = [&mut self.event, &mut self.contested_until];
                for time in times.into_iter().chain(others).chain(&mut self.dead_since) {
                    *time = after(*time, *seconds);
                }
            }
        }
        self.note_death();
        // That the API server is back is for nobody to tell.
        if !matches!(event, Event::Reachable(_)) {
            self.wake(is_input);
        }
    }

    /// Time goes by.
    pub fn idle(&mut self, idle: Idle) {
        let (now, lifetime) = (self.world.now, i64::from(self.world.request.expires_in));
        let expiration = self.issued.as_ref().map(|issued| issued.validity.expiration_time());
        let end = self.world.credentials.as_ref().and_then(|credentials| credentials.expiration);
        let until = |time: Timestamp, seconds| between(now, time) + seconds;
        let seconds = match idle {
            Idle::Seconds(seconds) => seconds,
            Idle::Lifetimes(percentage) => lifetime * percentage / 100,
            Idle::Reconcile(seconds) => until(self.next, seconds),
            Idle::Expiration(seconds) => expiration.map_or(0, |time| until(time, seconds)),
            Idle::Credentials(seconds) => end.map_or(0, |time| until(time, seconds)),
        };
        // More of the same, be it renewals or retries, says nothing new.
        let longest = if self.is_reachable { lifetime * 10 } else { 7200 };
        self.advance(seconds.clamp(0, longest));
    }

    /// So many seconds go by, with all the reconciles that fall due.
    pub fn advance(&mut self, seconds: i64) {
        let end = after(self.world.now, seconds);
        while self.is_running && self.next <= end {
            let (second, count) = self.in_a_second;
            let count = if second == self.world.now.max(self.next) { count + 1 } else { 1 };
            assert!(count <= 3, "reconciles again and again at once");
            self.pass_time(self.next.max(self.world.now));
            self.in_a_second = (self.world.now, count);
            self.reconcile();
        }
        self.pass_time(end.max(self.world.now));
    }

    /// A long time without any trouble.
    pub fn rest(&mut self) {
        self.happen(&Event::Reachable(true));
        self.happen(&Event::Running(true));
        self.advance(1300);
        self.wake(false);
        self.assert_at_rest();
    }

    /// Nothing happens until `end`. Wherever the Secret holds no valid URL meanwhile, there
    /// must be an excuse from the first second on: credentials only get older.
    fn pass_time(&mut self, end: Timestamp) {
        let death = self.dead_since.or_else(|| Some(self.issued.as_ref()?.validity.expiration_time()));
        let gap = death.unwrap_or(self.world.now).max(self.world.now);
        self.passed += between(self.world.now, end);
        self.alive += between(self.world.now, gap.min(end));
        if gap < end {
            let credentials = self.world.credentials.as_ref();
            let cannot_sign =
                credentials.is_none_or(|c| c.expiration.is_some_and(|end| between(gap, end) < 10));
            assert!(
                !self.is_running
                    || self.world.request.suspend
                    || cannot_sign
                    || !self.is_writable()
                    || self.is_busy
                    || self.contested_until > gap
                    || self.is_undone_and_held(gap)
                    || self.could_not_write(gap),
                "no valid URL at {gap}, dead since {death:?}, next reconcile at {}, failed {} times, last at {}",
                self.next,
                self.failures,
                self.failed,
            );
        }
        self.world.now = end;
        self.note_death();
    }

    /// Whether failing writes are an excuse for a gap: the last failure was not so early that
    /// it would have been tried again in time, and the first not so late that a renewal
    /// in time would have been over.
    fn could_not_write(&self, gap: Timestamp) -> bool {
        let death = self.dead_since.unwrap_or(gap);
        let renewal = self
            .issued
            .as_ref()
            .map(|issued| issued.validity.renewal_time(self.world.request.overlap, self.world.seed));
        let wanted = renewal.map_or(self.event, |renewal| renewal.max(self.event));
        self.failures > 0 && between(self.failed, death) <= 2 && between(wanted, self.outage) <= 0
    }

    /// Whether somebody took the URL away before its end, while a failure is not tried again.
    fn is_undone_and_held(&self, gap: Timestamp) -> bool {
        let end = self.issued.as_ref().map(|issued| issued.validity.expiration_time());
        let is_undone = self.dead_since.is_some_and(|death| end.is_none_or(|end| death < end));
        is_undone && self.held_until.is_some_and(|until| until > gap)
    }

    fn note_death(&mut self) {
        let now = self.world.now;
        let is_alive = self
            .issued
            .as_ref()
            .is_some_and(|issued| issued.is_stored(&self.world) && now < issued.validity.expiration_time());
        let expiration = self.issued.as_ref().map_or(now, |issued| issued.validity.expiration_time());
        self.dead_since = if is_alive { None } else { self.dead_since.or(Some(expiration.min(now))) };
    }
}
