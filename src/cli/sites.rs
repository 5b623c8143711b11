//! The ports of the process, and the pages of each port.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::anyhow;
use tokio::net::TcpListener;

use super::ExitFailure;
use super::run_args::RunArgs;
use crate::controller::SigningService;
use crate::runtime::{Access, Pages, Probes, Scrapes, Site, Tls};

/// The open ports of the process, which are not served yet.
pub(super) struct Ports {
    probes: TcpListener,
    metrics: Option<(TcpListener, Option<Arc<Tls>>)>,
    signing: Option<(TcpListener, Option<Arc<Tls>>)>,
}

/// The addresses of the ports. For port 0, the address has the port that the system chose.
pub(super) struct PortAddresses {
    pub listen: SocketAddr,
    pub metrics_listen: Option<SocketAddr>,
    pub signing_listen: Option<SocketAddr>,
}

impl Ports {
    pub async fn open(args: &RunArgs) -> Result<Self, ExitFailure> {
        let tls = args
            .metrics
            .tls()
            .map_err(|error| ExitFailure::configuration(error.context("--metrics-tls-cert")))?;
        let signing_tls = args
            .signing
            .tls()
            .map_err(|error| ExitFailure::configuration(error.context("--signing-tls-cert")))?;
        let probes = bind("--listen", args.listen).await?;
        let metrics = match args.metrics.metrics_listen {
            Some(address) => Some((bind("--metrics-listen", address).await?, tls)),
            None => None,
        };
        let signing = match args.signing.signing_listen {
            Some(address) => Some((bind("--signing-listen", address).await?, signing_tls)),
            None => None,
        };
        Ok(Self { probes, metrics, signing })
    }

    pub fn addresses(&self) -> std::io::Result<PortAddresses> {
        let address = |port: &Option<(TcpListener, Option<Arc<Tls>>)>| {
            port.as_ref().map(|(listener, _)| listener.local_addr()).transpose()
        };
        Ok(PortAddresses {
            listen: self.probes.local_addr()?,
            metrics_listen: address(&self.metrics)?,
            signing_listen: address(&self.signing)?,
        })
    }

    /// The listener and the site of the signing service, if it is served. `own` is the certificate that the
    /// operator makes, if it does.
    pub fn signing_site(
        &mut self,
        service: impl FnOnce() -> SigningService,
        own: Option<Arc<Tls>>,
    ) -> Option<(TcpListener, Site<SigningService>)> {
        let (listener, of_files) = self.signing.take()?;
        Some((listener, Site { answers: service(), tls: own.or(of_files) }))
    }

    /// The listener and the site of each port.
    pub fn sites(self, probes: Probes, metrics: Scrapes, access: Option<Access>) -> Vec<(TcpListener, Site)> {
        let (probes, metrics) = (Some(probes), Some(metrics));
        match self.metrics {
            None => {
                let pages = Pages { probes, metrics, access: None };
                vec![(self.probes, Site { answers: pages, tls: None })]
            }
            Some((listener, tls)) => {
                let pages = Pages { probes, metrics: None, access: None };
                let guarded = Pages { probes: None, metrics, access: access.map(Arc::new) };
                vec![
                    (self.probes, Site { answers: pages, tls: None }),
                    (listener, Site { answers: guarded, tls }),
                ]
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
