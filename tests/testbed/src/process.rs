//! What the kernel says of a process, in `/proc`.

use std::fs;

/// Seconds of processor time so far, in hundredths; `None` if there is no such process.
pub fn processor_seconds(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks = |index: usize| fields.split(' ').nth(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// A kind of its memory in KiB: `VmRSS` is what is resident, `VmHWM` the most that ever was.
pub fn kibibytes(pid: u32, kind: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(':'))?;
    value.trim().trim_end_matches(" kB").parse().ok()
}
