//! How late this machine is, so that its slowness is not taken for the operator's.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(50);
/// A delay that is worth remembering.
const NOTABLE: Duration = Duration::from_millis(100);

/// The delays of a clock that should tick every 50 ms.
#[derive(Default)]
pub struct Lag(Mutex<Vec<(Instant, Duration)>>);

impl Lag {
    /// Ticks in a thread of its own until the process ends.
    pub fn measure(&'static self) {
        std::thread::spawn(|| {
            loop {
                let begun = Instant::now();
                std::thread::sleep(TICK);
                let late = begun.elapsed().saturating_sub(TICK);
                if late > NOTABLE {
                    self.0.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), late));
                }
            }
        });
    }

    /// The sum of the delays between two times.
    pub fn between(&self, from: Instant, to: Instant) -> Duration {
        let delays = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        delays.iter().filter(|(at, _)| *at >= from && *at <= to + TICK).map(|(_, late)| *late).sum()
    }
}
