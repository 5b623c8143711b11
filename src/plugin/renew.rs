//! The command `renew`: asks the operator for new URLs by an annotation.
#![allow(clippy::doc_markdown, reason = "the comments on arguments are printed by --help")]

use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::wait::await_condition;
use kube::{Api, Client, ResourceExt as _};
use serde::Serialize;
use serde_json::json;

use super::cluster::duration;
use super::console::{Console, Paint, printable};
use super::pages::pages;
use super::tree::Tree;
use super::{PluginEnd, PluginSession, failed};
use crate::cli::ExitFailure;
use crate::crd::names::ANNOTATION_RENEW;
use crate::crd::{PresignedUrl, READY};

/// Arguments of `renew`.
#[derive(Args, Debug)]
pub(super) struct RenewArgs {
    /// Names of the PresignedUrls.
    #[arg(value_name = "NAME", required_unless_present_any = ["selector", "all"],
        conflicts_with_all = ["selector", "all"])]
    names: Vec<String>,
    /// Those with these labels: KEY=VALUE, and more separated by commas.
    #[arg(short = 'l', long, value_name = "LABELS", conflicts_with = "all")]
    selector: Option<String>,
    /// All of the namespace.
    #[arg(long)]
    all: bool,
    /// In all namespaces, with -l or --all.
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
    let objects = which(&client, &namespace, args).await?;
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
    let mut renewals = Vec::new();
    for (number, (namespace, name)) in objects.iter().enumerate() {
        Console::progress(&format!("asking for {} of {}", number + 1, objects.len()));
        renewals.push(request(&client, namespace, name, &token).await);
    }
    if args.wait {
        wait(&client, &mut renewals, &token, Duration::from_secs(args.timeout)).await;
    }
    Console::progress("");
    session.console.print(&renewals, |paint| renewals.iter().map(|one| one.line(paint)).collect())?;
    Ok(PluginEnd::of(renewals.iter().all(|renewal| renewal.state != RenewalState::Failed)))
}

/// Namespace and name of the objects to renew.
async fn which(
    client: &Client,
    namespace: &str,
    args: &RenewArgs,
) -> Result<Vec<(String, String)>, ExitFailure> {
    if !args.names.is_empty() {
        return Ok(args.names.iter().map(|name| (namespace.to_owned(), name.clone())).collect());
    }
    let api = if args.all_namespaces {
        Api::<PresignedUrl>::all(client.clone())
    } else {
        Api::namespaced(client.clone(), namespace)
    };
    let params = args.selector.as_ref().map(|selector| ListParams::default().labels(selector));
    let mut objects = Vec::new();
    let list = async |params: ListParams| api.list_metadata(&params).await;
    let listed = pages(params.unwrap_or_default(), list, |page| {
        objects.extend(page.iter().map(|object| (object.namespace().unwrap_or_default(), object.name_any())));
    });
    listed.await.map_err(|error| failed("the PresignedUrls", &error))?;
    Ok(objects)
}

async fn request(client: &Client, namespace: &str, name: &str, token: &str) -> Renewal {
    let api = Api::<PresignedUrl>::namespaced(client.clone(), namespace);
    let patch = json!({"metadata": {"annotations": {ANNOTATION_RENEW: token}}});
    let answer = api.patch_metadata(name, &PatchParams::default(), &Patch::Merge(patch)).await;
    let (state, message) = match answer {
        Ok(_) => (RenewalState::Requested, None),
        Err(kube::Error::Api(status)) => (RenewalState::Failed, Some(printable(&status.message))),
        Err(error) => (RenewalState::Failed, Some(printable(&error.to_string()))),
    };
    Renewal { namespace: namespace.to_owned(), name: name.to_owned(), state, message }
}

/// Waits until the operator has handled the requests.
async fn wait(client: &Client, renewals: &mut [Renewal], token: &str, limit: Duration) {
    let asked = renewals.iter().enumerate().filter(|(_, renewal)| renewal.state == RenewalState::Requested);
    let mut waiting: FuturesUnordered<_> = asked
        .map(|(number, renewal)| {
            let api = Api::<PresignedUrl>::namespaced(client.clone(), &renewal.namespace);
            let (name, token) = (renewal.name.clone(), token.to_owned());
            async move { (number, handled(api, &name, &token, limit).await) }
        })
        .collect();
    let all = waiting.len();
    let mut done = 0;
    Console::progress(&format!("waiting: 0 of {all} renewed"));
    while let Some((number, outcome)) = waiting.next().await {
        done += 1;
        Console::progress(&format!("waiting: {done} of {all} renewed"));
        let renewal = &mut renewals[number];
        match outcome {
            Ok(()) => renewal.state = RenewalState::Renewed,
            Err(why) => (renewal.state, renewal.message) = (RenewalState::Failed, Some(why)),
        }
    }
}

/// Waits until the operator has handled the request for an object.
async fn handled(api: Api<PresignedUrl>, name: &str, token: &str, limit: Duration) -> Result<(), String> {
    let is_handled = |object: Option<&PresignedUrl>| {
        let status = object.and_then(|object| object.status.as_ref());
        status.is_some_and(|status| status.last_handled_renew.as_deref() == Some(token))
    };
    let waited = tokio::time::timeout(limit, await_condition(api.clone(), name, is_handled)).await;
    match waited {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(printable(&error.to_string())),
        Err(_) => {
            let object = api.get(name).await.map_err(|error| printable(&error.to_string()))?;
            Err(format!("no new URL after {} seconds: {}", limit.as_secs(), why(&object)))
        }
    }
}

/// Why an object has no new URL, as its status tells.
fn why(object: &PresignedUrl) -> String {
    if object.spec.suspend == Some(true) {
        return "spec.suspend is true".to_owned();
    }
    let conditions = object.status.iter().flat_map(|status| &status.conditions);
    match conditions.into_iter().find(|condition| condition.type_ == READY) {
        Some(ready) => format!("Ready is {}, {}: {}", ready.status, ready.reason, printable(&ready.message)),
        None => "the operator has not seen it: kubectl presign check shows whether it runs".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_why_there_is_no_new_url() {
        let object = |spec: serde_json::Value, status: serde_json::Value| {
            let value = json!({
                "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl", "metadata": {"name": "a"},
                "spec": spec, "status": status,
            });
            serde_json::from_value::<PresignedUrl>(value).unwrap()
        };
        let spec = json!({"bucket": "b", "key": "k"});
        let ready = json!({"conditions": [{
            "type": "Ready", "status": "False", "reason": "NotPermitted", "message": "no",
            "lastTransitionTime": "2030-01-02T03:04:05Z",
        }]});
        assert_eq!(why(&object(spec.clone(), ready)), "Ready is False, NotPermitted: no");
        assert!(why(&object(spec, json!({}))).contains("has not seen it"));
        let suspended = json!({"bucket": "b", "key": "k", "suspend": true});
        assert_eq!(why(&object(suspended, json!({}))), "spec.suspend is true");
    }
}
