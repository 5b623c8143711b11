//! The flags for verification: whether stores are asked about URLs, and which.
#![allow(clippy::doc_markdown, reason = "the comments on flags are printed by --help")]

use anyhow::{anyhow, ensure};
use clap::Args;

use super::sts_args::StsArgs;
use crate::domain::limits::VerifyEndpoints;
use crate::verify::{StoreVerifier, VerifySettings};

/// Flags of `run`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// Let the operator ask stores whether they accept the URLs that it issued (spec.verify). It asks only
    /// the stores of ClusterSigners, at addresses of the internet, unless --verify-allow names others.
    #[arg(long, env = "PRESIGN_VERIFY")]
    verify: bool,
    /// A store that the operator may ask: HOST:PORT, *.DOMAIN:PORT or *:PORT, at addresses of the internet.
    /// HOST:PORT=CIDR permits the addresses of the range instead, also internal ones. Repeat the flag, or
    /// separate stores by commas.
    #[arg(long, env = "PRESIGN_VERIFY_ALLOW", value_name = "HOST:PORT[=CIDR]", value_delimiter = ',')]
    verify_allow: Vec<String>,
}

impl VerifyArgs {
    /// Parses the flags. If one is not valid, the error is one line.
    pub(super) fn endpoints(&self) -> anyhow::Result<Option<VerifyEndpoints>> {
        let endpoints = VerifyEndpoints::parse(self.verify_allow.iter().map(String::as_str));
        let endpoints = endpoints.map_err(|error| anyhow!("--verify-allow: {error}"))?;
        ensure!(
            self.verify || self.verify_allow.is_empty(),
            "--verify-allow: has no effect without --verify: add --verify, or remove --verify-allow"
        );
        Ok(self.verify.then_some(endpoints))
    }

    /// Asks stores, on the way that calls to an STS take too; `None` when none may be asked.
    pub(super) fn verifier(&self, calls: &StsArgs) -> anyhow::Result<Option<StoreVerifier>> {
        let Some(endpoints) = self.endpoints()? else { return Ok(None) };
        let settings = VerifySettings {
            endpoints,
            ca_bundle: calls.ca_bundle()?,
            proxy: calls.proxy(),
            no_proxy: calls.no_proxy(),
        };
        Ok(Some(StoreVerifier::new(settings).map_err(|error| anyhow!("{error}"))?))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn endpoints(flags: &[&str]) -> anyhow::Result<Option<VerifyEndpoints>> {
        match Cli::try_parse_from(["presign-operator", "run"].iter().chain(flags)).unwrap().command {
            Command::Run(args) => args.verify.endpoints(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_store_is_asked_unless_the_flag_says_so() {
        assert_eq!(endpoints(&[]).unwrap(), None);
        assert_eq!(endpoints(&["--verify"]).unwrap(), Some(VerifyEndpoints::default()));
        let two = ["minio.svc:9000=10.0.0.0/8", "*.example:443"];
        let flags = ["--verify", "--verify-allow=minio.svc:9000=10.0.0.0/8,*.example:443"];
        assert_eq!(endpoints(&flags).unwrap(), Some(VerifyEndpoints::parse(two).unwrap()));
    }

    #[test]
    fn a_flag_that_cannot_be_meant_is_an_error_of_one_line_that_names_it() {
        for flags in [
            &["--verify", "--verify-allow=a"][..],
            &["--verify", "--verify-allow="],
            &["--verify", "--verify-allow=a:1=b"],
            &["--verify-allow=a:1"],
        ] {
            let error = endpoints(flags).unwrap_err().to_string();
            assert!(error.starts_with("--verify-allow: ") && !error.contains('\n'), "{error}");
        }
    }
}
