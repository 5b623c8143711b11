//! How many questions are open: those that wait, run, or are asked again.

use std::collections::HashMap;

/// How many questions may be open.
pub(super) const MOST_OPEN: usize = 10_000;

/// The open questions of each namespace.
#[derive(Debug, Default)]
pub(super) struct OpenQuestions {
    all: usize,
    by_namespace: HashMap<String, usize>,
}

impl OpenQuestions {
    /// Whether a namespace may open another one: it has fewer than there is room for. So one namespace gets
    /// half of the room, and several that want everything still leave some to others.
    pub(super) fn has_room(&self, namespace: &str) -> bool {
        let own = self.by_namespace.get(namespace).copied().unwrap_or_default();
        own < MOST_OPEN.saturating_sub(self.all)
    }

    pub(super) fn add(&mut self, namespace: &str) {
        self.all += 1;
        *self.by_namespace.entry(namespace.to_owned()).or_default() += 1;
    }

    pub(super) fn remove(&mut self, namespace: &str) {
        let Some(count) = self.by_namespace.get_mut(namespace) else { return };
        self.all -= 1;
        *count -= 1;
        if *count == 0 {
            self.by_namespace.remove(namespace);
        }
    }

    /// How many there are in all.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.all
    }
}
