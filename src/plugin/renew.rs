//! The command `renew`: asks the operator for new URLs by an annotation.
#![allow(clippy::doc_markdown, reason = "the comments on arguments are printed by --help")]

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde::Serialize;
use serde_json::json;

use super::cluster::duration;
use super::console::{Console, Paint, printable};
use super::pages::pages;
use super::renewal_wait::{self, PendingRenewal, RenewalPlace};
use super::tree::Tree;
use super::{PluginEnd, PluginSession, failed};
use crate::cli::ExitFailure;
use crate::crd::PresignedUrl;
use crate::crd::names::ANNOTATION_RENEW;

/// Arguments of `renew`.
#[derive(Args, Debug)]
pub(super) struct RenewArgs {
    /// Names of the PresignedUrls.
    #[arg(value_name = "NAME", required_unless_present_any = ["selector", "all"],
        conflicts_with_all = ["selector", "all"])]
    names: Vec<String>,
    /// Renew the PresignedUrls with these labels. Write KEY=VALUE; separate several by commas.
    #[arg(short = 'l', long, value_name = "LABELS", conflicts_with = "all")]
    selector: Option<String>,
    /// Renew all PresignedUrls in the namespace.
    #[arg(long)]
    all: bool,
    /// Renew in all namespaces. Use it with -l or --all.
    #[arg(short = 'A', long, conflicts_with = "names")]
    all_namespaces: bool,
    /// Wait until the operator has issued the URLs.
    #[arg(long)]
    wait: bool,
    /// How long to wait: 30s, 5m or a number of seconds; at most 24h.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = |text: &str| duration(text, 86_400))]
    timeout: u64,
}

/// What became of the request for one object.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Renewal {
    namespace: String,
    name: String,
    state: RenewalState,
    /// Why there is no new URL.
    message: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
enum RenewalState {
    /// The operator was asked for a new URL.
    Requested,
    /// The operator has issued it.
    Renewed,
    /// There is no new URL.
    Failed,
}

pub(super) async fn renew(session: &PluginSession<'_>, args: &RenewArgs) -> Result<PluginEnd, ExitFailure> {
    let client = session.cluster.client().await?;
    let namespace = session.cluster.namespace(&client);
    let place = place(&namespace, args);
    let objects = which(&client, &namespace, &place, args).await?;
    if objects.is_empty() {
        let place = if args.all_namespaces {
            "in any namespace".to_owned()
        } else {
            format!("in namespace {namespace:?}")
        };
        return Err(ExitFailure::from(anyhow!("there is no such PresignedUrl {place}")));
    }
    // Unique for each call, so that two calls within a second ask twice.
    let token = format!("{}-{}", session.clock.now().as_second(), std::process::id());
    let (mut renewals, mut pending) = (Vec::new(), Vec::new());
    for (number, (namespace, name)) in objects.iter().enumerate() {
        Console::progress(&format!("asking for {} of {}", number + 1, objects.len()));
        let (namespace, name) = (namespace.clone(), name.clone());
        let (state, message) = match request(&client, &namespace, &name, &token).await {
            Ok(before) => {
                let (namespace, name, token) = (namespace.clone(), name.clone(), token.clone());
                pending.push(PendingRenewal { number, namespace, name, token, before });
                (RenewalState::Requested, None)
            }
            Err(why) => (RenewalState::Failed, Some(why)),
        };
        renewals.push(Renewal { namespace, name, state, message });
    }
    if args.wait {
        let each = |number: usize, outcome: Result<(), String>| {
            let renewal = &mut renewals[number];
            match outcome {
                Ok(()) => renewal.state = RenewalState::Renewed,
                Err(why) => (renewal.state, renewal.message) = (RenewalState::Failed, Some(why)),
            }
        };
        renewal_wait::wait(&client, &place, pending, Duration::from_secs(args.timeout), each).await;
    }
    Console::progress("");
    session.console.print(&renewals, |paint| renewals.iter().map(|one| one.line(paint)).collect())?;
    Ok(PluginEnd::of(renewals.iter().all(|renewal| renewal.state != RenewalState::Failed)))
}

/// Where the arguments look for objects.
fn place(namespace: &str, args: &RenewArgs) -> RenewalPlace {
    if !args.names.is_empty() {
        return RenewalPlace::Named;
    }
    let params = args.selector.as_ref().map(|selector| ListParams::default().labels(selector));
    RenewalPlace::Listed {
        namespace: Some(namespace.to_owned()).filter(|_| !args.all_namespaces),
        params: params.unwrap_or_default(),
    }
}

/// Namespace and name of the objects to renew.
async fn which(
    client: &Client,
    namespace: &str,
    place: &RenewalPlace,
    args: &RenewArgs,
) -> Result<Vec<(String, String)>, ExitFailure> {
    let RenewalPlace::Listed { params, .. } = place else {
        let mut names = args.names.clone();
        let mut known = BTreeSet::new();
        names.retain(|name| known.insert(name.clone()));
        return Ok(names.into_iter().map(|name| (namespace.to_owned(), name)).collect());
    };
    let api = place.api(client);
    let mut objects = Vec::new();
    let list = async |params: ListParams| api.list_metadata(&params).await;
    let listed = pages(params.clone(), list, |page| {
        objects.extend(page.iter().map(|object| (object.namespace().unwrap_or_default(), object.name_any())));
    });
    listed.await.map_err(|error| failed("the PresignedUrls", &error))?;
    Ok(objects)
}

/// Asks for a new URL, and tells which request the operator has handled last.
async fn request(
    client: &Client,
    namespace: &str,
    name: &str,
    token: &str,
) -> Result<Option<String>, String> {
    let api = Api::<PresignedUrl>::namespaced(client.clone(), namespace);
    let patch = json!({"metadata": {"annotations": {ANNOTATION_RENEW: token}}});
    match api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await {
        Ok(object) => Ok(object.status.and_then(|status| status.last_handled_renew)),
        Err(kube::Error::Api(status)) => Err(printable(&status.message)),
        Err(error) => Err(printable(&error.to_string())),
    }
}

impl Renewal {
    fn line(&self, paint: Paint) -> String {
        let state = match self.state {
            RenewalState::Requested => paint.good("a new URL is asked for"),
            RenewalState::Renewed => paint.good("renewed"),
            RenewalState::Failed => paint.bad("failed"),
        };
        let tree = Tree::leaf(format!("{}/{}: {state}", self.namespace, self.name));
        tree.with_all(self.message.clone().map(Tree::leaf)).render()
    }
}
