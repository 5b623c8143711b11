//! A bridge of its own, on which pods reach the servers of a testbed.
//!
//! What runs on it is in `node.rs`, `control_plane.rs` and `object_store.rs`.

use std::{net::Ipv4Addr, path::Path, process::Command};

use anyhow::{Result, ensure};

use crate::{home::Home, random, tool};

/// Networks for benchmarks (RFC 2544), so hardly a place that anybody wants to reach.
const BLOCK: [u8; 2] = [198, 18];
const ATTEMPTS: usize = 16;

/// Who has which address on the network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    third: u8,
}

impl Addresses {
    fn at(self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(BLOCK[0], BLOCK[1], self.third, last)
    }

    /// This machine, as pods see it, and their gateway.
    pub(crate) fn gateway(self) -> Ipv4Addr {
        self.at(1)
    }

    /// The addresses of pods, the gateway's among them.
    pub(crate) fn pods(self) -> String {
        format!("{}/25", self.at(0))
    }

    /// The addresses of services.
    pub(crate) fn services(self) -> String {
        format!("{}/25", self.at(128))
    }

    /// The service `kubernetes`, which the API server gives the first address of the range.
    ///
    /// The API server itself listens there. So pods find it as they do everywhere, by
    /// `KUBERNETES_SERVICE_HOST`, without a kube-proxy.
    pub(crate) fn apiserver(self) -> Ipv4Addr {
        self.at(129)
    }
}

/// A bridge with addresses for pods and for the servers that they reach. It goes when its
/// owner ends, with everything that runs on it.
///
/// Needs root. Nothing is forwarded to or from any other network, and no setting of the
/// system is changed.
pub struct Network {
    addresses: Addresses,
    bridge: String,
    home: Home,
}

impl Network {
    /// Makes the bridge.
    pub fn create() -> Result<Self> {
        let home = Home::cleaned_by(include_str!("node/clean.sh"))?;
        let bridge = home.name().replace("presign-testbed-", "psb-");
        // By itself a bridge takes the lowest address of its ports. So it would have another one
        // whenever pods come and go, and the others would call the old one for a minute.
        let bytes: Vec<String> = (0..5).map(|_| random::hex(1)).collect();
        let hardware = format!("02:{}", bytes.join(":"));
        ip(&["link", "add", &bridge, "address", &hardware, "type", "bridge"])?;
        ip(&["link", "set", &bridge, "up"])?;
        let mut attempt = 0;
        let addresses = loop {
            let addresses = Addresses { third: fastrand::u8(..) };
            match claim(&bridge, addresses) {
                Ok(()) => break addresses,
                Err(error) if attempt == ATTEMPTS => return Err(error),
                Err(_) => attempt += 1,
            }
        };
        Ok(Self { addresses, bridge, home })
    }

    pub(crate) fn addresses(&self) -> Addresses {
        self.addresses
    }

    pub(crate) fn bridge(&self) -> &str {
        &self.bridge
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// The folder with everything that belongs to the network's node.
    pub fn folder(&self) -> &Path {
        self.home.folder()
    }
}

/// Gives the bridge its addresses, unless this machine has a route to them already.
fn claim(bridge: &str, addresses: Addresses) -> Result<()> {
    let taken = ip(&["-4", "route", "show", &addresses.pods()])?;
    ensure!(taken.is_empty(), "{} is in use", addresses.pods());
    // The order matters to the CNI plugin, which looks at the first address only.
    ip(&["address", "add", &format!("{}/25", addresses.gateway()), "dev", bridge])?;
    ip(&["address", "add", &format!("{}/32", addresses.apiserver()), "dev", bridge])?;
    Ok(())
}

fn ip(arguments: &[&str]) -> Result<String> {
    tool::run(Command::new("ip").args(arguments))
}
