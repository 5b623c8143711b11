//! The flags for sessions: where tokens may go, and how an STS is reached.
#![allow(clippy::doc_markdown, reason = "the comments on flags are printed by --help")]

use std::path::PathBuf;

use anyhow::{Context as _, anyhow, ensure};
use clap::Args;

use crate::domain::limits::{SessionLimits, StsEndpoints};
use crate::domain::volume::SIGNING_AUDIENCE;
use crate::sts::{AmbientSource, Sts, StsSettings};

/// Flags of `run`.
#[derive(Args, Clone, Debug)]
pub struct StsArgs {
    /// The audiences that a token of a ServiceAccount may have (webIdentity.audience). An audience of the
    /// API server is refused in any case. Repeat the flag, or separate audiences by commas.
    #[arg(
        long,
        env = "PRESIGN_TOKEN_AUDIENCES",
        value_name = "AUDIENCE",
        value_delimiter = ',',
        default_value = "sts.amazonaws.com"
    )]
    pub(super) token_audiences: Vec<String>,
    /// The STS endpoints that the operator may send tokens and signed requests to: aws for those of AWS, a
    /// host, *.DOMAIN, or *. Only aws and a host that is named exactly may have private addresses.
    /// http:// before a host permits it without TLS. Repeat the flag, or separate endpoints by commas.
    #[arg(
        long,
        env = "PRESIGN_STS_ENDPOINTS",
        value_name = "HOST",
        value_delimiter = ',',
        default_value = "aws"
    )]
    pub(super) sts_endpoints: Vec<String>,
    /// Let ClusterSigners use the operator's own AWS identity (credentials.ambient): web identity files, the
    /// container credentials endpoint, or instance metadata.
    #[arg(long, env = "PRESIGN_AMBIENT_CREDENTIALS")]
    pub(super) ambient_credentials: bool,
    /// A file with certificates of private certificate authorities, as PEM, for the calls to an STS and to
    /// stores (--verify). Those of the system also count.
    #[arg(long, env = "PRESIGN_CA_BUNDLE", value_name = "FILE")]
    pub(super) ca_bundle: Option<PathBuf>,
    /// The HTTP proxy, such as http://proxy.example:3128. The operator uses it for HTTPS calls to AWS (aws)
    /// and to STS hosts with an exact name in --sts-endpoints, and to stores with an exact name and no CIDR
    /// in --verify-allow. The proxy resolves the names.
    #[arg(long, env = "PRESIGN_HTTPS_PROXY", value_name = "URL", hide_env_values = true)]
    pub(super) https_proxy: Option<String>,
    /// The hosts that are reached without the proxy: names, domains with a dot in front, addresses or
    /// networks. Separate them by commas.
    #[arg(long, env = "PRESIGN_NO_PROXY", value_name = "HOSTS")]
    pub(super) no_proxy: Option<String>,
}

/// A variable of the environment, for the identity of the operator.
#[expect(clippy::disallowed_methods, reason = "this is the command line")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl StsArgs {
    /// Parses the flags that say what is permitted. If a flag is not valid, the error is one line.
    pub(super) fn limits(&self) -> anyhow::Result<SessionLimits> {
        let is_audience = |text: &String| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        ensure!(
            self.token_audiences.iter().all(is_audience),
            "--token-audiences: an audience is empty or has spaces: correct it, or remove the flag"
        );
        ensure!(
            self.token_audiences.iter().all(|audience| audience != SIGNING_AUDIENCE),
            "--token-audiences: {SIGNING_AUDIENCE} is the audience of the signing service, whose tokens no STS may get: remove it"
        );
        let endpoints = StsEndpoints::parse(self.sts_endpoints.iter().map(String::as_str));
        Ok(SessionLimits {
            audiences: self.token_audiences.clone(),
            endpoints: endpoints.map_err(|error| anyhow!("--sts-endpoints: {error}"))?,
            ambient: self.ambient_credentials,
        })
    }

    /// The client for calls to an STS.
    pub(super) fn sts(&self) -> anyhow::Result<Sts> {
        let settings = StsSettings {
            endpoints: self.limits()?.endpoints,
            ca_bundle: self.ca_bundle()?,
            proxy: self.proxy(),
            no_proxy: self.no_proxy.clone(),
            ambient: self.ambient_credentials.then(|| AmbientSource::find(variable)),
        };
        Sts::new(settings).map_err(|error| anyhow!("{error}"))
    }

    /// The certificates for all calls.
    pub(super) fn ca_bundle(&self) -> anyhow::Result<Option<String>> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path)
                .with_context(|| format!("--ca-bundle: cannot read {}", path.display()))
        };
        self.ca_bundle.as_ref().map(read).transpose()
    }

    /// The proxy for all calls.
    pub(super) fn proxy(&self) -> Option<String> {
        self.https_proxy.clone().filter(|proxy| !proxy.trim().is_empty())
    }

    /// The hosts that are reached without the proxy.
    pub(super) fn no_proxy(&self) -> Option<String> {
        self.no_proxy.clone()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn args(flags: &[&str]) -> StsArgs {
        match Cli::try_parse_from(["presign-operator", "run"].iter().chain(flags)).unwrap().command {
            Command::Run(args) => args.sts,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_flags_say_which_sessions_may_be_requested() {
        for (flags, audiences, endpoints, ambient) in [
            (&[][..], vec!["sts.amazonaws.com"], vec!["aws"], false),
            (
                &["--token-audiences=a,b", "--sts-endpoints=aws,http://sts.store", "--ambient-credentials"],
                vec!["a", "b"],
                vec!["aws", "http://sts.store"],
                true,
            ),
        ] {
            let endpoints = StsEndpoints::parse(endpoints).unwrap();
            let audiences = audiences.into_iter().map(str::to_owned).collect();
            assert_eq!(args(flags).limits().unwrap(), SessionLimits { audiences, endpoints, ambient });
        }
    }

    #[test]
    fn a_flag_that_cannot_be_meant_is_an_error_of_one_line_that_names_it() {
        for flag in [
            "--token-audiences=",
            "--token-audiences=sts.example.com,presign.dev",
            "--token-audiences=a b",
            "--sts-endpoints=https://a",
            "--sts-endpoints=a:1",
        ] {
            let error = args(&[flag]).limits().unwrap_err().to_string();
            let name = flag.split_once('=').unwrap().0;
            assert!(error.starts_with(name) && !error.contains('\n'), "{flag}: {error}");
        }
        let error = format!("{:#}", args(&["--ca-bundle=/does/not/exist"]).sts().unwrap_err());
        assert!(error.starts_with("--ca-bundle: "), "{error}");
    }
}
