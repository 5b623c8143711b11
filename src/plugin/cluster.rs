//! Which cluster and namespace a command works with: the flags that kubectl has, and the client.
#![allow(clippy::doc_markdown, reason = "the comments on flags are printed by --help")]

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use super::misused;
use crate::cli::ExitFailure;

/// The flags of kubectl for the connection.
#[derive(Args, Debug)]
pub(super) struct ClusterArgs {
    /// The kubeconfig file. Default: $KUBECONFIG, ~/.kube/config, or the ServiceAccount of the pod.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Cluster")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig.
    #[arg(long, global = true, value_name = "NAME", help_heading = "Cluster")]
    context: Option<String>,
    /// The cluster of the kubeconfig.
    #[arg(long, global = true, value_name = "NAME", help_heading = "Cluster")]
    cluster: Option<String>,
    /// The user of the kubeconfig.
    #[arg(long, global = true, value_name = "NAME", help_heading = "Cluster")]
    user: Option<String>,
    /// The namespace. Default: that of the context.
    #[arg(short, long, global = true, value_name = "NAME", help_heading = "Cluster")]
    namespace: Option<String>,
    /// Act as this user.
    #[arg(long = "as", global = true, value_name = "USER", help_heading = "Cluster")]
    impersonate: Option<String>,
    /// Act as a member of this group. Repeat the flag for several groups.
    #[arg(
        long = "as-group",
        global = true,
        value_name = "GROUP",
        requires = "impersonate",
        help_heading = "Cluster"
    )]
    groups: Vec<String>,
    /// How long one request to the API server may take, in seconds.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 20, help_heading = "Cluster",
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    request_timeout: u64,
}

impl ClusterArgs {
    /// A client for the cluster.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used; a wrong name in it is a wrong use.
    pub(super) async fn client(&self) -> Result<Client, ExitFailure> {
        let config = self.config().await?;
        Client::try_from(config).map_err(|error| misused(format!("cannot use the kubeconfig: {error}")))
    }

    /// The namespace that the flags, or else the context, name.
    pub(super) fn namespace(&self, client: &Client) -> String {
        self.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned())
    }

    /// The namespace that the flags name.
    pub(super) fn given_namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The user that the flags name.
    pub(super) fn impersonated(&self) -> Option<&str> {
        self.impersonate.as_deref()
    }

    async fn config(&self) -> Result<Config, ExitFailure> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
        };
        let refused = |error: KubeconfigError| misused(format!("cannot use the kubeconfig: {error}"));
        let read = match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let mut config = match read {
            Ok(file) => Config::from_custom_kubeconfig(file, &options).await.map_err(refused)?,
            Err(error) => {
                let is_named = self.kubeconfig.is_some() || self.context.is_some();
                let in_cluster = Config::incluster().ok().filter(|_| !is_named);
                in_cluster.ok_or_else(|| refused(error))?
            }
        };
        if let Some(user) = &self.impersonate {
            config.auth_info.impersonate = Some(user.clone());
            config.auth_info.impersonate_groups =
                Some(self.groups.clone()).filter(|groups| !groups.is_empty());
        }
        config.connect_timeout = Some(Duration::from_secs(self.request_timeout.min(10)));
        config.read_timeout = Some(Duration::from_secs(self.request_timeout));
        Ok(config)
    }
}
