//! The signers of a manifest, for signing without a cluster.

use std::collections::HashMap;

use anyhow::{Context, anyhow, bail};
use kube::ResourceExt as _;

use super::manifest::Manifest;
use crate::crd::{PresignedUrl, SignerKind};
use crate::domain::policy::Requester;
use crate::domain::resolve::{ConnectionSettings, Permission, ResolveContext, Resolved, resolve, signer_id};
use crate::domain::signer::{Labels, ParsedSigner, SignerId};

/// The namespace of objects that name none.
const DEFAULT_NAMESPACE: &str = "default";

/// The signers of a manifest, and the labels of its namespaces.
pub(crate) struct OfflineSigners {
    all: HashMap<SignerId, ParsedSigner>,
    namespaces: HashMap<String, Labels>,
}

impl OfflineSigners {
    /// Parses the signers of a manifest.
    pub(crate) fn parse(manifest: &Manifest) -> anyhow::Result<Self> {
        let mut all = HashMap::new();
        let mut add = |id: SignerId, parsed: Result<ParsedSigner, _>| -> anyhow::Result<()> {
            let parsed: ParsedSigner = parsed
                .map_err(|error: crate::domain::request::InvalidSpec| anyhow!("{error}"))
                .with_context(|| id.to_string())?;
            if all.insert(id.clone(), parsed).is_some() {
                bail!("{id} is given twice: remove one");
            }
            Ok(())
        };
        for signer in &manifest.signers {
            let namespace = signer.namespace().unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
            let id = SignerId { kind: SignerKind::Signer, namespace, name: signer.name_any() };
            add(id.clone(), ParsedSigner::of_namespace(id, String::new(), 0, &signer.spec))?;
        }
        for signer in &manifest.cluster_signers {
            let kind = SignerKind::ClusterSigner;
            let id = SignerId { kind, namespace: String::new(), name: signer.name_any() };
            add(id.clone(), ParsedSigner::of_cluster(id, String::new(), 0, &signer.spec, ""))?;
        }
        Ok(Self { all, namespaces: manifest.namespaces.clone().into_iter().collect() })
    }

    /// Resolves an object. If a signer denies it, the error says why.
    pub(crate) fn resolve(&self, object: &PresignedUrl) -> anyhow::Result<Resolved> {
        let namespace = object.namespace().unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
        let name = object.name_any();
        let id = object.spec.signer_ref.as_ref().map(|reference| signer_id(reference, &namespace));
        let context = ResolveContext {
            settings: &ConnectionSettings::default(),
            signer: id.and_then(|id| self.all.get(&id)).map(Ok),
            labels: self.namespaces.get(&namespace),
        };
        let selects_labels = matches!(context.signer, Some(Ok(signer)) if signer.selects_labels());
        let requester = Requester::new(&namespace, &name);
        let resolved = resolve(requester, &object.spec, None, &context);
        let resolved = resolved.map_err(|problem| anyhow!(problem.message))?;
        match resolved.permission {
            Permission::Denied { problem, .. } if context.labels.is_none() && selects_labels => {
                let message = problem.message;
                Err(anyhow!("{message}; to judge its labels, add the Namespace {namespace:?} to the files"))
            }
            Permission::Denied { problem, .. } => Err(anyhow!(problem.message)),
            _ => Ok(resolved),
        }
    }
}
