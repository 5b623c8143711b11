//! The command `policy test`: which rule of a signer allows or denies the `PresignedUrl`s of a file.
#![allow(clippy::doc_markdown, reason = "the comments on arguments are printed by --help")]

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt};
use serde::Serialize;

use super::check::is_allowed;
use super::console::Paint;
use super::tree::Tree;
use super::{PluginEnd, PluginSession, failed, misused};
use crate::cli::manifest::{self, Manifest};
use crate::cli::{ExitFailure, OfflineSigners};
use crate::crd::names::GROUP;
use crate::crd::{ClusterSigner, PresignedUrl, Signer, SignerKind};
use crate::domain::resolve::{Permission, signer_id};
use crate::domain::signer::SignerId;

/// Arguments of `policy test`.
#[derive(Args, Debug)]
pub(super) struct PolicyTestArgs {
    /// A YAML or JSON file with PresignedUrls, and possibly signers and Namespaces; - reads standard input.
    /// Repeat the flag for several files.
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Never ask the cluster: the files must contain the signers.
    #[arg(long, conflicts_with = "impersonate")]
    offline: bool,
}

/// What a signer says about one object.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TestedObject {
    namespace: String,
    name: String,
    signer: Option<String>,
    is_allowed: bool,
    /// Which rule, or why not.
    message: String,
    /// Whether the user may use the signer; `None` if nobody asked.
    may_use: Option<bool>,
}

pub(super) async fn test(
    session: &PluginSession<'_>,
    args: &PolicyTestArgs,
) -> Result<PluginEnd, ExitFailure> {
    let mut manifest = read(&args.files)?;
    let default = session.cluster.namespace_offline()?;
    for object in &mut manifest.objects {
        object.metadata.namespace.get_or_insert_with(|| default.clone());
    }
    for signer in &mut manifest.signers {
        signer.metadata.namespace.get_or_insert_with(|| default.clone());
    }
    let user = session.cluster.impersonated();
    let missing = missing(&manifest);
    let needs_none = (missing.is_empty() && user.is_none()) || args.offline;
    if !needs_none {
        // The user of --as need not be able to read what you can.
        fetch(&session.cluster.own_client().await?, &mut manifest, &missing).await?;
    }
    let client = if user.is_some() { Some(session.cluster.client().await?) } else { None };
    let signers = OfflineSigners::parse(&manifest).map_err(|error| misused(format!("{error:#}")))?;
    let mut tested = Vec::new();
    for object in &manifest.objects {
        let mut one = judge(object, &signers);
        if let (Some(client), Some(id)) = (&client, signer_of(object)) {
            one.may_use = Some(may_use(client, &id).await?);
        }
        tested.push(one);
    }
    session
        .console
        .print(&tested, |paint| tested.iter().map(|one| one.tree(user, paint).render()).collect())?;
    Ok(PluginEnd::of(tested.iter().all(|one| one.is_allowed && one.may_use != Some(false))))
}

fn read(files: &[PathBuf]) -> Result<Manifest, ExitFailure> {
    let mut all = Manifest::default();
    for file in files {
        let text = if file == Path::new("-") {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map(|_| text)
        } else {
            std::fs::read_to_string(file)
        };
        let manifest = text.map_err(anyhow::Error::from).and_then(|text| manifest::read(&text));
        let manifest = manifest.with_context(|| file.display().to_string());
        all.extend(manifest.map_err(ExitFailure::configuration)?);
    }
    if all.objects.is_empty() {
        return Err(misused("the files hold no PresignedUrl"));
    }
    Ok(all)
}

/// The signers that objects name and that are not in the files.
fn missing(manifest: &Manifest) -> Vec<SignerId> {
    let is_there = |id: &SignerId| match id.kind {
        SignerKind::Signer => manifest
            .signers
            .iter()
            .any(|signer| signer.name_any() == id.name && signer.namespace().as_ref() == Some(&id.namespace)),
        SignerKind::ClusterSigner => {
            manifest.cluster_signers.iter().any(|signer| signer.name_any() == id.name)
        }
    };
    let mut ids: Vec<_> = manifest.objects.iter().filter_map(signer_of).filter(|id| !is_there(id)).collect();
    ids.sort();
    ids.dedup();
    ids
}

fn signer_of(object: &PresignedUrl) -> Option<SignerId> {
    let namespace = object.namespace().unwrap_or_default();
    object.spec.signer_ref.as_ref().map(|reference| signer_id(reference, &namespace))
}

/// Adds signers of the cluster, and the labels of the namespaces as far as they may be read.
async fn fetch(client: &Client, manifest: &mut Manifest, missing: &[SignerId]) -> Result<(), ExitFailure> {
    for id in missing {
        let what = id.to_string();
        match id.kind {
            SignerKind::Signer => {
                let api = Api::<Signer>::namespaced(client.clone(), &id.namespace);
                manifest.signers.extend(api.get_opt(&id.name).await.map_err(|error| failed(&what, &error))?);
            }
            SignerKind::ClusterSigner => {
                let api = Api::<ClusterSigner>::all(client.clone());
                manifest
                    .cluster_signers
                    .extend(api.get_opt(&id.name).await.map_err(|error| failed(&what, &error))?);
            }
        }
    }
    let mut namespaces: Vec<_> = manifest.objects.iter().filter_map(ResourceExt::namespace).collect();
    namespaces.dedup();
    for name in namespaces {
        if let Ok(Some(found)) = Api::<Namespace>::all(client.clone()).get_metadata_opt(&name).await {
            manifest.namespaces.entry(name).or_insert(found.metadata.labels.unwrap_or_default());
        }
    }
    Ok(())
}

/// Whether the user may use a signer, as the admission policy of the chart asks it.
async fn may_use(client: &Client, id: &SignerId) -> Result<bool, ExitFailure> {
    let resource = match id.kind {
        SignerKind::Signer => "signers",
        SignerKind::ClusterSigner => "clustersigners",
    };
    let attributes = ResourceAttributes {
        group: Some(GROUP.to_owned()),
        resource: Some(resource.to_owned()),
        namespace: Some(id.namespace.clone()).filter(|namespace| !namespace.is_empty()),
        name: Some(id.name.clone()),
        verb: Some("use".to_owned()),
        ..ResourceAttributes::default()
    };
    is_allowed(client, attributes).await
}

fn judge(object: &PresignedUrl, signers: &OfflineSigners) -> TestedObject {
    let (is_allowed, message) = match signers.resolve(object) {
        Err(error) => (false, format!("{error:#}")),
        Ok(resolved) => match resolved.permission {
            Permission::Allowed { why } => {
                let cap = resolved.request.cap.filter(|cap| *cap < resolved.request.expires_in);
                let cut =
                    cap.map(|cap| format!("; a URL lives at most {}", super::console::span(cap.into())));
                (true, format!("{why}{}", cut.unwrap_or_default()))
            }
            Permission::Audited { why } => (true, format!("{why}; it only audits")),
            Permission::NotNeeded => (true, "has credentials of its own, so no signer judges it".to_owned()),
            Permission::Denied { problem, .. } => (false, problem.message),
        },
    };
    TestedObject {
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        signer: signer_of(object).map(|id| id.to_string()),
        is_allowed,
        message,
        may_use: None,
    }
}

impl TestedObject {
    fn tree(&self, user: Option<&str>, paint: Paint) -> Tree {
        let state = if self.is_allowed { paint.good("allowed") } else { paint.bad("denied") };
        let user = user.unwrap_or_default();
        let right = self.may_use.map(|may_use| {
            Tree::leaf(if may_use {
                format!("{user} may use the signer")
            } else {
                paint.bad(&format!("{user} may not use the signer (RBAC verb use)"))
            })
        });
        Tree::leaf(format!("{}/{}: {state}", self.namespace, self.name))
            .with(Tree::leaf(self.message.clone()))
            .with_all(right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
apiVersion: presign.dev/v1alpha1
kind: PresignedUrl
metadata: {name: good, namespace: team-a}
spec: {bucket: media, key: tenants/team-a/a.txt, expiresIn: 12h, signerRef: {kind: ClusterSigner, name: media}}
---
apiVersion: presign.dev/v1alpha1
kind: PresignedUrl
metadata: {name: bad, namespace: team-a}
spec: {bucket: media, key: tenants/team-b/a.txt, signerRef: {kind: ClusterSigner, name: media}}
---
apiVersion: presign.dev/v1alpha1
kind: ClusterSigner
metadata: {name: media}
spec:
  s3: {region: us-east-1, credentials: {secretRef: {name: key}}}
  allowedNamespaces: {from: All}
  policy: {rules: [{name: downloads, methods: [GET], buckets: [media], keyPrefixes: ["tenants/{namespace}/"], maxExpiresIn: 6h}]}
"#;

    #[test]
    fn names_the_rule_that_allows_and_says_why_another_is_denied() {
        let manifest = manifest::read(FILE).unwrap();
        assert!(missing(&manifest).is_empty());
        let signers = OfflineSigners::parse(&manifest).unwrap();
        let good = judge(&manifest.objects[0], &signers);
        assert!(good.is_allowed && good.message.contains("rule \"downloads\""), "{good:?}");
        assert!(good.message.contains("at most 6h"), "{good:?}");
        let bad = judge(&manifest.objects[1], &signers);
        assert!(!bad.is_allowed && bad.message.contains("tenants/team-a/"), "{bad:?}");
    }

    #[test]
    fn knows_which_signers_the_files_lack() {
        let text = FILE.split("---\napiVersion: presign.dev/v1alpha1\nkind: ClusterSigner").next().unwrap();
        let lacking = missing(&manifest::read(text).unwrap());
        assert_eq!(lacking.len(), 1);
        assert_eq!(lacking[0].name, "media");
    }
}
