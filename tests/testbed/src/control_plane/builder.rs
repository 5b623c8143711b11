//! What a control plane can be told before it starts.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::{ControlPlane, flags::Programs};
use crate::{Network, Result, network::Addresses, ports};

/// What a control plane can be told before it starts.
#[derive(Clone, Debug, Default)]
pub struct ControlPlaneBuilder {
    port: Option<u16>,
    pub(super) network: Option<Addresses>,
    pub(super) apiserver_arguments: Vec<String>,
}

impl ControlPlaneBuilder {
    /// The port of the API server instead of a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Serves a network instead of loopback, so that a [`Node`](crate::Node) can be added.
    #[must_use]
    pub fn network(mut self, network: &Network) -> Self {
        self.network = Some(network.addresses());
        self
    }

    /// One more argument for the API server, such as `--feature-gates=WatchList=false`.
    /// It comes last, so it overrides the testbed's own.
    #[must_use]
    pub fn apiserver_argument(mut self, argument: impl Into<String>) -> Self {
        self.apiserver_arguments.push(argument.into());
        self
    }

    pub(super) fn address(&self) -> Result<SocketAddrV4> {
        Ok(match self.network {
            // The port of the service `kubernetes`.
            Some(addresses) => SocketAddrV4::new(addresses.apiserver(), self.port.unwrap_or(443)),
            None => SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.port.map_or_else(ports::free, Ok)?),
        })
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When a program cannot be found or built, ends early or is not ready in time.
    pub fn start(&self) -> Result<ControlPlane> {
        let programs = Programs::locate()?;
        ports::retry_once(self.port.is_none() && self.network.is_none(), || {
            ControlPlane::start_with(self, &programs)
        })
    }
}
