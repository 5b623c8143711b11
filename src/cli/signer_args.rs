//! The flags for signers and credentials: which connections a `PresignedUrl` may use.
#![allow(clippy::doc_markdown, reason = "the comments on flags are printed by --help")]

use anyhow::ensure;
use clap::{ArgAction, Args, ValueEnum};

use super::run_args::check_label;
use crate::domain::resolve::ConnectionTerms;

/// Flags of `run`.
#[derive(Args, Clone, Debug)]
pub struct SignerArgs {
    /// The namespace with the credentials of ClusterSigners. PresignedUrls in it cannot have credentials
    /// of their own. Default: the namespace of the pod, or that of the kubeconfig's context.
    #[arg(long, env = "PRESIGN_SIGNER_NAMESPACE", value_name = "NAMESPACE")]
    signer_namespace: Option<String>,
    /// Whether to use ClusterSigners. The operator needs permission to list and watch them.
    #[arg(long, env = "PRESIGN_CLUSTER_SIGNERS", default_value_t = true, action = ArgAction::Set)]
    pub(super) cluster_signers: bool,
    /// Let ClusterSigners choose namespaces by their labels. The operator needs permission to list and
    /// watch namespaces. Not possible together with --namespace.
    #[arg(long, env = "PRESIGN_NAMESPACE_SELECTORS")]
    pub(super) namespace_selectors: bool,
    /// Whether PresignedUrls may have credentials of their own (spec.s3). Deny: they must name a signer.
    #[arg(long, env = "PRESIGN_INLINE_CREDENTIALS", value_enum, ignore_case = true,
        default_value_t = InlineCredentials::Allow)]
    inline_credentials: InlineCredentials,
}

/// Whether `PresignedUrl`s may have credentials of their own.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum InlineCredentials {
    /// They may.
    Allow,
    /// They must name a signer.
    Deny,
}

impl SignerArgs {
    /// Checks the flags. If a flag is not valid, the error is one line.
    pub(super) fn check(&self, namespaces: &[String]) -> anyhow::Result<()> {
        self.signer_namespace.iter().try_for_each(|name| check_label("--signer-namespace", name))?;
        ensure!(
            !self.namespace_selectors || namespaces.is_empty(),
            "--namespace-selectors: needs the labels of all namespaces: remove it, or remove --namespace"
        );
        Ok(())
    }

    /// Which connections are permitted. `default` is the signer namespace if the flags name none.
    pub(super) fn terms(&self, default: &str) -> ConnectionTerms {
        ConnectionTerms {
            denies_inline: self.inline_credentials == InlineCredentials::Deny,
            // Without ClusterSigners no namespace holds their credentials.
            signer_namespace: if self.cluster_signers {
                self.signer_namespace.clone().unwrap_or_else(|| default.to_owned())
            } else {
                String::new()
            },
        }
    }
}
