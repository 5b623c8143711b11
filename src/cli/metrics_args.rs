//! The flags of `run` about metrics: where they are served, and which clients may read them.
#![allow(clippy::doc_markdown, reason = "the comments on flags are printed by --help")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::ensure;
use clap::Args;

use super::flags;
use crate::runtime::Tls;

/// Flags about metrics.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "they are the names of the flags")]
pub(super) struct MetricsArgs {
    /// Another address that serves /metrics, instead of --listen.
    #[arg(long, env = "PRESIGN_METRICS_LISTEN", value_name = "ADDRESS",
        value_parser = flags::address)]
    pub(super) metrics_listen: Option<SocketAddr>,
    /// A certificate as PEM: --metrics-listen is served with TLS. The file is read again when it
    /// changes.
    #[arg(long, env = "PRESIGN_METRICS_TLS_CERT", value_name = "FILE",
        requires_all = ["metrics_tls_key", "metrics_listen"])]
    metrics_tls_cert: Option<PathBuf>,
    /// The private key of the certificate, as PEM.
    #[arg(
        long = "metrics-tls-key",
        env = "PRESIGN_METRICS_TLS_KEY",
        value_name = "FILE",
        requires = "metrics_tls_cert"
    )]
    metrics_tls_key: Option<PathBuf>,
    /// Answer /metrics only to a bearer token whose owner may get the path /metrics. Needs create
    /// on tokenreviews and subjectaccessreviews, and TLS, since a token must not be sent in plain
    /// text.
    #[arg(long, env = "PRESIGN_METRICS_AUTH", requires = "metrics_tls_cert")]
    pub(super) metrics_auth: bool,
}

impl MetricsArgs {
    /// The certificate, if the flags name one.
    pub(super) fn tls(&self) -> anyhow::Result<Option<Arc<Tls>>> {
        let (Some(certificate), Some(key)) = (&self.metrics_tls_cert, &self.metrics_tls_key) else {
            return Ok(None);
        };
        Ok(Some(Arc::new(Tls::read(certificate, key)?)))
    }

    /// Checks that the two addresses differ.
    pub(super) fn check(&self, listen: SocketAddr) -> anyhow::Result<()> {
        let is_free = self.metrics_listen.is_none_or(|address| address != listen || address.port() == 0);
        ensure!(
            is_free,
            "--metrics-listen: {listen} is that of --listen: give another port, or leave it out"
        );
        Ok(())
    }
}
