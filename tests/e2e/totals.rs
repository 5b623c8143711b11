//! What a pod says of its requests.

use std::fmt;

use jiff::Timestamp;

/// The counts of one pod.
#[derive(Debug, Default)]
pub struct ReadTotals {
    pub requests: usize,
    pub failures: Vec<String>,
    /// How many seconds after its signing each URL after the first one was in the file.
    pub lags: Vec<i64>,
    /// How many reads found no file, and the next read did.
    pub read_again: usize,
    has_begun: bool,
    /// How many seconds its URLs live.
    lifetime: i64,
}

impl ReadTotals {
    /// Nothing counted yet; `lifetime` in seconds.
    pub fn of_urls_that_live(lifetime: i64) -> Self {
        Self { lifetime, ..Self::default() }
    }

    /// Counts a line of its log.
    pub fn add(&mut self, line: &str) {
        if let Some(times) = line.strip_prefix("renewed ") {
            self.renewed(times);
        } else if line == "again" {
            self.read_again += 1;
        } else if line == "ok" {
            self.requests += 1;
        } else {
            self.requests += 1;
            self.failures.push(line.to_owned());
        }
    }

    fn renewed(&mut self, times: &str) {
        let (seen, expires) = times.split_once(' ').expect("two times");
        let Ok(expires) = expires.parse::<Timestamp>() else {
            return self.failures.push(format!("expires-at is {expires:?}"));
        };
        let seen: i64 = seen.parse().expect("date +%s is a number");
        // The first one was there before the pod was.
        if self.has_begun {
            self.lags.push(seen - (expires.as_second() - self.lifetime));
        }
        self.has_begun = true;
    }
}

impl fmt::Display for ReadTotals {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, failures, lags, .. } = self;
        let (renewals, failed) = (lags.len(), failures.len());
        write!(out, "{requests} requests, {renewals} renewals, {failed} failures, lags {lags:?} s")?;
        failures.iter().take(10).try_for_each(|line| write!(out, "\n  {line}"))
    }
}
