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
    /// Address that serves /metrics, instead of --listen.
    #[arg(long, env = "PRESIGN_METRICS_LISTEN", value_name = "ADDRESS",
        value_parser = flags::address)]
    pub(super) metrics_listen: Option<SocketAddr>,
    /// Certificate file (PEM), to serve --metrics-listen with TLS. The operator reads the file
    /// again when it changes.
    #[arg(long, env = "PRESIGN_METRICS_TLS_CERT", value_name = "FILE",
        requires_all = ["metrics_tls_key", "metrics_listen"])]
    metrics_tls_cert: Option<PathBuf>,
    /// Private key file of the certificate (PEM).
    #[arg(
        long = "metrics-tls-key",
        env = "PRESIGN_METRICS_TLS_KEY",
        value_name = "FILE",
        requires = "metrics_tls_cert"
    )]
    metrics_tls_key: Option<PathBuf>,
    /// Serve /metrics only to clients whose bearer token has the permission to get the path
    /// /metrics. The operator needs the permission to create tokenreviews and subjectaccessreviews.
    /// Requires TLS, because a token must not be sent in plain text.
    #[arg(long, env = "PRESIGN_METRICS_AUTH", requires = "metrics_tls_cert")]
    pub(super) metrics_auth: bool,
}

impl MetricsArgs {
    /// The certificate, if the flags name one.
    pub(super) fn tls(&self) -> anyhow::Result<Option<Arc<Tls>>> {
        flags::tls(self.metrics_tls_cert.as_deref(), self.metrics_tls_key.as_deref())
    }

    /// Checks that the two addresses differ.
    pub(super) fn check(&self, listen: SocketAddr) -> anyhow::Result<()> {
        let is_free = self.metrics_listen.is_none_or(|address| address != listen || address.port() == 0);
        ensure!(
            is_free,
            "--metrics-listen: {listen} is also the address of --listen: choose another port, or leave the flag out"
        );
        Ok(())
    }
}
