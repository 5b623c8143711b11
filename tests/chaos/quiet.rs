//! The wait until everything has become well, and the verdict.

use std::time::{Duration, Instant};

use crate::Chaos;
use crate::history::Violation;
use crate::invariants;
use crate::late_writes::Shown;

/// The longest wait for the invariants to hold. Sixteen seconds of backoff after the last
/// failure, as long a one before, and 20 s of a hanging write.
const SETTLED: Duration = Duration::from_secs(75);

/// Until then a write that hangs may still be carried out, so a long run looks again after it.
const HANGING: Duration = Duration::from_secs(20);

/// Waits until all invariants hold, takes down those that do not, and says whether all did.
pub async fn settle(chaos: &Chaos, shown: &mut [Shown]) -> bool {
    let begun = Instant::now();
    let broken = settled(chaos).await;
    println!("quiet for {:?}: {} broken", begun.elapsed(), broken.len());
    let is_well = broken.is_empty();
    let touched = invariants::touched(chaos).await;
    for violation in broken.into_iter().chain(touched) {
        chaos.history.accuse(violation);
    }
    let replicas = chaos.replicas.lock().await;
    for ((number, replica), shown) in replicas.iter().enumerate().zip(shown) {
        let late = shown.judge(number, replica.proxy.take_record(), &replica.pauses, chaos.lag);
        for violation in late {
            chaos.history.accuse(violation);
        }
    }
    is_well
}

/// Whether all invariants hold in time.
pub async fn is_well(chaos: &Chaos) -> bool {
    settled(chaos).await.is_empty()
}

/// What is broken when the time is up, at two looks in a row if possible; nothing as soon as
/// nothing is broken.
async fn settled(chaos: &Chaos) -> Vec<Violation> {
    let begun = Instant::now();
    let earliest = begun + if chaos.is_short { Duration::ZERO } else { HANGING };
    let deadline = begun + SETTLED;
    let mut before = invariants::broken(chaos).await;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = invariants::broken(chaos).await;
        let is_still = |violation: &&Violation| before.iter().any(|old| old.key() == violation.key());
        let still: Vec<_> = now.iter().filter(is_still).cloned().collect();
        if now.is_empty() && Instant::now() >= earliest {
            return now;
        }
        if Instant::now() > deadline {
            return if still.is_empty() { now } else { still };
        }
        before = now;
    }
}
