//! What the kubelet says to a driver.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use presign_operator::csi::csi_proto::node_client::NodeClient;
use presign_operator::csi::csi_proto::volume_capability::{AccessType, MountVolume};
use presign_operator::csi::csi_proto::{
    NodePublishVolumeRequest, NodeUnpublishVolumeRequest, VolumeCapability,
};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use crate::stores::{BUCKET, KEY};
use testbed::ObjectStore;

/// A connection to a driver.
pub async fn connect(socket: &Path) -> Result<Channel, tonic::transport::Error> {
    Endpoint::from_shared(format!("unix://{}", socket.display()))?.connect().await
}

/// A volume of a pod, with what its author wrote.
#[derive(Clone)]
pub struct Mounted {
    pub id: String,
    pub target: PathBuf,
    pub attributes: HashMap<String, String>,
    pub secrets: HashMap<String, String>,
    pub group: String,
}

impl Mounted {
    /// A volume with one URL for the object of the store, and the key of the store.
    pub fn new(kubelet: &Path, name: &str, store: &ObjectStore) -> Self {
        let folder = kubelet.join("pods").join(format!("uid-of-{name}"));
        let target = folder.join("volumes/kubernetes.io~csi/report/mount");
        let of_pod = [
            ("ephemeral", "true"),
            ("pod.name", name),
            ("pod.namespace", "team-a"),
            ("pod.uid", name),
            ("serviceAccount.name", "reader"),
        ];
        let of_pod = of_pod.map(|(key, value)| (format!("csi.storage.k8s.io/{key}"), value.to_owned()));
        let volume = Self {
            id: format!("csi-{name}"),
            target,
            attributes: of_pod.into(),
            secrets: HashMap::new(),
            group: String::new(),
        };
        let endpoint = store.endpoint();
        volume
            .with(&[
                ("bucket", BUCKET),
                ("key", KEY),
                ("endpoint", &endpoint),
                ("region", store.region()),
                ("expiresIn", "5m"),
            ])
            .with_key(store.access_key_id(), store.secret_access_key())
    }

    /// The same with further attributes.
    pub fn with(mut self, attributes: &[(&str, &str)]) -> Self {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        self.attributes.extend(attributes.iter().map(pair));
        self
    }

    /// The same without some attributes.
    pub fn without(mut self, attributes: &[&str]) -> Self {
        self.attributes.retain(|name, _| !attributes.contains(&name.as_str()));
        self
    }

    /// The same with another Secret.
    pub fn with_key(mut self, id: &str, secret: &str) -> Self {
        self.secrets = [("access-key-id", id), ("secret-access-key", secret)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        self
    }

    /// The call that publishes it.
    pub fn request(&self) -> NodePublishVolumeRequest {
        let mount = MountVolume { volume_mount_group: self.group.clone(), ..MountVolume::default() };
        NodePublishVolumeRequest {
            volume_id: self.id.clone(),
            target_path: self.target.display().to_string(),
            readonly: true,
            volume_context: self.attributes.clone(),
            secrets: self.secrets.clone(),
            volume_capability: Some(VolumeCapability {
                access_type: Some(AccessType::Mount(mount)),
                ..VolumeCapability::default()
            }),
            ..NodePublishVolumeRequest::default()
        }
    }

    /// Publishes it, as the kubelet does: it makes the folder above the volume.
    pub async fn publish(&self, channel: &Channel) -> Result<(), Status> {
        std::fs::create_dir_all(self.target.parent().unwrap()).unwrap();
        NodeClient::new(channel.clone()).node_publish_volume(self.request()).await.map(drop)
    }

    /// Unpublishes it.
    pub async fn unpublish(&self, channel: &Channel) -> Result<(), Status> {
        let request = NodeUnpublishVolumeRequest {
            volume_id: self.id.clone(),
            target_path: self.target.display().to_string(),
        };
        NodeClient::new(channel.clone()).node_unpublish_volume(request).await.map(drop)
    }
}
