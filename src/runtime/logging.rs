//! Logging: the format, the level, and the lines of libraries that must never be logged.
//!
//! The modules that log decide which lines they log and with which fields.

use std::fmt;
use std::io::{IsTerminal, stderr};

use clap::ValueEnum;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::field::{RecordFields, VisitOutput as _};
use tracing_subscriber::filter::{EnvFilter, ParseError, filter_fn};
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};
use tracing_subscriber::fmt::{FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people: one line of text, in colour on a terminal.
    #[default]
    Text,
    /// For machines: one JSON object per line.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part of the filter is neither a level nor `target=level`.
    #[error(
        "log filter '{filter}': '{part}' is neither a level (off, error, warn, info, debug, trace) nor target=level"
    )]
    NotALevel {
        /// The whole filter.
        filter: String,
        /// The part that cannot be parsed.
        part: String,
    },
    /// The filter cannot be parsed.
    #[error("log filter '{filter}' is not valid")]
    Filter {
        /// The whole filter.
        filter: String,
        /// The error of the parser.
        source: ParseError,
    },
    /// Logging was already set up in this process.
    #[error("logging is set up already")]
    Twice(#[source] TryInitError),
}

/// Starts logging to stderr. Commands print their results to stdout.
///
/// `filter` is a level (`info`) or a list of `target=level` as `tracing_subscriber` parses it.
///
/// # Guarantees
/// Lines of libraries that could contain the data of a Secret, a token or a signature are never written,
/// even if the filter permits them: see [`loudest`].
pub fn init(filter: &str, format: LogFormat) -> Result<(), Error> {
    subscriber(filter, format, stderr, stderr().is_terminal())?.try_init().map_err(Error::Twice)?;
    // The message of a panic could quote a Secret, so only its location is logged.
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "panicked, which is a bug: report it with this line");
    }));
    Ok(())
}

fn subscriber<W>(
    filter: &str,
    format: LogFormat,
    writer: W,
    is_terminal: bool,
) -> Result<impl Subscriber + Send + Sync + use<W>, Error>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(is_terminal);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => lines.fmt_fields(ObjectFirst).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    Ok(Registry::default().with(lines).with(parse(filter)?).with(filter_fn(is_harmless)))
}

/// Writes `NAMESPACE/NAME: ` before the message of a line about an object, because a message can be long
/// and the fields come after it.
struct ObjectFirst;

impl<'w> FormatFields<'w> for ObjectFirst {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut object = Object::default();
        fields.record(&mut object);
        let is_named = matches!(&object, Object { namespace: Some(_), name: Some(_) });
        if let Object { namespace: Some(namespace), name: Some(name) } = object {
            write!(writer, "{namespace}/{name}: ")?;
        }
        let mut others = Others { fields: DefaultVisitor::new(writer, true), is_named };
        fields.record(&mut others);
        others.fields.finish()
    }
}

/// The object that a line concerns.
#[derive(Default)]
struct Object {
    namespace: Option<String>,
    name: Option<String>,
}

impl Visit for Object {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "namespace" => self.namespace = Some(value.to_owned()),
            "name" => self.name = Some(value.to_owned()),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// Writes the fields of a line that are not written yet.
struct Others<'w> {
    fields: DefaultVisitor<'w>,
    is_named: bool,
}

impl Others<'_> {
    fn is_written(&self, field: &Field) -> bool {
        self.is_named && ["namespace", "name"].contains(&field.name())
    }
}

impl Visit for Others<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if !self.is_written(field) {
            self.fields.record_str(field, value);
        }
    }

    // This is the only other method in which the default format differs from `record_debug`.
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.fields.record_error(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if !self.is_written(field) {
            self.fields.record_debug(field, value);
        }
    }
}

fn parse(filter: &str) -> Result<EnvFilter, Error> {
    let parts: Vec<&str> = filter.split(',').map(str::trim).collect();
    // `EnvFilter` parses a misspelt level as the name of a target, and then logs nothing at all.
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    if let Some(part) = parts.iter().find(|part| !part.contains('=') && !is_level(part)) {
        return Err(Error::NotALevel { filter: filter.to_owned(), part: (*part).to_owned() });
    }
    EnvFilter::builder()
        .parse(parts.join(","))
        .map_err(|source| Error::Filter { filter: filter.to_owned(), source })
}

fn is_harmless(line: &Metadata<'_>) -> bool {
    *line.level() <= loudest(line.target())
}

/// The most verbose level that a target may log at, whichever filter the user sets.
///
/// - `kube_client::client` logs the *whole body* of a response that it cannot deserialize, at WARN, and
///   response headers at TRACE. The body can be a Secret. Its callers get the error anyway.
/// - The SDK logs requests, answers of an STS and strings to sign at TRACE, and identities at DEBUG.
/// - The transports log headers, TLS handshakes and session tickets at TRACE.
#[must_use]
pub fn loudest(target: &str) -> LevelFilter {
    let library = target.split("::").next().unwrap_or(target);
    match library {
        "kube_client" if target == "kube_client::client" => LevelFilter::ERROR,
        _ if library.starts_with("aws_") => LevelFilter::INFO,
        "h2"
        | "hyper"
        | "hyper_rustls"
        | "hyper_timeout"
        | "hyper_util"
        | "kube"
        | "kube_client"
        | "rustls"
        | "rustls_platform_verifier"
        | "tokio_rustls"
        | "tower"
        | "tower_http" => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests;
