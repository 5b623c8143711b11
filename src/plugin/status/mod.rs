//! The command `status`: an object with everything around it, as a tree.
#![allow(clippy::doc_markdown, reason = "the comments on arguments are printed by --help")]

mod overview;
mod users;

use clap::Args;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::{Api, Client};

use super::pages::pages;
use super::{PluginEnd, PluginSession, failed};
use crate::cli::ExitFailure;
use crate::crd::PresignedUrl;
use overview::{Overview, SecretSeen};
use users::{PodView, SecretUsers};

/// Arguments of `status`.
#[derive(Args, Debug)]
pub(super) struct StatusArgs {
    /// Name of the PresignedUrl.
    name: String,
}

pub(super) async fn status(session: &PluginSession<'_>, args: &StatusArgs) -> Result<PluginEnd, ExitFailure> {
    let client = session.cluster.client().await?;
    let namespace = session.cluster.namespace(&client);
    let api = Api::<PresignedUrl>::namespaced(client.clone(), &namespace);
    let object = api.get(&args.name).await.map_err(|error| failed("the PresignedUrl", &error))?;
    let name = overview::secret_name(&object);
    let secret = read_secret(&client, &namespace, &name).await?;
    let users = list(&client, &namespace, &name).await?;
    let now = session.clock.now();
    let overview = Overview::of(&object, secret, users);
    session.console.print(&overview, |paint| overview.tree(now, paint).render())?;
    Ok(PluginEnd::of(overview.is_ready()))
}

/// Reads the metadata of the Secret, never the URL in it.
async fn read_secret(client: &Client, namespace: &str, name: &str) -> Result<SecretSeen, ExitFailure> {
    let api = Api::<Secret>::namespaced(client.clone(), namespace);
    match api.get_metadata_opt(name).await {
        Ok(Some(PartialObjectMeta { metadata, .. })) => Ok(SecretSeen::of(&metadata)),
        Ok(None) => Ok(SecretSeen::Missing),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(SecretSeen::NotPermitted),
        Err(error) => Err(failed("the Secret", &error)),
    }
}

/// The pods that use the Secret; `None` if they may not be listed.
async fn list(client: &Client, namespace: &str, secret: &str) -> Result<Option<SecretUsers>, ExitFailure> {
    let api = Api::<PodView>::namespaced(client.clone(), namespace);
    let mut users = SecretUsers::default();
    let list = async |params: ListParams| api.list(&params).await;
    match pages(ListParams::default(), list, |page| users.add(&page, secret)).await {
        Ok(()) => Ok(Some(users)),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(None),
        Err(error) => Err(failed("the pods", &error)),
    }
}
