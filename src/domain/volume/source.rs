//! Where the store and the credentials of a volume come from: its attributes and its Secret, or a signer.

use super::attributes::VolumeAttributes;
use super::wording::SECRET;
use super::{VolumeFailure, VolumeInputs, VolumeReason};
use crate::crd::duration::DurationText;
use crate::crd::{
    CredentialsKeys, CredentialsSecretRef, CredentialsSource, NarrowTo, ServiceAccountRef, SessionOptions,
    SignerKind, SignerRef, StsOptions, WebIdentity,
};

/// Where the store and the credentials of a volume come from.
#[derive(Clone, Debug)]
pub(super) enum VolumeSource {
    /// The attributes name the store, and these are the credentials.
    Own(Box<CredentialsSource>),
    /// A signer has both.
    Signer(SignerRef),
}

/// The only shared attributes that a volume with a signer has.
const OF_SIGNER: [&str; 2] = ["signer", "signerKind"];
/// Attributes that only a session has.
const OF_SESSION: [&str; 6] =
    ["roleARN", "audience", "sts.endpoint", "sts.region", "session.duration", "session.narrowTo"];
/// Attributes that only a Secret has.
const OF_SECRET: [&str; 5] =
    ["profile", "keys.accessKeyID", "keys.secretAccessKey", "keys.sessionToken", "keys.expiration"];

impl VolumeSource {
    /// The source that the attributes and the Secret of a volume name.
    ///
    /// # Errors
    /// The error names the first attribute that does not belong to the source.
    pub(super) fn of(attributes: &VolumeAttributes, inputs: &VolumeInputs) -> Result<Self, VolumeFailure> {
        match signer(attributes, inputs)? {
            Some(reference) => Ok(Self::Signer(reference)),
            None => credentials(attributes, inputs).map(Box::new).map(Self::Own),
        }
    }
}

fn signer(attributes: &VolumeAttributes, inputs: &VolumeInputs) -> Result<Option<SignerRef>, VolumeFailure> {
    let shared = attributes.shared();
    let kind = shared.choice("signerKind", "Signer or ClusterSigner")?;
    let Some(name) = shared.text("signer") else {
        let lost = kind.map(|_: SignerKind| {
            VolumeFailure::attribute("signerKind", "has no effect without signer: add that, or remove it")
        });
        return lost.map_or(Ok(None), Err);
    };
    if let Some(other) = attributes.other_than(&OF_SIGNER) {
        let problem =
            "has no effect with signer, which has a store and credentials of its own: remove one of them";
        return Err(VolumeFailure::attribute(other, problem));
    }
    if !inputs.secret.is_empty() {
        return Err(VolumeFailure::lasting(
            VolumeReason::InvalidAttributes,
            "nodePublishSecretRef: has no effect with volumeAttributes.signer, which has credentials of its own: remove one of them",
        ));
    }
    Ok(Some(SignerRef { kind, name }))
}

/// Where the credentials come from, as a `PresignedUrl` says it.
fn credentials(
    attributes: &VolumeAttributes,
    inputs: &VolumeInputs,
) -> Result<CredentialsSource, VolumeFailure> {
    let shared = attributes.shared();
    let (of_session, of_secret) = (shared.first_of(&OF_SESSION), shared.first_of(&OF_SECRET));
    match (inputs.secret.is_empty(), of_session) {
        (false, Some(name)) => {
            Err(VolumeFailure::attribute(name, "has no effect with nodePublishSecretRef: remove one of them"))
        }
        (true, None) => Err(VolumeFailure::lasting(
            VolumeReason::InvalidAttributes,
            "the volume has no credentials: set nodePublishSecretRef to a Secret with an access key (its data must not be empty), volumeAttributes.roleARN to a role that the pod's ServiceAccount may assume, or volumeAttributes.signer to a signer",
        )),
        (false, None) => {
            let (text, any_key) = (|name| shared.text(name), shared.first_of(&OF_SECRET[1..]).is_some());
            let keys = CredentialsKeys {
                access_key_id: text("keys.accessKeyID"),
                secret_access_key: text("keys.secretAccessKey"),
                session_token: text("keys.sessionToken"),
                expiration: text("keys.expiration"),
            };
            let reference = CredentialsSecretRef {
                name: SECRET.to_owned(),
                keys: any_key.then_some(keys),
                profile: text("profile"),
            };
            Ok(CredentialsSource { secret_ref: Some(reference), ..CredentialsSource::default() })
        }
        (true, Some(_)) => {
            if let Some(name) = of_secret {
                let problem = "has no effect without nodePublishSecretRef: add that, or remove it";
                return Err(VolumeFailure::attribute(name, problem));
            }
            identity(attributes, inputs)
        }
    }
}

fn identity(
    attributes: &VolumeAttributes,
    inputs: &VolumeInputs,
) -> Result<CredentialsSource, VolumeFailure> {
    let shared = attributes.shared();
    let account = ServiceAccountRef { name: inputs.pod.service_account.clone(), from: None };
    let identity = WebIdentity {
        service_account_ref: account,
        role_arn: shared.text("roleARN"),
        audience: shared.text("audience"),
    };
    let narrow_to = shared.choice("session.narrowTo", "Object or Nothing")?;
    let sts = StsOptions { endpoint: shared.text("sts.endpoint"), region: shared.text("sts.region") };
    let session = SessionOptions {
        duration: shared.text("session.duration").map(DurationText),
        narrow_to: Some(narrow_to.unwrap_or(NarrowTo::Object)),
        sts: Some(sts),
    };
    Ok(CredentialsSource {
        web_identity: Some(identity),
        session: Some(session),
        ..CredentialsSource::default()
    })
}
