//! The command `inspect`: shows what a presigned URL says.
#![allow(clippy::doc_markdown, reason = "the comments on arguments are printed by --help")]

use clap::Args;
use jiff::Timestamp;

use super::reading::{UrlReading, UrlState};
use super::secret_url::GivenUrl;
use super::{PluginEnd, PluginSession, misused};
use crate::cli::ExitFailure;

/// Arguments of `inspect`.
#[derive(Args, Debug)]
pub(super) struct InspectArgs {
    /// The URL in quotes, - for standard input, or secret/NAME for that in a Secret.
    #[arg(value_name = "URL|-|secret/NAME")]
    url: String,
    /// The time to judge it at, RFC 3339 (2030-01-02T03:04:05Z), instead of now.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
}

pub(super) async fn inspect(
    session: &PluginSession<'_>,
    args: &InspectArgs,
) -> Result<PluginEnd, ExitFailure> {
    let given = GivenUrl::read(session, &args.url).await?;
    let now = args.at.unwrap_or_else(|| session.clock.now());
    let reading = UrlReading::of(&given.parse()?, now);
    let reading = reading.map_err(|error| misused(format!("the URL {error}")))?;
    session.console.print(&reading, |paint| reading.tree(&given.from, now, paint).render())?;
    Ok(PluginEnd::of(reading.state == UrlState::Valid))
}
