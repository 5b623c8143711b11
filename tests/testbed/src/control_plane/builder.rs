//! What a control plane can be told before it starts.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    path::PathBuf,
};

use anyhow::Result;

use super::ControlPlane;
use crate::{Network, network::Addresses, ports};

/// What a control plane can be told before it starts.
#[derive(Clone, Debug, Default)]
#[must_use = "it is to be started"]
pub struct ControlPlaneBuilder {
    pub(super) network: Option<Addresses>,
    pub(super) audit_policy: Option<PathBuf>,
}

impl ControlPlaneBuilder {
    /// Serves a network instead of loopback, so that a [`Node`](crate::Node) can be added.
    pub fn network(mut self, network: &Network) -> Self {
        self.network = Some(network.addresses());
        self
    }

    /// Writes an audit log (see [`ControlPlane::audit_log`]) by the policy in a file.
    pub fn audit_policy(mut self, file: impl Into<PathBuf>) -> Self {
        self.audit_policy = Some(file.into());
        self
    }

    pub(super) fn address(&self) -> Result<SocketAddrV4> {
        Ok(match self.network {
            // The port of the service `kubernetes`.
            Some(addresses) => SocketAddrV4::new(addresses.apiserver(), 443),
            None => SocketAddrV4::new(Ipv4Addr::LOCALHOST, ports::free()?),
        })
    }

    /// Starts it and waits until it is ready.
    pub fn start(&self) -> Result<ControlPlane> {
        ports::retry_once(|| ControlPlane::start_with(self))
    }
}
