//! Which cluster and namespace a command works with: the flags that kubectl has, and the client.
#![allow(clippy::doc_markdown, reason = "the comments on flags are printed by --help")]

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use super::proxy::{self, ProxyVariables};
use super::{kubeconfig, kubeconfig_files, misused};
use crate::cli::ExitFailure;
use crate::crd::duration::DurationText;

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
    /// How long one request to the API server may take: 20s, 1m or a number of seconds; at most 1h.
    #[arg(long, global = true, value_name = "DURATION", default_value = "20s", help_heading = "Cluster",
        value_parser = |text: &str| duration(text, 3600))]
    request_timeout: u64,
}

impl ClusterArgs {
    /// A client for the cluster.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used; a wrong name in it is a wrong use.
    pub(super) async fn client(&self) -> Result<Client, ExitFailure> {
        let mut config = self.own_config().await?;
        if let Some(user) = &self.impersonate {
            config.auth_info.impersonate = Some(user.clone());
            config.auth_info.impersonate_groups =
                Some(self.groups.clone()).filter(|groups| !groups.is_empty());
        }
        Client::try_from(config).map_err(|error| misused(format!("cannot use the kubeconfig: {error}")))
    }

    /// A client that does not act as the user of `--as`.
    ///
    /// # Errors
    /// The same.
    pub(super) async fn own_client(&self) -> Result<Client, ExitFailure> {
        let config = self.own_config().await?;
        Client::try_from(config).map_err(|error| misused(format!("cannot use the kubeconfig: {error}")))
    }

    /// The namespace that the flags, or else the context, name.
    pub(super) fn namespace(&self, client: &Client) -> String {
        self.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned())
    }

    /// The same without a client: reads files only.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    pub(super) fn namespace_offline(&self) -> Result<String, ExitFailure> {
        if let Some(name) = &self.namespace {
            return Ok(name.clone());
        }
        let of_context = match self.file()? {
            Some(file) => kubeconfig::namespace(&file, &self.options()).map_err(misused)?.map(str::to_owned),
            None => self.of_pod().map(|config| config.default_namespace),
        };
        Ok(of_context.unwrap_or_else(|| "default".to_owned()))
    }

    /// The user that the flags name.
    pub(super) fn impersonated(&self) -> Option<&str> {
        self.impersonate.as_deref()
    }

    /// What the kubeconfig, or else the pod, says, without acting as somebody else.
    async fn own_config(&self) -> Result<Config, ExitFailure> {
        let options = self.options();
        let mut config = match self.file()? {
            Some(file) => {
                let proxy = kubeconfig::proxy_url(&file, &options).map_err(misused)?.map(str::to_owned);
                let mut config = Config::from_custom_kubeconfig(file, &options).await.map_err(refused)?;
                let variables = ProxyVariables::read();
                config.proxy_url =
                    proxy::choose(proxy.as_deref(), &variables, &config.cluster_url).map_err(misused)?;
                config
            }
            None => self.of_pod().ok_or_else(|| {
                misused("there is no kubeconfig: name a file with --kubeconfig or in the variable KUBECONFIG")
            })?,
        };
        config.connect_timeout = Some(Duration::from_secs(self.request_timeout.min(10)));
        config.read_timeout = Some(Duration::from_secs(self.request_timeout));
        // Otherwise the time between two requests counts as well.
        config.reset_reader_on_write = true;
        Ok(config)
    }

    fn options(&self) -> KubeConfigOptions {
        KubeConfigOptions {
            context: self.context.clone(),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the plugin is a command line")]
    fn file(&self) -> Result<Option<Kubeconfig>, ExitFailure> {
        let variable = std::env::var_os("KUBECONFIG");
        kubeconfig_files::read(self.kubeconfig.as_deref(), variable.as_deref()).map_err(refused)
    }

    /// The ServiceAccount of the pod, unless the flags name something of a kubeconfig.
    fn of_pod(&self) -> Option<Config> {
        let named = [&self.context, &self.cluster, &self.user];
        let is_named = named.iter().any(|name| name.is_some());
        Config::incluster().ok().filter(|_| !is_named)
    }
}

fn refused(error: KubeconfigError) -> ExitFailure {
    match error {
        KubeconfigError::ParseNoProxy(error) => misused(format!(
            "cannot read NO_PROXY: {error}: write hosts, addresses and networks, with one comma between two"
        )),
        error => misused(format!("cannot use the kubeconfig: {error}")),
    }
}

/// Parses a time as kubectl takes it, with a unit or as a number of seconds, from 1 to `most` seconds.
pub(super) fn duration(text: &str, most: u32) -> Result<u64, String> {
    let seconds = text.parse().ok().or_else(|| DurationText::from(text).seconds());
    let seconds = seconds.filter(|seconds| (1..=most).contains(seconds));
    let wrong = || format!("write a time such as 20s, 1m or 1h, or a number of seconds, from 1 to {most}");
    seconds.map(u64::from).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_or_is_in_seconds() {
        for (text, expected) in [
            ("20", Some(20)),
            ("20s", Some(20)),
            ("1m30s", Some(90)),
            ("1h", Some(3600)),
            ("3600", Some(3600)),
        ] {
            assert_eq!(duration(text, 3600).ok(), expected, "{text}");
        }
        for text in ["", "0", "0s", "1h1s", "3601", "-1", "1.5h", "1d", "x"] {
            assert!(duration(text, 3600).unwrap_err().contains("from 1 to 3600"), "{text}");
        }
    }
}
