//! How a command prints: text for people, JSON or YAML for programs, colours only on a terminal.

use std::io::{IsTerminal as _, Write as _, stderr, stdout};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde::Serialize;

use crate::cli::ExitFailure;

/// Flags for the output.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct OutputArgs {
    /// The format for programs. Default: text for people.
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT")]
    output: Option<Format>,
}

/// A format for programs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Format {
    /// JSON, indented.
    Json,
    /// YAML.
    Yaml,
}

/// Where a command prints, and how.
pub(super) struct Console {
    /// The format for programs; `None` for text.
    pub(super) format: Option<Format>,
    /// The colours of the text.
    pub(super) paint: Paint,
}

impl Console {
    /// Looks at the flags, and at whether the output is a terminal.
    pub(super) fn of(args: OutputArgs) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the plugin is a command line")]
        let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { format: args.output, paint: Paint { is_on: stdout().is_terminal() && !is_plain } }
    }

    /// Prints a report: the text, or the report itself in the format for programs.
    pub(super) fn print(
        &self,
        report: &impl Serialize,
        text: impl FnOnce(Paint) -> String,
    ) -> Result<(), ExitFailure> {
        let text = match self.format {
            None => text(self.paint),
            Some(Format::Json) => {
                let json = serde_json::to_string_pretty(report).context("the report")?;
                format!("{json}\n")
            }
            Some(Format::Yaml) => {
                let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
                serde_saphyr::to_string_with_options(report, options).context("the report")?
            }
        };
        stdout().write_all(text.as_bytes()).context("standard output").map_err(ExitFailure::from)
    }

    /// Whether the output goes to a terminal.
    pub(super) fn is_terminal() -> bool {
        stdout().is_terminal()
    }

    /// Shows what is waited for, in one line that the next one replaces; nothing if standard error is no
    /// terminal.
    pub(super) fn progress(text: &str) {
        if stderr().is_terminal() {
            // A terminal that went away is no reason to stop.
            let _ = write!(stderr(), "\r\x1b[K{text}");
            let _ = stderr().flush();
        }
    }
}

/// The colours of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    pub(super) is_on: bool,
}

impl Paint {
    pub(super) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    pub(super) fn warn(self, text: &str) -> String {
        self.with("33", text)
    }

    pub(super) fn faint(self, text: &str) -> String {
        self.with("2", text)
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.is_on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A time and how far it is from now: `2030-01-02T03:04:05Z (in 2h 5m)`.
pub(super) fn when(time: Timestamp, now: Timestamp) -> String {
    let seconds = time.as_second() - now.as_second();
    let span = span(seconds.unsigned_abs());
    if seconds > 0 { format!("{time} (in {span})") } else { format!("{time} ({span} ago)") }
}

/// A number of seconds in its two largest units.
pub(super) fn span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let largest = units.iter().position(|(size, _)| seconds >= *size).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (size, unit) in units.iter().skip(largest).take(2) {
        let count = rest / size;
        rest %= size;
        if count > 0 || parts.is_empty() {
            parts.push(format!("{count}{unit}"));
        }
    }
    parts.join(" ")
}

/// A text without the characters that could change a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_times_in_their_two_largest_units() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (61, "1m 1s"),
            (3600, "1h"),
            (3660, "1h 1m"),
            (3661, "1h 1m"),
            (90_000, "1d 1h"),
            (86_460, "1d"),
        ] {
            assert_eq!(span(seconds), expected, "{seconds}");
        }
        let now: Timestamp = "2030-01-02T03:04:05Z".parse().unwrap();
        assert_eq!(when("2030-01-02T03:05:05Z".parse().unwrap(), now), "2030-01-02T03:05:05Z (in 1m)");
        assert_eq!(when("2030-01-02T02:04:05Z".parse().unwrap(), now), "2030-01-02T02:04:05Z (1h ago)");
    }

    #[test]
    fn colours_only_where_they_are_on_and_no_control_characters() {
        assert_eq!(Paint { is_on: false }.bad("x"), "x");
        assert_eq!(Paint { is_on: true }.bad("x"), "\x1b[31mx\x1b[0m");
        assert_eq!(printable("a\x1b[31mb\nc"), "a\u{fffd}[31mb\u{fffd}c");
    }
}
