//! The flags of `node`, and the checks that are made before anything starts.
#![allow(clippy::doc_markdown, reason = "the comments on flags are printed by --help")]

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;

use super::flags;
use super::limit_args::EndpointArgs;
use super::node_sts_args::NodeStsArgs;
use super::signer_args::InlineCredentials;
use crate::csi::{NodeSettings, SigningServiceSettings};
use crate::domain::Limits;
use crate::domain::volume::VolumeSettings;
use crate::runtime::LogFormat;
use crate::runtime::client::HttpsOrigin;

/// Flags of `node`. Each has a twin in the environment, `PRESIGN_...`.
#[derive(Args, Clone, Debug)]
pub struct NodeArgs {
    /// Address that serves /livez, /readyz and /metrics.
    #[arg(long, env = "PRESIGN_LISTEN", default_value = "0.0.0.0:8080", value_parser = flags::address)]
    pub(super) listen: SocketAddr,
    /// Log level (error, warn, info, debug or trace), or a filter such as
    /// info,presign_operator=debug. Default: the value of RUST_LOG, or info if that is not set
    /// either.
    #[arg(long, env = "PRESIGN_LOG")]
    pub(super) log: Option<String>,
    /// Log format.
    #[arg(long, env = "PRESIGN_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(super) log_format: LogFormat,
    /// Name of the node.
    #[arg(long, env = "PRESIGN_NODE_NAME", value_name = "NAME")]
    pub(super) node_name: String,
    /// The socket that the kubelet connects to, in its folder for plugins. Its name must have an @.
    #[arg(
        long,
        env = "PRESIGN_CSI_SOCKET",
        value_name = "FILE",
        default_value = "/var/lib/kubelet/plugins_registry/presign@url.presign.dev.sock"
    )]
    socket: PathBuf,
    /// The folder of the kubelet. Volumes are published below it, and nowhere else.
    #[arg(long, env = "PRESIGN_KUBELET_DIR", value_name = "FOLDER", default_value = "/var/lib/kubelet")]
    kubelet_dir: PathBuf,
    /// The folder in which the driver stores what it needs after a restart, including access keys and tokens.
    /// It must be in memory (tmpfs), and must exist longer than the process.
    #[arg(long, env = "PRESIGN_STATE_DIR", value_name = "FOLDER", default_value = "/run/presign-operator")]
    state_dir: PathBuf,
    /// Mount nothing: write the URLs to the disk of the node. For clusters that forbid mounts.
    #[arg(long, env = "PRESIGN_CSI_UNPRIVILEGED")]
    unprivileged: bool,
    #[command(flatten)]
    endpoints: EndpointArgs,
    /// Whether volumes may have credentials of their own. Deny: they must name a signer.
    #[arg(long, env = "PRESIGN_INLINE_CREDENTIALS", value_enum, ignore_case = true,
        default_value_t = InlineCredentials::Allow)]
    inline_credentials: InlineCredentials,
    /// The signing service of the operator, as https://HOST:PORT. Without it, volumes with a signer are
    /// refused.
    #[arg(long, env = "PRESIGN_SIGNING_SERVICE", value_name = "URL", requires = "signing_ca")]
    signing_service: Option<HttpsOrigin>,
    /// A file with the certificate authority of the signing service, as PEM. The driver trusts no other
    /// certificate authority. It reads the file again when it changes. The file may be missing at the start.
    #[arg(long, env = "PRESIGN_SIGNING_CA", value_name = "FILE", requires = "signing_service")]
    signing_ca: Option<PathBuf>,
    /// Which sessions the driver may request.
    #[command(flatten)]
    pub(super) sts: NodeStsArgs,
}

impl NodeArgs {
    /// Checks the flags. If a flag is not valid, the error is one line.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.node_name.trim().is_empty(), "--node-name: is empty: give the name of the node");
        let socket = self.socket.file_name().map(|name| name.to_string_lossy().into_owned());
        ensure!(
            self.socket.is_absolute() && socket.is_some_and(|name| name.contains('@')),
            "--socket: must be an absolute path to a file whose name has an @, such as presign@url.presign.dev.sock: HTTP/2 refuses what the kubelet sends for any other name"
        );
        for (flag, folder) in [("--kubelet-dir", &self.kubelet_dir), ("--state-dir", &self.state_dir)] {
            ensure!(folder.is_absolute(), "{flag}: must be an absolute path");
        }
        self.sts.limits()?;
        self.endpoints.patterns().map(drop)
    }

    /// How the driver runs.
    pub(super) fn settings(&self) -> anyhow::Result<NodeSettings> {
        let limits = Limits::new(Vec::new(), self.endpoints.patterns()?);
        let volumes = VolumeSettings {
            limits: limits.with_sessions(self.sts.limits()?),
            denies_inline: self.inline_credentials == InlineCredentials::Deny,
            has_signing_service: self.signing_service.is_some(),
        };
        let service = self.signing_service.clone().zip(self.signing_ca.clone());
        Ok(NodeSettings {
            node_name: self.node_name.clone(),
            socket: self.socket.clone(),
            kubelet_dir: self.kubelet_dir.clone(),
            state_dir: self.state_dir.clone(),
            is_privileged: !self.unprivileged,
            volumes,
            signing_service: service.map(|(origin, ca_file)| SigningServiceSettings { origin, ca_file }),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn args(flags: &[&str]) -> NodeArgs {
        let words = ["presign-operator", "node", "--node-name", "n"];
        match Cli::try_parse_from(words.iter().chain(flags)).unwrap().command {
            Command::Node(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_flags_say_what_volumes_may_ask_for() {
        let settings = args(&[]).settings().unwrap();
        assert!(settings.is_privileged && !settings.volumes.denies_inline);
        let settings = args(&["--unprivileged", "--inline-credentials=Deny"]).settings().unwrap();
        assert!(!settings.is_privileged && settings.volumes.denies_inline);
        assert!(!settings.volumes.has_signing_service && settings.signing_service.is_none());
        let service = ["--signing-service=https://presign.svc:8443", "--signing-ca=/ca/ca.crt"];
        let settings = args(&service).settings().unwrap();
        assert!(settings.volumes.has_signing_service && settings.signing_service.is_some());
        let words = ["presign-operator", "node", "--node-name", "n"];
        for alone in service.into_iter().chain(["--signing-service=http://presign.svc"]) {
            assert!(Cli::try_parse_from(words.into_iter().chain([alone])).is_err(), "{alone}");
        }
        for of_run in ["--ambient-credentials", "--verify"] {
            assert!(Cli::try_parse_from(words.into_iter().chain([of_run])).is_err(), "{of_run}");
        }
        args(&["--sts-endpoints=sts.example.com", "--allow-endpoints=*.example.com"]).check().unwrap();
    }

    #[test]
    fn a_flag_that_cannot_be_meant_is_an_error_of_one_line_that_names_it() {
        for flag in [
            "--socket=/a/b.sock",
            "--socket=a@b",
            "--kubelet-dir=kubelet",
            "--state-dir=run",
            "--allow-endpoints=https://a.b",
            "--token-audiences=",
            "--token-audiences=sts.example.com,presign.dev",
        ] {
            let error = args(&[flag]).check().unwrap_err().to_string();
            let name = flag.split_once('=').unwrap().0;
            assert!(error.starts_with(name) && !error.contains('\n'), "{flag}: {error}");
        }
    }
}
