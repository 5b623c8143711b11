//! The flags of `run`, and the checks that are made before anything starts.
#![allow(clippy::doc_markdown, reason = "the comments on flags are printed by --help")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use clap::{ArgAction, Args};

use super::flags;
use super::limit_args::LimitArgs;
use super::metrics_args::MetricsArgs;
use super::signer_args::SignerArgs;
use super::signing_args::SigningArgs;
use super::signing_certificate_args::SigningCertificateArgs;
use super::sts_args::StsArgs;
use super::verify_args::VerifyArgs;
use crate::controller::SecretAccess;
use crate::crd::names::{ANNOTATION_NAMESPACES, LABEL_MANAGED_BY, OPERATOR};
use crate::runtime::{LeaseSettings, LogFormat, Party};

/// Flags of `run`. Each has a twin in the environment, `PRESIGN_...`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Address that serves /livez and /readyz; also /metrics, unless --metrics-listen is given.
    #[arg(long, env = "PRESIGN_LISTEN", default_value = "0.0.0.0:8080", value_parser = flags::address)]
    pub(super) listen: SocketAddr,
    #[command(flatten)]
    pub(super) metrics: MetricsArgs,
    /// Log level (error, warn, info, debug or trace), or a filter such as
    /// info,presign_operator=debug. Default: the value of RUST_LOG, or info if that is not set
    /// either.
    #[arg(long, env = "PRESIGN_LOG")]
    pub(super) log: Option<String>,
    /// Log format.
    #[arg(long, env = "PRESIGN_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(super) log_format: LogFormat,
    /// Watch only this namespace. For several namespaces, repeat the flag or separate them by
    /// commas. Default: all namespaces.
    #[arg(long, env = "PRESIGN_NAMESPACE", value_delimiter = ',')]
    pub(super) namespace: Vec<String>,
    /// How the operator reads Secrets. With get, it needs no permission to list or watch Secrets:
    /// it reads access keys before each new URL and every five minutes, and notices a changed
    /// target Secret when its renewal is due.
    #[arg(long, env = "PRESIGN_SECRET_ACCESS", value_enum, default_value_t = SecretAccess::Watch)]
    pub(super) secret_access: SecretAccess,
    /// How many objects are reconciled at a time. Namespaces take turns, and one namespace gets at
    /// most half while others wait. In each namespace, the URL that expires soonest comes first.
    #[arg(long, env = "PRESIGN_MAX_IN_FLIGHT", default_value_t = 32,
        value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) max_in_flight: u16,
    /// How long one call to the API server may take, in seconds.
    #[arg(long, env = "PRESIGN_REQUEST_TIMEOUT", default_value_t = 15,
        value_parser = flags::seconds::<1, 300>)]
    pub(super) request_timeout: u64,
    /// Let the operator list pods and patch their annotations, for "spec.podRefresh: Annotate" and
    /// the reason NeverRefreshed. It needs the permission to list and patch pods. Without this flag
    /// it makes no requests for pods.
    #[arg(long, env = "PRESIGN_PODS")]
    pub(super) pods: bool,
    /// What a PresignedUrl may ask for.
    #[command(flatten)]
    pub(super) limits: LimitArgs,
    /// Which connections and credentials a PresignedUrl may use.
    #[command(flatten)]
    pub(super) signers: SignerArgs,
    /// Where the signing service is.
    #[command(flatten)]
    pub(super) signing: SigningArgs,
    /// Which sessions the operator may request.
    #[command(flatten)]
    pub(super) sts: StsArgs,
    /// Whether stores are asked about URLs.
    #[command(flatten)]
    pub(super) verify: VerifyArgs,
    /// The certificate of the signing service, if the operator makes it.
    #[command(flatten)]
    pub(super) signing_certificate: SigningCertificateArgs,
    /// Whether to use leader election, with a Lease. Only the leader writes. Without leader
    /// election, never run a second process.
    #[arg(long, env = "PRESIGN_LEADER_ELECT", default_value_t = true, action = ArgAction::Set)]
    pub(super) leader_elect: bool,
    /// Name of the Lease. Operators that watch the same namespaces must use the same Lease.
    #[arg(long, env = "PRESIGN_LEASE_NAME", default_value = "presign-operator")]
    pub(super) lease_name: String,
    /// Namespace of the Lease. Default: the namespace of the pod, or that of the kubeconfig's
    /// context.
    #[arg(long, env = "PRESIGN_LEASE_NAMESPACE")]
    pub(super) lease_namespace: Option<String>,
    /// How long the leader may fail to renew the Lease before another process takes over, in
    /// seconds.
    #[arg(long, env = "PRESIGN_LEASE_DURATION", default_value_t = 15,
        value_parser = flags::seconds::<2, 600>)]
    pub(super) lease_duration: u64,
}

impl RunArgs {
    /// Checks the flags. If a flag is not valid, the error is one line.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.limits.limits()?;
        let mut seen = BTreeSet::new();
        for namespace in &self.namespace {
            check_label("--namespace", namespace)?;
            ensure!(seen.insert(namespace), "--namespace: {namespace} is given twice: remove one");
        }
        self.signers.check(&self.namespace)?;
        self.sts.limits()?;
        self.verify.endpoints()?;
        self.metrics.check(self.listen)?;
        self.signing_certificate.check()?;
        let others = [("--listen", Some(self.listen)), ("--metrics-listen", self.metrics.metrics_listen)];
        self.signing.check(&others)?;
        check_name("--lease-name", &self.lease_name)?;
        self.lease_namespace.iter().try_for_each(|namespace| check_label("--lease-namespace", namespace))
    }

    /// The lease for leader election. `default` is its namespace if the flags name none.
    pub(super) fn lease(&self, identity: &str, default: &str) -> LeaseSettings {
        LeaseSettings {
            name: self.lease_name.clone(),
            namespace: self.lease_namespace.clone().unwrap_or_else(|| default.to_owned()),
            identity: identity.to_owned(),
            duration: Duration::from_secs(self.lease_duration),
            party: Party {
                label: (LABEL_MANAGED_BY, OPERATOR),
                annotation: ANNOTATION_NAMESPACES,
                namespaces: self.namespace.clone(),
            },
        }
    }
}

/// Checks that a name is an RFC 1123 label, as the name of a namespace is.
pub(super) fn check_label(flag: &str, name: &str) -> anyhow::Result<()> {
    check_name(flag, name)?;
    ensure!(
        name.len() <= 63 && !name.contains('.'),
        "{flag}: {name:?} is not a valid namespace name: use at most 63 characters and no '.'"
    );
    Ok(())
}

/// Checks that a name is an RFC 1123 subdomain, as the name of most objects is.
pub(super) fn check_name(flag: &str, name: &str) -> anyhow::Result<()> {
    ensure!(!name.is_empty(), "{flag}: is empty: leave it out, or give a name");
    let is_word = |part: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !part.is_empty() && part.bytes().all(is_allowed) && !part.starts_with('-') && !part.ends_with('-')
    };
    if name.len() <= 253 && name.split('.').all(is_word) {
        return Ok(());
    }
    Err(anyhow!(
        "{flag}: {name:?} is not a valid name: use lower-case letters and digits, and '-' only between them"
    ))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn args(args: &[&str]) -> RunArgs {
        let words = ["presign-operator", "run"].iter().chain(args);
        match Cli::try_parse_from(words).unwrap().command {
            Command::Run(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn several_namespaces_are_given_one_by_one_or_with_commas() {
        assert!(args(&[]).namespace.is_empty());
        for words in [&["--namespace", "a", "--namespace", "b-2"][..], &["--namespace", "a,b-2"]] {
            let args = args(words);
            args.check().unwrap();
            assert_eq!(args.namespace, ["a", "b-2"]);
        }
    }

    #[test]
    fn a_name_that_cannot_be_meant_is_an_error_of_one_line_that_names_the_flag() {
        let long = "a".repeat(64);
        for (flag, name) in [
            ("--namespace", ""),
            ("--namespace", "A"),
            ("--namespace", "a.b"),
            ("--namespace", "-a"),
            ("--namespace", "a,,b"),
            ("--namespace", "a,b,a"),
            ("--namespace", &long),
            ("--lease-name", ""),
            ("--lease-name", "a..b"),
            ("--lease-namespace", "a b"),
            ("--lease-namespace", ""),
        ] {
            let error = args(&[&format!("{flag}={name}")]).check().unwrap_err().to_string();
            assert!(error.starts_with(flag) && !error.contains('\n'), "{name:?}: {error}");
        }
        args(&["--lease-name", "a.b", "--lease-namespace", "c"]).check().unwrap();
    }
}
