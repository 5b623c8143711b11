//! The command `explain`: why a store refuses a presigned URL or a signed form.
#![allow(clippy::doc_markdown, reason = "the comments on arguments are printed by --help")]

mod canonical;
mod compare;
mod difference;
mod direct;
mod posted;
mod sent;
mod variants;

use anyhow::anyhow;
use clap::Args;
use jiff::Timestamp;

use super::console::Paint;
use super::secret_url::{GivenParts, GivenUrl, secret};
use super::tree::Tree;
use super::{PluginEnd, PluginSession, misused};
use crate::cli::{ExitFailure, environment_credentials};
use crate::crd::CredentialsSecretRef;
use crate::domain::Credentials;
use crate::runtime::client::http_date;
use compare::{Clocks, compare};
use difference::Explanation;
use posted::{SentForm, compare_form};
use sent::{KnownSigned, SentRequest};

/// Arguments of `explain`.
#[derive(Args, Debug)]
pub(super) struct ExplainArgs {
    /// The URL as it is sent or the JSON of a form, in quotes; - for standard input, or secret/NAME for that in
    /// a Secret.
    #[arg(value_name = "URL|-|secret/NAME")]
    url: String,
    /// The method that is sent. Default: that in the Secret, or else GET, and POST for a form.
    #[arg(short = 'X', long, value_name = "METHOD", value_parser = method)]
    method: Option<String>,
    /// A header that is sent. Repeat the flag for several. Host replaces the host of the URL, as a proxy
    /// may do.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// A field that is sent with a form, if its value is not that in the form, or if it is not in it. Repeat
    /// the flag for several.
    #[arg(short = 'F', long = "field", value_name = "NAME=VALUE", value_parser = field)]
    fields: Vec<(String, String)>,
    /// The size of the file that is sent with a form, in bytes.
    #[arg(long, value_name = "BYTES")]
    size: Option<u64>,
    /// A Secret with the access key, secret/NAME. Default: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
    /// AWS_SESSION_TOKEN.
    #[arg(long, value_name = "secret/NAME")]
    credentials: Option<String>,
    /// A host that the URL may have been signed for, such as the address of the store inside the cluster.
    /// Repeat the flag for several.
    #[arg(long = "signed-host", value_name = "HOST[:PORT]")]
    signed_hosts: Vec<String>,
    /// A header with the value that may have been signed. Repeat the flag for several.
    #[arg(long = "signed-header", value_name = "NAME: VALUE", value_parser = header)]
    signed_headers: Vec<(String, String)>,
    /// The header Date of an answer of the store, to check the time by its clock.
    #[arg(long, value_name = "DATE", value_parser = store_date)]
    store_date: Option<Timestamp>,
    /// The time for the check, RFC 3339 (2030-01-02T03:04:05Z), instead of now.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
}

pub(super) async fn command(
    session: &PluginSession<'_>,
    args: &ExplainArgs,
) -> Result<PluginEnd, ExitFailure> {
    let given = GivenUrl::read(session, &args.url).await?;
    let parts = given.parse()?;
    let is_for_forms = !args.fields.is_empty() || args.size.is_some();
    let is_for_urls = !args.signed_hosts.is_empty() || !args.signed_headers.is_empty();
    match &parts {
        GivenParts::Url(_) if is_for_forms => return Err(misused("--field and --size are only for forms")),
        GivenParts::Form(_) if is_for_urls => {
            return Err(misused("--signed-host and --signed-header are only for URLs"));
        }
        GivenParts::Url(_) | GivenParts::Form(_) => {}
    }
    let credentials = credentials(session, args).await?;
    let clocks = Clocks { here: args.at.unwrap_or_else(|| session.clock.now()), store: args.store_date };
    let signed = &given.from;
    let method = args.method.clone().or_else(|| signed.method.clone());
    let explained = match parts {
        GivenParts::Url(url) => {
            // With a Secret and without -H, the request is that of a client that follows the Secret.
            let headers = if args.headers.is_empty() { signed.headers.clone() } else { args.headers.clone() };
            let sent = SentRequest { url, method: method.unwrap_or_else(|| "GET".to_owned()), headers };
            let known = KnownSigned {
                hosts: args.signed_hosts.clone(),
                headers: [args.signed_headers.clone(), signed.headers.clone()].concat(),
            };
            let explained = compare(&sent, &credentials, &known, clocks);
            explained.map_err(|error| misused(format!("the URL {error}")))?
        }
        GivenParts::Form(form) => {
            let wrong = |error| misused(format!("the form {error}"));
            let form = form.sent_with(&args.fields).map_err(wrong)?;
            let method = method.unwrap_or_else(|| "POST".to_owned());
            let sent = SentForm { form, method, headers: args.headers.clone(), size: args.size };
            compare_form(&sent, &credentials, clocks).map_err(wrong)?
        }
    };
    session.console.print(&explained, |paint| tree(&explained, paint).render())?;
    Ok(PluginEnd::of(explained.findings.is_empty()))
}

async fn credentials(session: &PluginSession<'_>, args: &ExplainArgs) -> Result<Credentials, ExitFailure> {
    let Some(named) = &args.credentials else {
        return environment_credentials().map_err(|error| misused(format!("{error:#}")));
    };
    let name = named.strip_prefix("secret/").unwrap_or(named);
    let client = session.cluster.client().await?;
    let secret = secret(&client, &session.cluster.namespace(&client), name).await?;
    let reference = CredentialsSecretRef { name: name.to_owned(), keys: None, profile: None };
    let data = secret.data.unwrap_or_default();
    Credentials::select(&reference, true, &data).map_err(|error| ExitFailure::from(anyhow!("{error}")))
}

fn tree(explained: &Explanation, paint: Paint) -> Tree {
    let first = match (explained.is_same_signature, explained.findings.is_empty()) {
        (true, true) => {
            paint.good("the same signature: a store that knows this access key accepts the request")
        }
        (true, false) => paint.bad("the same signature, but a store refuses the request"),
        (false, _) => paint.bad("another signature: the store answers SignatureDoesNotMatch"),
    };
    let findings = explained.findings.iter().map(|finding| {
        let line = format!("{}: {}", paint.bold(&finding.part.to_string()), finding.found);
        Tree::leaf(line).with(Tree::leaf(format!("do: {}", finding.fix)))
    });
    let agrees: Vec<_> = explained.agrees.iter().map(ToString::to_string).collect();
    let agrees = (!agrees.is_empty()).then(|| Tree::fact("agrees", paint.faint(&agrees.join(", "))));
    Tree::leaf(first).with_all(findings).with_all(agrees)
}

/// Parses a header of the command line.
fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write NAME: VALUE")?;
    let (name, value) = (name.trim(), value.strip_prefix(' ').unwrap_or(value));
    if name.is_empty() || text.contains(['\r', '\n']) {
        return Err("write NAME: VALUE, on one line".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Parses a field of a form.
fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Parses a method.
fn method(text: &str) -> Result<String, String> {
    let is_method = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if is_method {
        Ok(text.to_ascii_uppercase())
    } else {
        Err("write GET, HEAD, PUT, POST or DELETE".to_owned())
    }
}

/// Parses the header Date.
fn store_date(text: &str) -> Result<Timestamp, String> {
    let read = http_date(text).map_or_else(|| text.parse(), Ok);
    read.map_err(|_| "copy the header: Wed, 02 Jan 2030 03:04:05 GMT".to_owned())
}
