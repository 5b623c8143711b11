//! The flags for signers and credentials: which connections a `PresignedUrl` may use.
#![allow(clippy::doc_markdown, reason = "the comments on flags are printed by --help")]

use anyhow::ensure;
use clap::{ArgAction, Args, ValueEnum};

use super::run_args::check_label;
use crate::domain::resolve::ConnectionSettings;

/// Flags of `run`.
#[derive(Args, Clone, Debug)]
pub struct SignerArgs {
    /// The namespace with the credentials of ClusterSigners. PresignedUrls in it cannot have credentials
    /// of their own. Default: the namespace of the pod, or presign-system outside of a pod.
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

/// The signer namespace of an operator that runs outside of a pod, if the flags name none. That of the
/// kubeconfig is where people try PresignedUrls with credentials of their own.
const OUTSIDE: &str = "presign-system";

/// The namespace of the pod; `None` outside of a pod.
fn pod_namespace() -> Option<String> {
    let namespace =
        std::fs::read_to_string("/var/run/secrets/kubernetes.io/serviceaccount/namespace").ok()?;
    Some(namespace.trim().to_owned()).filter(|namespace| !namespace.is_empty())
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

    /// Which connections are permitted.
    pub(super) fn settings(&self) -> ConnectionSettings {
        ConnectionSettings {
            denies_inline: self.inline_credentials == InlineCredentials::Deny,
            // Without ClusterSigners no namespace holds their credentials.
            signer_namespace: if self.cluster_signers {
                self.signer_namespace.clone().or_else(pod_namespace).unwrap_or_else(|| OUTSIDE.to_owned())
            } else {
                String::new()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn settings(flags: &[&str]) -> ConnectionSettings {
        match Cli::try_parse_from(["presign-operator", "run"].iter().chain(flags)).unwrap().command {
            Command::Run(args) => args.signers.settings(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_flags_say_where_credentials_may_be() {
        for (flags, namespace, denies_inline) in [
            (&[][..], OUTSIDE, false),
            (&["--signer-namespace=platform", "--inline-credentials=Deny"], "platform", true),
            (&["--inline-credentials=allow"], OUTSIDE, false),
            (&["--cluster-signers=false", "--signer-namespace=platform"], "", false),
        ] {
            let settings = settings(flags);
            assert_eq!(
                (settings.signer_namespace.as_str(), settings.denies_inline),
                (namespace, denies_inline)
            );
        }
    }

    #[test]
    fn labels_of_namespaces_need_all_of_them() {
        let check = |flags: &[&str], namespaces: &[String]| match Cli::try_parse_from(
            ["presign-operator", "run"].iter().chain(flags),
        )
        .unwrap()
        .command
        {
            Command::Run(args) => args.signers.check(namespaces),
            other => panic!("{other:?}"),
        };
        assert!(check(&["--namespace-selectors"], &[]).is_ok());
        let error = check(&["--namespace-selectors"], &["a".to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("--namespace-selectors: "), "{error}");
        let error = check(&["--signer-namespace=A"], &[]).unwrap_err().to_string();
        assert!(error.starts_with("--signer-namespace: "), "{error}");
    }
}
