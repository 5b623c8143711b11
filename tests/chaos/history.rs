//! What happened, with times, so that a failure can be told whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What everything has in common: a fault of the run.
pub const EVERYWHERE: &str = "";
/// How much of a namespace's past a failure tells, and as much that is older but about the
/// object.
const TOLD: usize = 30;
/// How many failures of one rule are told whole.
const TOLD_FAILURES: usize = 3;
/// How many are named at all: a store that went back breaks hundreds.
const NAMED_FAILURES: usize = 12;

/// A broken invariant.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Violation {
    /// The letter of the invariant and what it says.
    pub rule: &'static str,
    pub namespace: String,
    pub object: String,
    pub detail: String,
}

impl Violation {
    pub fn new(rule: &'static str, namespace: &str, object: &str, detail: impl Into<String>) -> Self {
        Self { rule, namespace: namespace.to_owned(), object: object.to_owned(), detail: detail.into() }
    }

    /// What makes two of them one.
    pub fn key(&self) -> (&'static str, String, String) {
        (self.rule, self.namespace.clone(), self.object.clone())
    }
}

/// When, in which namespace, what.
type Line = (Duration, String, String);

/// What happened so far.
pub struct History {
    begun: Instant,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    lines: Vec<Line>,
    counts: BTreeMap<String, u64>,
    violations: Vec<Violation>,
    known: BTreeSet<(&'static str, String, String)>,
}

impl History {
    pub fn new() -> Self {
        Self { begun: Instant::now(), told: Mutex::default() }
    }

    /// Notes what happened in a namespace, or [`EVERYWHERE`].
    pub fn note(&self, namespace: &str, what: impl Into<String>) {
        let at = self.begun.elapsed();
        self.lock().lines.push((at, namespace.to_owned(), what.into()));
    }

    /// Counts something for the end.
    pub fn count(&self, what: &str) {
        self.add(what, 1);
    }

    /// Counts several.
    pub fn add(&self, what: &str, number: usize) {
        *self.lock().counts.entry(what.to_owned()).or_default() += u64::try_from(number).expect("small");
    }

    /// Whether these things happened so often together; prints what did not. Without them a run has shown
    /// nothing.
    pub fn has_at_least(&self, least: u64, what: &[&str]) -> bool {
        let told = self.lock();
        let count: u64 = what.iter().filter_map(|what| told.counts.get(*what)).sum();
        if count < least {
            println!("IDLE {} happened {count} times, and not {least}", what.join(", "));
        }
        count >= least
    }

    /// Whether one thing happened a tenth as often as others at most; prints it if not.
    pub fn has_at_most_a_tenth(&self, what: &str, of: &[&str]) -> bool {
        let told = self.lock();
        let count = |what: &str| told.counts.get(what).copied().unwrap_or_default();
        let (count, all) = (count(what), of.iter().map(|what| count(what)).sum::<u64>());
        if count * 10 > all {
            println!("IDLE {what}: {count} times, and {all} things were done");
        }
        count * 10 <= all
    }

    /// Takes down a broken invariant, and prints it with what had happened before, once.
    pub fn accuse(&self, violation: Violation) {
        let mut told = self.lock();
        if !told.known.insert(violation.key()) {
            return;
        }
        let Violation { rule, namespace, object, detail } = &violation;
        let before = told.violations.iter().filter(|before| before.rule == *rule).count();
        if before < NAMED_FAILURES {
            let now = self.begun.elapsed().as_secs_f64();
            println!("{now:8.2} BROKEN {rule}: {namespace}/{object}: {detail}");
        }
        if before < TOLD_FAILURES {
            let is_meant = |line: &&Line| line.1 == *namespace || line.1 == EVERYWHERE;
            let mut lines = told.lines.iter().rev().filter(is_meant);
            let mut last: Vec<_> = lines.by_ref().take(TOLD).collect();
            let is_about_it = |line: &&Line| line.2.split([' ', ',', ':']).any(|word| word == object);
            last.extend(lines.filter(is_about_it).take(TOLD));
            for (at, place, what) in last.iter().rev() {
                let place = if place == EVERYWHERE { "everywhere" } else { place };
                println!("    {:8.2} {place}: {what}", at.as_secs_f64());
            }
        }
        told.violations.push(violation);
    }

    /// Prints the sums, and says whether every invariant held.
    pub fn conclude(&self) -> bool {
        let told = self.lock();
        println!("\nwhat happened: {:?}", told.counts);
        let mut broken = BTreeMap::<&str, u64>::new();
        for violation in &told.violations {
            *broken.entry(violation.rule).or_default() += 1;
        }
        for (rule, count) in &broken {
            println!("BROKEN {count:4} times: {rule}");
        }
        broken.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
