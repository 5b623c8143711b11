//! Pods that read their URLs each second for many times as long as a URL lives: none is refused.

use std::time::{Duration, Instant};

use super::LIFETIME;
use super::pod::{self, CsiPod};
use crate::cluster::Cluster;
use crate::totals::ReadTotals;

/// Pods whose URLs are renewed when the driver likes, which is with 100 to 130 seconds left.
const READERS: [&str; 3] = ["steady-0", "steady-1", "steady-2"];
/// Half of the new files are seen within this time, in seconds. They look ten times a second.
const LAG: i64 = 1;
/// All are seen within this time, in seconds: on a busy machine a reader itself can be late.
const LONGEST_LAG: i64 = 5;
/// It mounts only the file with the URL. Such a mount is never updated.
const FIXED: &str = "sub-path";

/// Readers that run.
pub struct SteadyReaders {
    since: Instant,
    fixed: String,
}

impl SteadyReaders {
    /// Starts them.
    pub fn start(cluster: &Cluster) -> Self {
        let mut pods: Vec<CsiPod> = READERS.map(|name| CsiPod::reader(name, None)).into();
        pods.push(CsiPod { sub_path: Some("url"), ..CsiPod::new(FIXED) });
        pod::create(cluster, &pods);
        pod::await_ready(cluster, &[&READERS[..], &[FIXED]].concat());
        let fixed = pod::read(cluster, FIXED, "/url");
        assert_eq!(fixed, pod::read(cluster, FIXED, "/urls/url"));
        Self { since: Instant::now(), fixed }
    }

    /// Waits until they have read for so long, says what they did, and whether all is well.
    pub fn end(&self, cluster: &Cluster, time: Duration) -> bool {
        std::thread::sleep(time.saturating_sub(self.since.elapsed()));
        let seconds = self.since.elapsed().as_secs();
        // One renewal in 200 seconds, and two requests in three seconds, are the least.
        let (renewals, requests) = ((seconds / 210) as usize, (seconds * 2 / 3) as usize);
        let mut is_kept = true;
        for name in READERS {
            let mut totals = ReadTotals::of_urls_that_live(LIFETIME);
            pod::kubectl(cluster, &["logs", name]).lines().for_each(|line| totals.add(line));
            println!("e2e: {name}, {seconds} s: {totals}");
            totals.lags.sort_unstable();
            let median = totals.lags.get(totals.lags.len() / 2);
            let is_prompt = median.is_none_or(|lag| *lag <= LAG)
                && totals.lags.last().is_none_or(|lag| *lag <= LONGEST_LAG);
            let has_read = totals.requests >= requests && totals.lags.len() >= renewals;
            is_kept &= has_read && is_prompt && totals.failures.is_empty();
        }
        let is_fixed = pod::read(cluster, FIXED, "/url") == self.fixed;
        let is_renewed = pod::read(cluster, FIXED, "/urls/url") != self.fixed;
        println!(
            "e2e: the file of a subPath is the first one: {is_fixed}; the volume has another: {is_renewed}"
        );
        pod::delete(cluster, &[&READERS[..], &[FIXED]].concat());
        is_kept && is_fixed && (is_renewed || renewals == 0)
    }
}
