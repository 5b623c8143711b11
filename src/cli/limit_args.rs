//! The flags for the limits: what a `PresignedUrl` may ask for.
#![allow(clippy::doc_markdown, reason = "the comments on flags are printed by --help")]

use anyhow::{anyhow, ensure};
use clap::Args;

use crate::domain::Limits;
use crate::domain::limits::{DENIED_BY_DEFAULT, HostPattern, NamePattern};

const DENY: &str = "--deny-secret-metadata";
/// The value that stands for the names that are denied by default.
const DEFAULT: &str = "default";
/// The value that denies nothing.
const NONE: &str = "none";
const ALLOW: &str = "--allow-endpoints";

/// Flags of `run` and `sign`.
#[derive(Args, Clone, Debug)]
pub struct LimitArgs {
    /// Labels and annotations that no PresignedUrl may put on its Secret, because other controllers
    /// act on them. In a name, * matches any characters. Repeat the flag, or separate names by
    /// commas. The name default is the built-in list (docs/security.md), and none is an empty list.
    #[arg(long, env = "PRESIGN_DENY_SECRET_METADATA", value_name = "NAME", value_delimiter = ',',
        default_value = DEFAULT)]
    deny_secret_metadata: Vec<String>,
    #[command(flatten)]
    endpoints: EndpointArgs,
}

/// The flag of `run`, `sign` and `node` for the hosts of URLs.
#[derive(Args, Clone, Debug)]
pub struct EndpointArgs {
    /// Hosts that URLs may point to, without scheme and port: a name, an IP address, *.example.com
    /// for all subdomains, or * for every host. Repeat the flag, or separate hosts by commas.
    #[arg(
        long,
        env = "PRESIGN_ALLOW_ENDPOINTS",
        value_name = "HOST",
        value_delimiter = ',',
        default_value = "*"
    )]
    allow_endpoints: Vec<String>,
}

impl LimitArgs {
    /// Parses the flags into limits. If a flag is not valid, the error is one line.
    pub(super) fn limits(&self) -> anyhow::Result<Limits> {
        let names: Vec<&str> = self.deny_secret_metadata.iter().map(String::as_str).collect();
        let is_none = names.contains(&NONE);
        ensure!(
            !is_none || names.len() == 1,
            "{DENY}: {NONE} cannot be combined with other names: remove it, or remove the others"
        );
        let mut denied = Vec::new();
        for name in names.into_iter().filter(|name| *name != NONE) {
            let patterns = if name == DEFAULT { &DENIED_BY_DEFAULT[..] } else { &[name] };
            for pattern in patterns {
                denied.push(NamePattern::parse(pattern).map_err(|error| anyhow!("{DENY}: {error}"))?);
            }
        }
        Ok(Limits::new(denied, self.endpoints.patterns()?))
    }
}

impl EndpointArgs {
    /// Parses the hosts. If one is not valid, the error is one line.
    pub(super) fn patterns(&self) -> anyhow::Result<Vec<HostPattern>> {
        let parse = |host: &String| HostPattern::parse(host).map_err(|error| anyhow!("{ALLOW}: {error}"));
        self.allow_endpoints.iter().map(parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn limits(flags: &[&str]) -> anyhow::Result<Limits> {
        match Cli::try_parse_from(["presign-operator", "run"].iter().chain(flags)).unwrap().command {
            Command::Run(args) => args.limits.limits(),
            other => panic!("{other:?}"),
        }
    }

    fn expected(denied: &[&str], hosts: &[&str]) -> Limits {
        Limits::new(
            denied.iter().map(|name| NamePattern::parse(name).unwrap()).collect(),
            hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect(),
        )
    }

    #[test]
    fn the_flags_say_what_is_permitted() {
        let with_default = [&DENIED_BY_DEFAULT[..], &["a/*"]].concat();
        for (flags, limits_of) in [
            (&[][..], expected(&DENIED_BY_DEFAULT, &["*"])),
            (&["--deny-secret-metadata=none"], expected(&[], &["*"])),
            (&["--deny-secret-metadata=default,a/*"], expected(&with_default, &["*"])),
            (&["--deny-secret-metadata", "b", "--deny-secret-metadata", "c"], expected(&["b", "c"], &["*"])),
            (&["--allow-endpoints=a.b,*.c.d"], expected(&DENIED_BY_DEFAULT, &["a.b", "*.c.d"])),
        ] {
            assert_eq!(limits(flags).unwrap(), limits_of, "{flags:?}");
        }
    }

    #[test]
    fn a_flag_that_cannot_be_meant_is_an_error_of_one_line_that_names_it() {
        for flag in [
            "--deny-secret-metadata=",
            "--deny-secret-metadata=none,a",
            "--deny-secret-metadata=a b",
            "--allow-endpoints=",
            "--allow-endpoints=https://a.b",
            "--allow-endpoints=a.b:443",
            "--allow-endpoints=a.*",
        ] {
            let error = limits(&[flag]).unwrap_err().to_string();
            let name = flag.split_once('=').unwrap().0;
            assert!(error.starts_with(name) && !error.contains('\n'), "{flag}: {error}");
        }
    }
}
