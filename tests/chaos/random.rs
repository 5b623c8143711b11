//! Numbers without a pattern, the same for the same seed.

use fastrand::Rng;

/// A generator of numbers.
#[derive(Clone)]
pub struct Random(Rng);

impl Random {
    /// The generator of one part of a run.
    pub fn new(seed: u64, part: u64) -> Self {
        Self(Rng::with_seed(seed ^ part.wrapping_mul(0xd134_2543_de82_ef95)))
    }

    pub fn number(&mut self) -> u64 {
        self.0.u64(..)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0.u64(..end)
    }

    pub fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        self.0.shuffle(list);
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        self.0.choice(from)
    }
}
