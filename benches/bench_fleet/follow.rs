//! Follows the statuses that the operator writes.

use std::time::{Duration, Instant};

use super::calls::Calls;
use super::operator::Operator;
use super::result::Writing;
use super::watches::Watch;

/// How long it may take, for each object and at least.
const LIMITS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(300));

/// Many writes in a row, as they come. The time begins with the first of them.
pub(crate) struct Follower<'a> {
    observer: &'a Watch,
    operator: &'a Operator,
    offset: u64,
    deadline: Instant,
    /// Processor time of the operator before the first.
    processor: f64,
    begun: Option<Instant>,
    /// How long, and through how many objects, nobody looked.
    unseen: (Duration, u64),
    /// Seconds, objects done, resident KiB.
    timeline: Vec<(f64, u64, u64)>,
}

impl<'a> Follower<'a> {
    /// From now on, until so many are done.
    pub(crate) fn new(observer: &'a Watch, operator: &'a Operator, objects: u64) -> Self {
        let limit = (LIMITS.0 * u32::try_from(objects).unwrap()).max(LIMITS.1);
        Self {
            observer,
            operator,
            offset: observer.events(),
            deadline: Instant::now() + limit,
            processor: operator.cpu_seconds(),
            begun: None,
            unseen: (Duration::ZERO, 0),
            timeline: Vec::new(),
        }
    }

    /// How many are done.
    pub(crate) fn done(&self) -> u64 {
        self.observer.events() - self.offset
    }

    /// Looks until so many are done.
    pub(crate) async fn until(&mut self, objects: u64) {
        loop {
            let done = self.done();
            if done == 0 {
                self.processor = self.operator.cpu_seconds();
            } else {
                let begun = self.begun.get_or_insert_with(Instant::now);
                let seen = begun.elapsed().saturating_sub(self.unseen.0).as_secs_f64();
                self.timeline.push((seen, done - self.unseen.1, self.operator.memory()));
            }
            if done >= objects {
                return;
            }
            assert!(Instant::now() < self.deadline, "{done} of {objects} in time");
            tokio::time::sleep(Duration::from_millis(if done == 0 { 2 } else { 100 })).await;
        }
    }

    /// Looks away while something else happens.
    pub(crate) async fn pause<T>(&mut self, other: impl Future<Output = T>) -> T {
        let (begun, done) = (Instant::now(), self.timeline.last().map_or(0, |last| last.1) + self.unseen.1);
        let result = other.await;
        self.unseen.0 += begun.elapsed();
        self.unseen.1 += self.done() - done;
        self.deadline += begun.elapsed();
        result
    }

    /// What came of it, without turns and calls.
    pub(crate) fn end(self) -> Writing {
        let (first, last) = (self.timeline[0], self.timeline[self.timeline.len() - 1]);
        Writing {
            objects: last.1 - first.1,
            seconds: last.0 - first.0,
            cpu_seconds: self.operator.cpu_seconds() - self.processor,
            calls: Calls::default(),
            timeline: self.timeline,
            turns: Vec::new(),
        }
    }
}
