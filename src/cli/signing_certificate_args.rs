//! The flags of `run` about the certificate that the operator makes for its signing service.
#![allow(clippy::doc_markdown, reason = "the comments on flags are printed by --help")]

use std::time::Duration;

use anyhow::ensure;
use clap::Args;

use super::run_args::{check_label, check_name};
use crate::controller::CertificateSettings;

/// The time between two checks of the Secret.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);

/// Flags about the certificate.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "they are the names of the flags")]
pub(super) struct SigningCertificateArgs {
    /// The operator creates and renews the certificate of the signing service. It stores the certificate in
    /// the Secret with this name, in the namespace of the operator. It stores the CAs that clients must trust
    /// in the ConfigMap with the same name, as ca.crt. It needs the permission to get, create and update
    /// both.
    #[arg(
        long,
        env = "PRESIGN_SIGNING_CERTIFICATE",
        value_name = "NAME",
        group = "signing_source",
        requires = "signing_dns_names"
    )]
    signing_certificate: Option<String>,
    /// The names that clients call the signing service by. Repeat the flag, or separate names by commas.
    #[arg(
        long,
        env = "PRESIGN_SIGNING_DNS_NAMES",
        value_name = "HOST",
        value_delimiter = ',',
        requires = "signing_certificate"
    )]
    signing_dns_names: Vec<String>,
    /// Namespace of the ConfigMap. Default: the namespace of the operator.
    #[arg(
        long,
        env = "PRESIGN_SIGNING_CA_NAMESPACE",
        value_name = "NAMESPACE",
        requires = "signing_certificate"
    )]
    signing_ca_namespace: Option<String>,
}

impl SigningCertificateArgs {
    /// Checks the names. If a flag is not valid, the error is one line.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.signing_certificate.iter().try_for_each(|name| check_name("--signing-certificate", name))?;
        self.signing_ca_namespace.iter().try_for_each(|name| check_label("--signing-ca-namespace", name))?;
        for name in &self.signing_dns_names {
            let is_name = rustls::pki_types::ServerName::try_from(name.as_str()).is_ok();
            ensure!(
                is_name,
                "--signing-dns-names: {name:?} is not a host name: give the names of the Service, such as presign-operator-signing.presign-system.svc"
            );
        }
        Ok(())
    }

    /// Where the certificate is kept, if the operator makes it. `home` is the namespace of the operator.
    pub(super) fn settings(&self, home: &str) -> Option<CertificateSettings> {
        let name = self.signing_certificate.clone()?;
        let ca_namespace = self.signing_ca_namespace.clone().unwrap_or_else(|| home.to_owned());
        let names = self.signing_dns_names.clone();
        Some(CertificateSettings {
            name,
            namespace: home.to_owned(),
            ca_namespace,
            names,
            every: CHECK_INTERVAL,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn args(flags: &[&str]) -> Result<SigningCertificateArgs, clap::Error> {
        let words = ["presign-operator", "run"];
        match Cli::try_parse_from(words.iter().chain(flags))?.command {
            Command::Run(args) => Ok(args.signing_certificate),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_flags_say_where_the_certificate_is_kept() {
        assert!(args(&[]).unwrap().settings("home").is_none());
        let flags = ["--signing-certificate=signing", "--signing-dns-names=a.b.svc,127.0.0.1"];
        let given = args(&flags).unwrap();
        given.check().unwrap();
        let settings = given.settings("home").unwrap();
        assert_eq!((settings.namespace.as_str(), settings.ca_namespace.as_str()), ("home", "home"));
        assert_eq!(settings.names, ["a.b.svc", "127.0.0.1"]);
        let given = args(&[&flags[..], &["--signing-ca-namespace=nodes"]].concat()).unwrap();
        assert_eq!(given.settings("home").unwrap().ca_namespace, "nodes");
    }

    #[test]
    fn a_flag_that_cannot_be_meant_is_named() {
        for flags in [
            ["--signing-certificate=A", "--signing-dns-names=a"],
            ["--signing-dns-names=a b", "--signing-certificate=a"],
            ["--signing-dns-names=", "--signing-certificate=a"],
        ] {
            let error = args(&flags).unwrap().check().unwrap_err().to_string();
            let flag = flags[0].split_once('=').unwrap().0;
            assert!(error.starts_with(flag) && !error.contains('\n'), "{flags:?}: {error}");
        }
        for alone in ["--signing-certificate=a", "--signing-dns-names=a", "--signing-ca-namespace=a"] {
            assert!(args(&[alone]).is_err(), "{alone}");
        }
    }
}
