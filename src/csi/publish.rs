//! Reads what the kubelet says when it publishes or unpublishes a volume.

use std::collections::HashMap;

use tonic::Status;

use super::folder::VolumeFolders;
use super::proto::csi::volume_capability::AccessType;
use super::proto::csi::{NodePublishVolumeRequest, NodeUnpublishVolumeRequest, VolumeCapability};
use crate::domain::Sensitive;
use crate::domain::volume::{VolumeInputs, VolumePod};

/// The longest id of a volume. That of the kubelet has 68 characters.
const LONGEST_ID: usize = 256;
/// The attribute and the secret with the tokens of the pod. No data key of a Secret can have this name.
const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens";
const EPHEMERAL: &str = "csi.storage.k8s.io/ephemeral";
const OLD_TOKENS: &str = "the CSIDriver object must have serviceAccountTokenInSecrets: true, because tokens among the attributes reach logs: apply the one of the chart (Kubernetes 1.35 or newer)";

/// The id of a volume, and everything that the kubelet says about it.
///
/// # Errors
/// The answer for the kubelet.
pub(super) fn published(
    request: NodePublishVolumeRequest,
    folders: &VolumeFolders,
) -> Result<(String, VolumeInputs), Status> {
    let NodePublishVolumeRequest { volume_id, target_path, volume_capability, readonly, .. } = request;
    let (attributes, secrets) = (request.volume_context, request.secrets);
    let mut secret: HashMap<String, Sensitive<String>> =
        secrets.into_iter().map(|(key, value)| (key, Sensitive::new(value))).collect();
    check(&volume_id, &target_path, folders)?;
    let fs_group = group(volume_capability.as_ref())?;
    if attributes.get(EPHEMERAL).map(String::as_str) != Some("true") {
        return Err(Status::invalid_argument(
            "the driver serves only inline volumes of pods: write the volume into spec.volumes of the pod, not into a PersistentVolume",
        ));
    }
    if !readonly {
        return Err(Status::invalid_argument("csi.readOnly: must be true: add readOnly: true to the volume"));
    }
    if attributes.contains_key(TOKENS) {
        return Err(Status::failed_precondition(OLD_TOKENS));
    }
    let of_pod = |name: &str| {
        let value = attributes.get(&format!("csi.storage.k8s.io/{name}")).filter(|value| !value.is_empty());
        value.cloned().ok_or_else(|| {
            Status::failed_precondition(
                "the CSIDriver object must have podInfoOnMount: true: apply the one of the chart",
            )
        })
    };
    let pod = VolumePod {
        namespace: of_pod("pod.namespace")?,
        name: of_pod("pod.name")?,
        uid: of_pod("pod.uid")?,
        service_account: of_pod("serviceAccount.name")?,
    };
    let tokens = secret.remove(TOKENS);
    let inputs = VolumeInputs {
        target: target_path,
        attributes: attributes.into_iter().collect(),
        secret: secret.into_iter().collect(),
        tokens,
        fs_group,
        pod,
    };
    Ok((volume_id, inputs))
}

/// The id of a volume, and its folder.
///
/// # Errors
/// The answer for the kubelet.
pub(super) fn unpublished(
    request: NodeUnpublishVolumeRequest,
    folders: &VolumeFolders,
) -> Result<(String, String), Status> {
    let NodeUnpublishVolumeRequest { volume_id, target_path } = request;
    check(&volume_id, &target_path, folders)?;
    Ok((volume_id, target_path))
}

fn check(volume_id: &str, target: &str, folders: &VolumeFolders) -> Result<(), Status> {
    if volume_id.is_empty() || volume_id.len() > LONGEST_ID {
        return Err(Status::invalid_argument("volume_id: must have 1 to 256 characters"));
    }
    if !folders.is_target(target) {
        return Err(Status::invalid_argument(
            "target_path: must be the folder mount of a CSI volume below the folder of the kubelet (--kubelet-dir)",
        ));
    }
    Ok(())
}

/// The group that the files belong to.
fn group(capability: Option<&VolumeCapability>) -> Result<Option<u32>, Status> {
    let capability = capability.ok_or_else(|| Status::invalid_argument("volume_capability: is missing"))?;
    let Some(AccessType::Mount(mount)) = &capability.access_type else {
        return Err(Status::invalid_argument("volume_capability: must be mount, because a volume has files"));
    };
    let group = Some(mount.volume_mount_group.as_str()).filter(|group| !group.is_empty());
    let parse = |group: &str| {
        let is_group = |id: &u32| *id != u32::MAX;
        group
            .parse()
            .ok()
            .filter(is_group)
            .ok_or_else(|| Status::invalid_argument("volume_mount_group: must be the number of a group"))
    };
    group.map(parse).transpose()
}
