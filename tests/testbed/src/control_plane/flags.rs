//! How each component is called: settings in, command line out.

use std::{
    ffi::OsString,
    net::SocketAddrV4,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;

use super::files::{self, PlaneFiles};
use crate::{
    Binary,
    component::{Launch, flag},
    locate,
};

/// Enough for a clean end of etcd and the controllers; the API server would take 1.1 s.
const GRACE: Duration = Duration::from_millis(500);

/// The programs, located once: a restart must not build another version.
pub(super) struct Programs {
    etcd: PathBuf,
    apiserver: PathBuf,
    controller_manager: PathBuf,
}

impl Programs {
    /// Builds those that are missing, which takes minutes.
    pub(super) fn locate() -> Result<Self> {
        let etcd = locate(Binary::Etcd)?;
        let apiserver = locate(Binary::KubeApiserver)?;
        Ok(Self { etcd, apiserver, controller_manager: locate(Binary::KubeControllerManager)? })
    }
}

/// What stays the same over a restart.
pub(super) struct Settings {
    pub(super) programs: Programs,
    pub(super) etcd_port: u16,
    pub(super) address: SocketAddrV4,
    pub(super) services: String,
    pub(super) audit_policy: Option<PathBuf>,
}

/// etcd without fsync: nothing here has to survive a power cut.
pub(super) fn etcd(settings: &Settings, files: &PlaneFiles) -> Launch {
    let client = etcd_url(settings);
    // A single member never calls its peer address, so any free port will do.
    let peer = "http://127.0.0.1:0";
    launch(
        Binary::Etcd,
        &settings.programs.etcd,
        [
            flag("--name", "testbed"),
            flag("--data-dir", files.etcd_data.as_os_str()),
            flag("--listen-client-urls", &client),
            flag("--advertise-client-urls", &client),
            flag("--listen-peer-urls", peer),
            flag("--initial-advertise-peer-urls", peer),
            flag("--initial-cluster", format!("testbed={peer}")),
            flag("--unsafe-no-fsync", "true"),
            flag("--log-level", "warn"),
        ],
    )
}

/// The API server.
pub(super) fn apiserver(settings: &Settings, files: &PlaneFiles) -> Launch {
    let url = files::url(settings.address);
    let ip = settings.address.ip().to_string();
    let mut launch = launch(
        Binary::KubeApiserver,
        &settings.programs.apiserver,
        [
            flag("--etcd-servers", etcd_url(settings)),
            flag("--bind-address", &ip),
            flag("--secure-port", settings.address.port().to_string()),
            // Without it, the address of the default route is looked for, and there may be none.
            flag("--advertise-address", &ip),
            // A loopback address is refused as an endpoint of the service `kubernetes`.
            flag("--endpoint-reconciler-type", "none"),
            flag("--service-cluster-ip-range", &settings.services),
            flag("--cert-dir", files.certificates.as_os_str()),
            flag("--token-auth-file", files.tokens.as_os_str()),
            flag("--authorization-mode", "Node,RBAC"),
            flag("--service-account-issuer", format!("{url}/")),
            flag("--service-account-key-file", files.public_key.as_os_str()),
            flag("--service-account-signing-key-file", files.private_key.as_os_str()),
            flag("--kubelet-client-certificate", files.kubelet_client_certificate.as_os_str()),
            flag("--kubelet-client-key", files.kubelet_client_key.as_os_str()),
            // A node's name is in no DNS.
            flag("--kubelet-preferred-address-types", "InternalIP"),
            flag("--allow-privileged", "true"),
            flag("--profiling", "false"),
        ],
    );
    if let Some(policy) = &settings.audit_policy {
        launch.arguments.extend([
            flag("--audit-policy-file", policy),
            flag("--audit-log-path", files.audit_log.as_os_str()),
            // By default the log is begun anew after 100 MB, which a soak exceeds.
            flag("--audit-log-maxsize", "10000"),
        ]);
    }
    launch
}

/// All default controllers: leaving most of them out makes the start no quicker.
pub(super) fn controller_manager(settings: &Settings, files: &PlaneFiles) -> Launch {
    launch(
        Binary::KubeControllerManager,
        &settings.programs.controller_manager,
        [
            flag("--kubeconfig", files.kubeconfig.as_os_str()),
            flag("--leader-elect", "false"),
            flag("--use-service-account-credentials", "true"),
            flag("--service-account-private-key-file", files.private_key.as_os_str()),
            flag("--root-ca-file", files.ca.as_os_str()),
            // Serves nothing, so it needs no port.
            flag("--secure-port", "0"),
            // The defaults (20 and 30 a second) are for clusters that share the API server.
            flag("--kube-api-qps", "500"),
            flag("--kube-api-burst", "1000"),
        ],
    )
}

fn launch<const N: usize>(binary: Binary, program: &Path, arguments: [OsString; N]) -> Launch {
    Launch {
        name: binary.name(),
        program: program.to_owned(),
        arguments: arguments.into(),
        // All that they call is on this machine, whatever proxy it uses.
        environment: vec![("NO_PROXY", "*".into()), ("no_proxy", "*".into())],
        grace: GRACE,
    }
}

fn etcd_url(settings: &Settings) -> String {
    format!("http://127.0.0.1:{}", settings.etcd_port)
}
