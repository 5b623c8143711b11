//! The flags of `run` about the signing service, which signs the URLs of CSI volumes with signers.
#![allow(clippy::doc_markdown, reason = "the comments on flags are printed by --help")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::ensure;
use clap::Args;

use super::flags;
use crate::runtime::Tls;

/// Flags about the signing service.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "they are the names of the flags")]
pub(super) struct SigningArgs {
    /// Address that serves the signing service, with TLS: the CSI driver asks it for the URLs of
    /// volumes that use a signer. Default: it is not served. The operator needs the permission to
    /// create tokenreviews and subjectaccessreviews.
    #[arg(long, env = "PRESIGN_SIGNING_LISTEN", value_name = "ADDRESS",
        value_parser = flags::address, requires = "signing_source")]
    pub(super) signing_listen: Option<SocketAddr>,
    /// Certificate file (PEM) of the signing service. The operator reads the file again when it
    /// changes.
    #[arg(long, env = "PRESIGN_SIGNING_TLS_CERT", value_name = "FILE", group = "signing_source",
        requires_all = ["signing_tls_key", "signing_listen"])]
    signing_tls_cert: Option<PathBuf>,
    /// Private key file of the certificate (PEM).
    #[arg(
        long = "signing-tls-key",
        env = "PRESIGN_SIGNING_TLS_KEY",
        value_name = "FILE",
        requires = "signing_tls_cert"
    )]
    signing_tls_key: Option<PathBuf>,
}

impl SigningArgs {
    /// The certificate, if the flags name one.
    pub(super) fn tls(&self) -> anyhow::Result<Option<Arc<Tls>>> {
        flags::tls(self.signing_tls_cert.as_deref(), self.signing_tls_key.as_deref())
    }

    /// Checks that the address is not one of those that serve something else.
    pub(super) fn check(&self, others: &[(&str, Option<SocketAddr>)]) -> anyhow::Result<()> {
        let Some(address) = self.signing_listen.filter(|address| address.port() != 0) else { return Ok(()) };
        for (flag, other) in others {
            ensure!(
                *other != Some(address),
                "--signing-listen: {address} is also the address of {flag}: choose another port, or leave the flag out"
            );
        }
        Ok(())
    }
}
