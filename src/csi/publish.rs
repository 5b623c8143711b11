//! Reads what the kubelet says when it publishes or unpublishes a volume.

use std::collections::HashMap;

use tonic::Status;

use super::folder::VolumeFolders;
use super::proto::csi::volume_capability::AccessType;
use super::proto::csi::{NodePublishVolumeRequest, NodeUnpublishVolumeRequest, VolumeCapability};
use crate::domain::Sensitive;
use crate::domain::volume::{VolumeFailure, VolumeInputs, VolumePod, VolumeReason};

/// The longest id of a volume. That of the kubelet has 68 characters.
const MAX_ID: usize = 256;
/// The attribute and the secret with the tokens of the pod. No data key of a Secret can have this name.
const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens";
/// What the names of the attributes begin with that the kubelet adds.
const KUBELET: &str = "csi.storage.k8s.io/";
const EPHEMERAL: &str = "csi.storage.k8s.io/ephemeral";
const OLD_TOKENS: &str = "the CSIDriver object must have serviceAccountTokenInSecrets: true, because tokens among the attributes reach logs: apply the one of the chart (Kubernetes 1.35 or newer)";
const NO_POD: &str = "the CSIDriver object must have podInfoOnMount: true: apply the one of the chart";
/// The largest Secret and the largest attributes, in bytes. They are in memory twice for as long as the volume
/// exists.
const MAX_SECRET: usize = 32 * 1024;
const MAX_ATTRIBUTES: usize = 32 * 1024;
const LARGE_SECRET: &str =
    "the Secret of nodePublishSecretRef has more than 32 KiB: name a Secret with an access key alone";

/// What the kubelet asks for.
#[derive(Debug)]
pub(super) struct PublishCall {
    /// Id of the volume.
    pub(super) id: String,
    /// Its folder.
    pub(super) target: String,
    /// The pod, as far as the kubelet says it.
    pub(super) pod: VolumePod,
    /// Everything that the kubelet says, or why that cannot be used.
    pub(super) inputs: Result<VolumeInputs, VolumeFailure>,
}

/// Reads a call that publishes a volume.
///
/// # Errors
/// The answer for the kubelet, if it is not clear which volume is meant. Any other failure is part of the call,
/// because the volume may have URLs already, which stay.
pub(super) fn published(
    request: NodePublishVolumeRequest,
    folders: &VolumeFolders,
) -> Result<PublishCall, Status> {
    check(&request.volume_id, &request.target_path, folders)?;
    let NodePublishVolumeRequest { volume_id, target_path, volume_context, secrets, .. } = request;
    let secret = secrets.into_iter().map(|(key, value)| (key, Sensitive::new(value))).collect();
    let of_pod = |name: &str| volume_context.get(&format!("{KUBELET}{name}")).cloned().unwrap_or_default();
    let pod = VolumePod {
        namespace: of_pod("pod.namespace"),
        name: of_pod("pod.name"),
        uid: of_pod("pod.uid"),
        service_account: of_pod("serviceAccount.name"),
    };
    let (target, capability, readonly) = (target_path, request.volume_capability, request.readonly);
    let inputs = usable(&pod, &target, readonly, capability.as_ref(), volume_context, secret);
    Ok(PublishCall { id: volume_id, target, pod, inputs })
}

/// Everything that the kubelet says about a volume, if that can be used.
fn usable(
    pod: &VolumePod,
    target: &str,
    readonly: bool,
    capability: Option<&VolumeCapability>,
    attributes: HashMap<String, String>,
    mut secret: HashMap<String, Sensitive<String>>,
) -> Result<VolumeInputs, VolumeFailure> {
    let fs_group = group(capability)?;
    if attributes.get(EPHEMERAL).map(String::as_str) != Some("true") {
        return Err(invalid(
            "the driver serves only inline volumes of pods: write the volume into spec.volumes of the pod, not into a PersistentVolume",
        ));
    }
    if !readonly {
        return Err(invalid("csi.readOnly: must be true: add readOnly: true to the volume"));
    }
    if attributes.contains_key(TOKENS) {
        return Err(VolumeFailure::lasting(VolumeReason::CredentialsInvalid, OLD_TOKENS));
    }
    if [&pod.namespace, &pod.name, &pod.uid, &pod.service_account].iter().any(|value| value.is_empty()) {
        return Err(VolumeFailure::lasting(VolumeReason::VolumeError, NO_POD));
    }
    let tokens = secret.remove(TOKENS);
    let of_secret: usize = secret.iter().map(|(key, value)| key.len() + value.expose().len()).sum();
    if of_secret > MAX_SECRET {
        return Err(VolumeFailure::lasting(VolumeReason::CredentialsInvalid, LARGE_SECRET));
    }
    let of_attributes: usize = attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    if of_attributes > MAX_ATTRIBUTES {
        return Err(invalid("volumeAttributes: have more than 32 KiB together: use several volumes"));
    }
    Ok(VolumeInputs {
        target: target.to_owned(),
        attributes: attributes.into_iter().collect(),
        secret: secret.into_iter().collect(),
        tokens,
        fs_group,
        pod: pod.clone(),
    })
}

fn invalid(message: &str) -> VolumeFailure {
    VolumeFailure::lasting(VolumeReason::InvalidAttributes, message)
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
    if volume_id.is_empty() || volume_id.len() > MAX_ID {
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
fn group(capability: Option<&VolumeCapability>) -> Result<Option<u32>, VolumeFailure> {
    let capability = capability.ok_or_else(|| invalid("volume_capability: is missing"))?;
    let Some(AccessType::Mount(mount)) = &capability.access_type else {
        return Err(invalid("volume_capability: must be mount, because a volume has files"));
    };
    let group = Some(mount.volume_mount_group.as_str()).filter(|group| !group.is_empty());
    let parse = |group: &str| {
        let is_group = |id: &u32| *id != u32::MAX;
        let number = group.parse().ok().filter(is_group);
        number.ok_or_else(|| invalid("volume_mount_group: must be the number of a group"))
    };
    group.map(parse).transpose()
}
