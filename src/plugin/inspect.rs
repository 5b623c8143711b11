//! The command `inspect`: shows what a presigned URL or a signed form says.
#![allow(clippy::doc_markdown, reason = "the comments on arguments are printed by --help")]

use clap::Args;
use jiff::Timestamp;

use super::form_reading::FormReading;
use super::reading::UrlReading;
use super::secret_url::{GivenParts, GivenUrl};
use super::working_time::UrlState;
use super::{PluginEnd, PluginSession, misused};
use crate::cli::ExitFailure;

/// Arguments of `inspect`.
#[derive(Args, Debug)]
pub(super) struct InspectArgs {
    /// The URL or the JSON of a form in quotes, - for standard input, or secret/NAME for that in a Secret.
    #[arg(value_name = "URL|-|secret/NAME")]
    url: String,
    /// The time for the check, RFC 3339 (2030-01-02T03:04:05Z), instead of now.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
}

pub(super) async fn inspect(
    session: &PluginSession<'_>,
    args: &InspectArgs,
) -> Result<PluginEnd, ExitFailure> {
    let given = GivenUrl::read(session, &args.url).await?;
    let now = args.at.unwrap_or_else(|| session.clock.now());
    let state = match given.parse()? {
        GivenParts::Url(url) => {
            let reading = UrlReading::of(&url, now);
            let reading = reading.map_err(|error| misused(format!("the URL {error}")))?;
            session.console.print(&reading, |paint| reading.tree(&given.from, now, paint).render())?;
            reading.works.state
        }
        GivenParts::Form(form) => {
            let reading = FormReading::of(&form, now);
            let reading = reading.map_err(|error| misused(format!("the form {error}")))?;
            session.console.print(&reading, |paint| reading.tree(now, paint).render())?;
            reading.works.state
        }
    };
    Ok(PluginEnd::of(state == UrlState::Valid))
}
