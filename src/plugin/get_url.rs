//! The command `get-url`: prints the URL or the form of a `PresignedUrl`. The only command that prints one.
#![allow(clippy::doc_markdown, reason = "the comments on arguments are printed by --help")]

use std::collections::BTreeMap;

use anyhow::anyhow;
use clap::Args;
use kube::Api;
use serde::Serialize;

use super::console::Console;
use super::secret_url::{GivenUrl, data, secret, url_key};
use super::{PluginEnd, PluginSession, failed};
use crate::cli::ExitFailure;
use crate::crd::PresignedUrl;
use crate::crd::names::DATA_EXPIRES_AT;
use crate::domain::SignedForm;

/// Arguments of `get-url`.
#[derive(Args, Debug)]
pub(super) struct GetUrlArgs {
    /// Name of the PresignedUrl.
    name: String,
}

/// What `-o json` prints, as `presign-operator sign` does.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PrintedUrl<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a BTreeMap<String, String>>,
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<BTreeMap<&'a str, &'a str>>,
    expires_at: Option<String>,
}

pub(super) async fn get_url(
    session: &PluginSession<'_>,
    args: &GetUrlArgs,
) -> Result<PluginEnd, ExitFailure> {
    let client = session.cluster.client().await?;
    let namespace = session.cluster.namespace(&client);
    let api = Api::<PresignedUrl>::namespaced(client.clone(), &namespace);
    let object = api.get(&args.name).await.map_err(|error| failed("the PresignedUrl", &error))?;
    let name = object.status.as_ref().and_then(|status| status.secret_name.clone());
    let name = name.ok_or_else(|| {
        ExitFailure::from(anyhow!(
            "PresignedUrl {:?} has no Secret yet: kubectl presign status shows why",
            args.name
        ))
    })?;
    let secret = secret(&client, &namespace, &name).await?;
    let key = url_key(&object);
    let missing = || Err(ExitFailure::from(anyhow!("Secret {name:?} has no data key {key}")));
    let given = GivenUrl::of_key(&secret, &key).unwrap_or_else(missing)?;
    let text = given.text.expose();
    let form = SignedForm::read(text);
    let headers = given.from.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let printed = PrintedUrl {
        url: form.as_ref().map_or(text, |(url, _)| url),
        fields: form.as_ref().map(|(_, form)| form.fields()),
        method: given.from.method.as_deref(),
        headers: form.is_none().then_some(headers),
        expires_at: data(&secret, DATA_EXPIRES_AT),
    };
    if Console::is_terminal() {
        let noun = if form.is_some() { "form" } else { "URL" };
        eprintln!("warning: whoever sees this {noun} can use it until it expires; a terminal may keep it");
    }
    session.console.print(&printed, |_| format!("{text}\n"))?;
    Ok(PluginEnd::Good)
}
