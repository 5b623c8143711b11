//! The flags of `node` for sessions: those of `run`, without what only the operator does.
#![allow(clippy::doc_markdown, reason = "the comments on flags are printed by --help")]

use std::path::PathBuf;

use clap::Args;

use super::sts_args::StsArgs;
use crate::domain::limits::SessionLimits;
use crate::sts::Sts;

/// Flags of `node`.
#[derive(Args, Clone, Debug)]
pub struct NodeStsArgs {
    /// The audiences that the token of a pod may have (audience). Repeat the flag, or separate audiences by
    /// commas.
    #[arg(
        long,
        env = "PRESIGN_TOKEN_AUDIENCES",
        value_name = "AUDIENCE",
        value_delimiter = ',',
        default_value = "sts.amazonaws.com"
    )]
    token_audiences: Vec<String>,
    /// The STS endpoints that the driver may send tokens to: aws for those of AWS, a host, *.DOMAIN, or *.
    /// Only aws and a host that is named exactly may have private addresses. http:// before a host permits it
    /// without TLS. Repeat the flag, or separate endpoints by commas.
    #[arg(
        long,
        env = "PRESIGN_STS_ENDPOINTS",
        value_name = "HOST",
        value_delimiter = ',',
        default_value = "aws"
    )]
    sts_endpoints: Vec<String>,
    /// A file with certificates of private certificate authorities, as PEM, for the calls to an STS. Those of
    /// the system also count.
    #[arg(long, env = "PRESIGN_CA_BUNDLE", value_name = "FILE")]
    ca_bundle: Option<PathBuf>,
    /// The HTTP proxy, such as http://proxy.example:3128. The driver uses it for HTTPS calls to AWS (aws) and
    /// to STS hosts with an exact name in --sts-endpoints. The proxy resolves the names.
    #[arg(long, env = "PRESIGN_HTTPS_PROXY", value_name = "URL", hide_env_values = true)]
    https_proxy: Option<String>,
    /// The hosts that are reached without the proxy: names, domains with a dot in front, addresses or
    /// networks. Separate them by commas.
    #[arg(long, env = "PRESIGN_NO_PROXY", value_name = "HOSTS")]
    no_proxy: Option<String>,
}

impl NodeStsArgs {
    /// Parses the flags that say what is permitted. If a flag is not valid, the error is one line.
    pub(super) fn limits(&self) -> anyhow::Result<SessionLimits> {
        self.as_of_run().limits()
    }

    /// The client for calls to an STS.
    pub(super) fn sts(&self) -> anyhow::Result<Sts> {
        self.as_of_run().sts()
    }

    /// The same flags of `run`. A volume never uses the identity of the driver.
    fn as_of_run(&self) -> StsArgs {
        StsArgs {
            token_audiences: self.token_audiences.clone(),
            sts_endpoints: self.sts_endpoints.clone(),
            ambient_credentials: false,
            ca_bundle: self.ca_bundle.clone(),
            https_proxy: self.https_proxy.clone(),
            no_proxy: self.no_proxy.clone(),
        }
    }
}
