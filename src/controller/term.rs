//! What this process forgets when it becomes the leader again.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::controller::context::Context;

/// The term in which this process worked last; see [`Context::begin_term`].
#[derive(Debug, Default)]
pub struct LastTerm(AtomicU64);

impl Context {
    /// Forgets, when a new term begins, what no watch keeps up to date and another leader may have changed: the
    /// failures of sessions, and the Secrets if they are read by name.
    pub fn begin_term(&self, term: u64) {
        if self.last_term.0.swap(term, Ordering::AcqRel) == term {
            return;
        }
        self.sessions.end_failures_of_objects(self.clock.now());
        if self.reads_by_name() {
            for (scope, _) in self.scopes.all() {
                self.issued_secrets.clear(scope);
            }
            self.credentials.clear();
        }
    }
}
