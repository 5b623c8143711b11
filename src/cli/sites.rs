//! The ports of the process, and the pages of each port.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::anyhow;
use tokio::net::TcpListener;

use super::ExitFailure;
use super::run_args::RunArgs;
use crate::runtime::{Access, Pages, Probes, Scrapes, Site, Tls};

/// The open ports of the process, which are not served yet.
pub(super) struct Ports {
    probes: TcpListener,
    metrics: Option<(TcpListener, Option<Arc<Tls>>)>,
}

impl Ports {
    /// Opens the ports.
    pub async fn open(args: &RunArgs) -> Result<Self, ExitFailure> {
        let tls = args
            .metrics
            .tls()
            .map_err(|error| ExitFailure::configuration(error.context("--metrics-tls-cert")))?;
        let probes = bind("--listen", args.listen).await?;
        let metrics = match args.metrics.metrics_listen {
            Some(address) => Some((bind("--metrics-listen", address).await?, tls)),
            None => None,
        };
        Ok(Self { probes, metrics })
    }

    /// The addresses of the ports. For port 0, the address has the port that the system chose.
    pub fn addresses(&self) -> std::io::Result<(SocketAddr, Option<SocketAddr>)> {
        let metrics = self.metrics.as_ref().map(|(listener, _)| listener.local_addr());
        Ok((self.probes.local_addr()?, metrics.transpose()?))
    }

    /// The listener and the site of each port.
    pub fn sites(self, probes: Probes, metrics: Scrapes, access: Option<Access>) -> Vec<(TcpListener, Site)> {
        let (probes, metrics) = (Some(probes), Some(metrics));
        match self.metrics {
            None => {
                let pages = Pages { probes, metrics, access: None };
                vec![(self.probes, Site { pages, tls: None })]
            }
            Some((listener, tls)) => {
                let pages = Pages { probes, metrics: None, access: None };
                let guarded = Pages { probes: None, metrics, access: access.map(Arc::new) };
                vec![(self.probes, Site { pages, tls: None }), (listener, Site { pages: guarded, tls })]
            }
        }
    }
}

/// Opens a port.
pub(super) async fn bind(flag: &str, address: SocketAddr) -> Result<TcpListener, ExitFailure> {
    TcpListener::bind(address)
        .await
        .map_err(|error| ExitFailure::configuration(anyhow!("{flag} {address}: {error}")))
}
