//! The settings of containerd, CNI and kubelet, each of which keeps to one folder.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use super::image;
use crate::{
    ControlPlane, Network,
    disk::{make_folder, write},
};

/// Where each file is.
pub(super) struct NodeFiles {
    pub(super) containerd: PathBuf,
    pub(super) socket: PathBuf,
    pub(super) kubelet: PathBuf,
    pub(super) kubeconfig: PathBuf,
    folder: PathBuf,
}

impl NodeFiles {
    /// Writes all of them.
    pub(super) fn write(network: &Network, plane: &ControlPlane) -> Result<Self> {
        let folder = network.folder().to_owned();
        let files = Self {
            containerd: folder.join("containerd.toml"),
            socket: folder.join("containerd.sock"),
            kubelet: folder.join("kubelet.json"),
            kubeconfig: plane.kubeconfig_for("kubelet", plane.node_token())?,
            folder,
        };
        let cni = files.folder.join("cni");
        make_folder(&cni)?;
        write(&cni.join("testbed.conflist"), files.cni(network))?;
        write(&files.containerd, files.containerd_toml())?;
        write(&files.kubelet, files.kubelet_json(network, plane))?;
        // No name server: nothing that pods talk to has a name.
        write(&files.folder.join("resolv.conf"), "")?;
        Ok(files)
    }

    /// A folder or file of the node.
    pub(super) fn at(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn containerd_toml(&self) -> String {
        let plugins = "/usr/lib/cni";
        format!(
            r#"version = 2
root = "{root}"
state = "{state}"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
# Otherwise "can't get final child's PID from pipe: EOF" where CAP_SYS_RESOURCE is missing.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{cni}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
Root = "{runc}"
"#,
            root = self.at("containerd"),
            state = self.at("containerd-state"),
            socket = self.socket.display(),
            pause = image::CLIENT,
            cni = self.at("cni"),
            runc = self.at("runc"),
        )
    }

    fn cni(&self, network: &Network) -> String {
        let addresses = network.addresses();
        json!({
            "cniVersion": "0.4.0",
            "name": network.bridge(),
            "plugins": [{
                "type": "bridge",
                "bridge": network.bridge(),
                // The bridge has its address already; as a gateway, the plugin would turn on
                // forwarding for the whole machine.
                "isGateway": false,
                "ipam": {
                    "type": "host-local",
                    "dataDir": self.at("addresses"),
                    "ranges": [[{"subnet": addresses.pods(), "gateway": addresses.gateway()}]],
                    "routes": [{"dst": "0.0.0.0/0", "gw": addresses.gateway()}],
                },
            }],
        })
        .to_string()
    }

    fn kubelet_json(&self, network: &Network, plane: &ControlPlane) -> String {
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": network.addresses().gateway(),
            "healthzPort": 0,
            "authentication": {
                "anonymous": {"enabled": false},
                "webhook": {"enabled": false},
                "x509": {"clientCAFile": plane.kubelet_client_certificate()},
            },
            // Only the API server gets this far.
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": format!("/{}", network.home().name()),
            "failCgroupV1": false,
            "enforceNodeAllocatable": [],
            "failSwapOn": false,
            "containerRuntimeEndpoint": format!("unix://{}", self.socket.display()),
            // A full disk is a matter of the machine, not of its pods.
            "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%"},
            "imageGCHighThresholdPercent": 100,
            "podLogsDir": self.at("pod-logs"),
            "volumePluginDir": self.at("volume-plugins"),
            "resolvConf": self.at("resolv.conf"),
        })
        .to_string()
    }
}
