//! What the driver signs the URLs of a volume with: the access key in its Secret, or a session for the token
//! of its pod.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use serde::Deserialize;
use zeroize::Zeroize as _;

use super::{SIGNING_AUDIENCE, VolumeFailure, VolumeInputs, VolumeReason};
use crate::crd::CredentialsSecretRef;
use crate::domain::session::{IdentitySource, SessionKey, SessionOwner, SessionSource, StsRequest};
use crate::domain::{Credentials, Request, Sensitive};

/// What a URL is signed with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SigningBasis {
    /// The access key in the Secret.
    Key(Credentials),
    /// A session for the token of the pod.
    Token {
        /// What to ask the STS for.
        sts_request: Box<StsRequest>,
        /// Audience of the token.
        audience: String,
        /// Whose token it is, for messages.
        subject: String,
    },
}

/// Data keys that show that a Secret has another purpose. Drivers are not told its type.
const OTHER_PURPOSES: [(&str, &str); 7] = [
    (".dockerconfigjson", "the password of a registry"),
    (".dockercfg", "the password of a registry"),
    ("tls.key", "a certificate"),
    ("ssh-privatekey", "an SSH key"),
    ("release", "a release of Helm"),
    ("expires-at", "a URL that the operator issued"),
    ("token-secret", "a bootstrap token"),
];

/// What a request is signed with.
pub(super) fn basis(request: &Request, inputs: &VolumeInputs) -> Result<SigningBasis, VolumeFailure> {
    let credentials = &request.credentials;
    match (&credentials.source, &credentials.session) {
        (IdentitySource::Secret(reference), _) => {
            access_key(reference, request, inputs).map(SigningBasis::Key)
        }
        (IdentitySource::WebIdentity(identity), Some(spec)) => {
            let namespace = inputs.pod.namespace.clone();
            let source = SessionSource::ServiceAccount {
                namespace: namespace.clone(),
                name: identity.name.clone(),
                uid: String::new(),
                audience: identity.audience.clone(),
                role_arn: identity.role_arn.clone(),
            };
            let subject = format!("system:serviceaccount:{namespace}:{}", identity.name);
            let owner = SessionOwner::Namespace(namespace);
            let (key, ca_bundle) = SessionKey::new(source, (**spec).clone(), owner);
            let sts_request = key.sts_request(ca_bundle.as_deref()).ok_or_else(VolumeFailure::bug)?;
            Ok(SigningBasis::Token {
                sts_request: Box::new(sts_request),
                audience: identity.audience.clone(),
                subject,
            })
        }
        (IdentitySource::WebIdentity(_), None) | (IdentitySource::Ambient, _) => Err(VolumeFailure::bug()),
    }
}

fn access_key(
    reference: &CredentialsSecretRef,
    request: &Request,
    inputs: &VolumeInputs,
) -> Result<Credentials, VolumeFailure> {
    if let Some((_, what)) = OTHER_PURPOSES.iter().find(|(key, _)| inputs.secret.contains_key(*key)) {
        return Err(VolumeFailure::lasting(
            VolumeReason::CredentialsInvalid,
            format!(
                "the Secret of nodePublishSecretRef holds {what}: name a Secret with an access key alone"
            ),
        ));
    }
    let copy = |(key, value): (&String, &Sensitive<String>)| {
        (key.clone(), ByteString(value.expose().clone().into_bytes()))
    };
    let mut data: BTreeMap<_, _> = inputs.secret.iter().map(copy).collect();
    let selected = Credentials::select(reference, request.connection.endpoint.is_some(), &data);
    for value in data.values_mut() {
        value.0.zeroize();
    }
    selected.map_err(|error| VolumeFailure::of_spec(VolumeReason::CredentialsInvalid, &error.to_string()))
}

/// A token as the kubelet writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KubeletToken {
    token: String,
    #[serde(default)]
    expiration_timestamp: Option<Timestamp>,
}

impl Drop for KubeletToken {
    fn drop(&mut self) {
        self.token.zeroize();
    }
}

/// The token of the pod for an audience.
///
/// # Errors
/// When the kubelet sent none, or when it has expired.
pub fn token(
    tokens: Option<&Sensitive<String>>,
    audience: &str,
    now: Timestamp,
) -> Result<Sensitive<String>, VolumeFailure> {
    let missing = || {
        let message = if audience == SIGNING_AUDIENCE {
            "the kubelet sends no token for the signing service: the administrator of the driver must set the chart value csi.signers.enabled to true (tokens need Kubernetes 1.35 or newer)".to_owned()
        } else {
            format!(
                "the kubelet sends no token with the audience {audience:?}: add it to the chart value csi.audiences, or set volumeAttributes.audience to one that is there (tokens need Kubernetes 1.35 or newer)"
            )
        };
        VolumeFailure::lasting(VolumeReason::CredentialsDenied, message)
    };
    let all = tokens.ok_or_else(missing)?;
    let mut all: BTreeMap<String, KubeletToken> =
        serde_json::from_str(all.expose()).map_err(|_| missing())?;
    let mut found = all.remove(audience).ok_or_else(missing)?;
    if found.expiration_timestamp.is_some_and(|end| end <= now) {
        return Err(VolumeFailure::temporary(
            VolumeReason::CredentialsUnavailable,
            "the pod's token has expired: the driver tries again when the kubelet brings another one, within two minutes",
        ));
    }
    Ok(Sensitive::new(std::mem::take(&mut found.token)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::at;

    #[test]
    fn a_token_is_found_by_its_audience_and_only_while_it_is_valid() {
        let end = at(100);
        let text = format!(r#"{{"a":{{"token":"t","expirationTimestamp":"{end}"}},"b":{{"token":"u"}}}}"#);
        let tokens = Sensitive::new(text);
        let found = |audience, now| token(Some(&tokens), audience, at(now));
        assert_eq!(found("a", 99).unwrap().expose(), "t");
        assert_eq!(found("b", 99).unwrap().expose(), "u");
        assert!(found("a", 100).unwrap_err().is_temporary);
        assert!(found("c", 0).unwrap_err().message.contains("csi.audiences"));
        assert!(token(None, "a", at(0)).unwrap_err().message.contains("1.35"));
        let said = token(Some(&tokens), SIGNING_AUDIENCE, at(0)).unwrap_err().message;
        assert!(said.contains("csi.signers.enabled") && said.contains("1.35"), "{said}");
        assert!(token(Some(&Sensitive::new("x".to_owned())), "a", at(0)).is_err());
    }
}
