//! How the demo tells what it does. Nothing here does anything.

use std::io::{self, Stdout, Write as _};

use anyhow::Error;

/// Numbers the steps.
pub(super) struct Narrator {
    step: u32,
    steps: u32,
    output: Stdout,
}

impl Narrator {
    /// A narrator before the first of so many steps.
    pub(super) fn new(steps: u32) -> Self {
        Self { step: 0, steps, output: io::stdout() }
    }

    /// Begins the next step.
    pub(super) fn step(&mut self, what: &str) {
        self.step += 1;
        self.say(&format!("{:>2} of {}: {what}", self.step, self.steps));
    }

    /// A line below the step.
    pub(super) fn detail(&self, text: &str) {
        self.say(&format!("      {text}"));
    }

    /// Several lines below the step, such as the output of a command.
    pub(super) fn details(&self, text: &str) {
        text.lines().filter(|line| !line.trim().is_empty()).for_each(|line| self.detail(line));
    }

    /// A command that a person could type.
    pub(super) fn command(&self, line: &str) {
        self.say(&format!("    $ {line}"));
    }

    /// The last line of a demo that went well.
    pub(super) fn end(&self, text: &str) {
        debug_assert_eq!(self.step, self.steps, "the number of steps");
        self.say(text);
    }

    /// The last line of one that did not, on standard error.
    pub(super) fn fail(&self, failure: &Error) {
        let step = if self.step == 0 { String::new() } else { format!("step {} failed: ", self.step) };
        eprintln!("demo: {step}{failure:#}");
    }

    fn say(&self, line: &str) {
        // That nobody listens any more is no reason to stop half-way.
        let _ = writeln!(&self.output, "{line}");
    }
}

/// A URL without its query, which is a secret.
pub(super) fn shortened(url: &str) -> String {
    match url.split_once('?') {
        Some((address, _)) => format!("{address}?X-Amz-…"),
        None => url.to_owned(),
    }
}

/// `2030-01-02T03:04:05Z` → `03:04:05`.
pub(super) fn time_of_day(time: &str) -> &str {
    time.split_once('T').map_or(time, |(_, time)| time.trim_end_matches('Z'))
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn shows_nothing_of_a_query() {
        assert_eq!(shortened("http://a/b?X-Amz-Signature=c"), "http://a/b?X-Amz-…");
        assert_eq!(shortened("http://a/b"), "http://a/b");
    }
}
