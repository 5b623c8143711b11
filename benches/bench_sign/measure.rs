//! Processor time and allocations of a piece of work.

use std::fs;

/// How long a round lasts at least, in seconds of processor time.
const ROUND: f64 = 0.5;
/// How many calls stand between two looks at the time.
const BATCH: u64 = 500;

/// Seconds of processor time for each call.
pub(crate) fn seconds_each(work: &mut dyn FnMut(u64)) -> f64 {
    let begin = processor_seconds();
    let mut count = 0;
    loop {
        for _ in 0..BATCH {
            count += 1;
            work(count);
        }
        let seconds = processor_seconds() - begin;
        if seconds >= ROUND {
            return seconds / count as f64;
        }
    }
}

/// Allocations for each call, and their bytes.
pub(crate) fn allocations_each(work: &mut dyn FnMut(u64)) -> (f64, f64) {
    let info = allocation_counter::measure(|| (0..BATCH).for_each(&mut *work));
    (info.count_total as f64 / BATCH as f64, info.bytes_total as f64 / BATCH as f64)
}

/// The one in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What this thread has used so far. The kernel counts in nanoseconds, but looks only at
/// its own ticks: off by milliseconds at most.
fn processor_seconds() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds: f64 = text.split(' ').next().unwrap().parse().unwrap();
    nanoseconds / 1e9
}
