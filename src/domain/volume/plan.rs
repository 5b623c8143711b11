//! What a volume asks for, checked as a `PresignedUrl` is.

use std::collections::BTreeMap;

use super::attributes::VolumeAttributes;
use super::basis::{SigningBasis, basis};
use super::source::VolumeSource;
use super::{VolumeFailure, VolumeInputs, VolumeReason};
use crate::crd::PresignedUrlSpec;
use crate::domain::policy::Requester;
use crate::domain::resolve::{ConnectionSettings, ResolveContext, check_for_any_signer, resolve};
use crate::domain::{Limits, Request};

/// The shortest lifetime of a URL in a volume, in seconds: a restart of the driver must fit into its end.
const SHORTEST: u32 = 300;

/// What the administrator of the driver permits.
#[derive(Clone, Debug)]
pub struct VolumeSettings {
    /// Which hosts URLs may point to, and which sessions may be requested.
    pub limits: Limits,
    /// Whether volumes may not have credentials of their own.
    pub denies_inline: bool,
    /// Whether volumes may have a signer, because the driver knows the signing service of the operator.
    pub has_signing_service: bool,
}

/// One URL of a volume that the driver signs.
#[derive(Clone, Debug, PartialEq)]
pub struct VolumeUrl {
    /// The name, which is also that of its folder; empty for the only URL of a volume.
    pub name: String,
    /// What the URL permits.
    pub request: Request,
    /// What it is signed with.
    pub basis: SigningBasis,
}

/// What a volume asks for. There is at least one URL.
#[derive(Clone, Debug, PartialEq)]
pub enum VolumePlan {
    /// The driver signs, with credentials of the volume.
    Own(Vec<VolumeUrl>),
    /// The signing service signs all URLs at once. These are the specs, by the names of the URLs.
    Signer(BTreeMap<String, PresignedUrlSpec>),
}

impl VolumePlan {
    /// Parses what the kubelet says about a volume.
    ///
    /// # Errors
    /// The error names the first attribute that is not valid or not permitted, and says what to write.
    pub fn parse(inputs: &VolumeInputs, settings: &VolumeSettings) -> Result<Self, VolumeFailure> {
        let attributes = VolumeAttributes::sort(&inputs.attributes)?;
        let has_signer = attributes.shared().text("signer").is_some();
        if settings.denies_inline && !has_signer {
            return Err(VolumeFailure::lasting(
                VolumeReason::NotPermitted,
                "CSI volumes with credentials of their own are not permitted: set volumeAttributes.signer, or ask the administrator of the driver to permit them (--inline-credentials)",
            ));
        }
        let source = VolumeSource::of(&attributes, inputs)?;
        if has_signer && !settings.has_signing_service {
            return Err(VolumeFailure::lasting(
                VolumeReason::NotPermitted,
                "volumeAttributes.signer: volumes with a signer are turned off: ask the administrator of the driver to set the chart value csi.signers.enabled to true (--signing-service)",
            ));
        }
        match &source {
            VolumeSource::Own(_) => each(&attributes, |name| {
                let (request, basis) = own(&attributes.spec(name, &source)?, inputs, settings)?;
                Ok(VolumeUrl { name: name.to_owned(), request, basis })
            })
            .map(Self::Own),
            VolumeSource::Signer(_) => each(&attributes, |name| {
                let spec = attributes.spec(name, &source)?;
                check_lifetime(check_for_any_signer(requester(inputs), &spec)?)?;
                Ok((name.to_owned(), spec))
            })
            .map(Self::Signer),
        }
    }

    /// The names of the URLs; one empty name for a volume with one URL.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Own(urls) => urls.iter().map(|url| url.name.as_str()).collect(),
            Self::Signer(specs) => specs.keys().map(String::as_str).collect(),
        }
    }
}

/// What is found for each URL of a volume, or the first failure, which names its URL.
fn each<T, C: FromIterator<T>>(
    attributes: &VolumeAttributes,
    find: impl Fn(&str) -> Result<T, VolumeFailure>,
) -> Result<C, VolumeFailure> {
    attributes.names().map(|name| find(name).map_err(|failure| failure.of_url(name))).collect()
}

fn requester(inputs: &VolumeInputs) -> Requester<'_> {
    Requester::new(&inputs.pod.namespace, &inputs.pod.name)
}

fn own(
    spec: &PresignedUrlSpec,
    inputs: &VolumeInputs,
    settings: &VolumeSettings,
) -> Result<(Request, SigningBasis), VolumeFailure> {
    let connections = ConnectionSettings::default();
    let context = ResolveContext { settings: &connections, signer: None, labels: None };
    let request = resolve(requester(inputs), spec, None, &context)?.request;
    check_lifetime(request.expires_in)?;
    settings
        .limits
        .check(&request)
        .map_err(|error| VolumeFailure::of_spec(VolumeReason::NotPermitted, &error.to_string()))?;
    let basis = basis(&request, inputs)?;
    Ok((request, basis))
}

fn check_lifetime(seconds: u32) -> Result<(), VolumeFailure> {
    if seconds >= SHORTEST {
        return Ok(());
    }
    let problem = "must be at least 5m in a CSI volume, so that a URL outlives a restart of the driver";
    Err(VolumeFailure::attribute("expiresIn", problem))
}

#[cfg(test)]
mod tests;
