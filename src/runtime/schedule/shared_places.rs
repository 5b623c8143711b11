//! A bounded number of places that flows share, so that one flow cannot take all of them.

use std::collections::HashMap;

/// How many places each flow holds.
#[derive(Debug, Default)]
pub struct SharedPlaces {
    all: usize,
    by_flow: HashMap<String, usize>,
}

impl SharedPlaces {
    /// Whether a flow may take another one of `places`: it holds fewer than are left. So one flow gets half of
    /// the places, and several that want everything still leave some to others.
    #[must_use]
    pub fn has_capacity(&self, flow: &str, places: usize) -> bool {
        let own = self.by_flow.get(flow).copied().unwrap_or_default();
        own < places.saturating_sub(self.all)
    }

    /// Notes that a flow took a place.
    pub fn add(&mut self, flow: &str) {
        self.all += 1;
        *self.by_flow.entry(flow.to_owned()).or_default() += 1;
    }

    /// Notes that a flow left a place.
    pub fn remove(&mut self, flow: &str) {
        let Some(count) = self.by_flow.get_mut(flow) else { return };
        self.all -= 1;
        *count -= 1;
        if *count == 0 {
            self.by_flow.remove(flow);
        }
    }

    /// How many places are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.all
    }
}
