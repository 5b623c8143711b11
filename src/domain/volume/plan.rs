//! What a volume asks for, checked as a `PresignedUrl` is.

use super::attributes::VolumeAttributes;
use super::basis::{SigningBasis, basis, source};
use super::{VolumeFailure, VolumeInputs, VolumeReason};
use crate::domain::policy::Asker;
use crate::domain::resolve::{ConnectionTerms, Surroundings, resolve};
use crate::domain::{Limits, Request};

/// The shortest lifetime of a URL in a volume, in seconds: a restart of the driver must fit into its end.
const SHORTEST: u32 = 300;

/// What the administrator of the driver permits.
#[derive(Clone, Debug)]
pub struct VolumeTerms {
    /// Which hosts URLs may point to, and which sessions may be requested.
    pub limits: Limits,
    /// Whether volumes may not have credentials of their own.
    pub denies_inline: bool,
}

/// One URL of a volume.
#[derive(Clone, Debug, PartialEq)]
pub struct VolumeUrl {
    /// The name, which is also that of its folder; empty for the only URL of a volume.
    pub name: String,
    /// What the URL permits.
    pub request: Request,
    /// What it is signed with.
    pub basis: SigningBasis,
}

/// What a volume asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct VolumePlan {
    /// The URLs. There is at least one.
    pub urls: Vec<VolumeUrl>,
}

impl VolumePlan {
    /// Parses what the kubelet says about a volume.
    ///
    /// # Errors
    /// The error names the first attribute that is not valid or not permitted, and says what to write.
    pub fn parse(inputs: &VolumeInputs, terms: &VolumeTerms) -> Result<Self, VolumeFailure> {
        let attributes = VolumeAttributes::sort(&inputs.attributes)?;
        if terms.denies_inline {
            return Err(VolumeFailure::lasting(
                VolumeReason::NotPermitted,
                "CSI volumes with credentials of their own are not permitted: mount the Secret of a PresignedUrl with signerRef, or ask the administrator of the driver to permit them (--inline-credentials)",
            ));
        }
        let credentials = source(&attributes, inputs)?;
        let parse = |name: &str| {
            let spec = attributes.spec(name, credentials.clone())?;
            let asker = Asker::new(&inputs.pod.namespace, &inputs.pod.name);
            let connections = ConnectionTerms::default();
            let surroundings = Surroundings { terms: &connections, signer: None, labels: None };
            let request = resolve(asker, &spec, None, &surroundings)?.request;
            if request.expires_in < SHORTEST {
                return Err(VolumeFailure::attribute(
                    "expiresIn",
                    "must be at least 5m in a CSI volume, so that a URL outlives a restart of the driver",
                ));
            }
            terms
                .limits
                .check(&request)
                .map_err(|error| VolumeFailure::of_spec(VolumeReason::NotPermitted, &error.to_string()))?;
            let basis = basis(&request, inputs)?;
            Ok(VolumeUrl { name: name.to_owned(), request, basis })
        };
        let urls = attributes.names().map(|name| parse(name).map_err(|failure| failure.of_url(name)));
        Ok(Self { urls: urls.collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::Method;
    use crate::domain::Sensitive;
    use crate::domain::limits::{HostPattern, SessionLimits, StsEndpoints};
    use crate::domain::volume::VolumePod;

    fn inputs(attributes: &[(&str, &str)], secret: &[(&str, &str)]) -> VolumeInputs {
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let secret = secret.iter().map(text).map(|(name, value)| (name, Sensitive::new(value)));
        VolumeInputs {
            attributes: attributes.iter().map(text).collect(),
            secret: secret.collect(),
            pod: VolumePod {
                namespace: "team-a".to_owned(),
                name: "reader-0".to_owned(),
                uid: "u".to_owned(),
                service_account: "reader".to_owned(),
            },
            ..VolumeInputs::default()
        }
    }

    fn terms() -> VolumeTerms {
        let sessions = SessionLimits {
            audiences: vec!["sts.amazonaws.com".to_owned()],
            endpoints: StsEndpoints::parse(["aws"]).unwrap(),
            ambient: false,
        };
        let limits = Limits::new(Vec::new(), vec![HostPattern::parse("*.example.com").unwrap()]);
        VolumeTerms { limits: limits.with_sessions(sessions), denies_inline: false }
    }

    const URL: [(&str, &str); 4] =
        [("bucket", "reports"), ("key", "q3.pdf"), ("endpoint", "https://s3.example.com"), ("region", "r")];
    const KEY: [(&str, &str); 2] = [("access-key-id", "AKIA"), ("secret-access-key", "a-secret-key")];

    fn parse(more: &[(&str, &str)], secret: &[(&str, &str)]) -> Result<VolumePlan, VolumeFailure> {
        VolumePlan::parse(&inputs(&[&URL, more].concat(), secret), &terms())
    }

    #[test]
    fn an_access_key_signs_for_one_url_or_for_several() {
        let plan = parse(&[], &KEY).unwrap();
        assert_eq!((plan.urls.len(), plan.urls[0].name.as_str()), (1, ""));
        let SigningBasis::Key(key) = &plan.urls[0].basis else { panic!("{plan:?}") };
        assert_eq!(key.access_key_id.expose(), "AKIA");
        let plan = parse(&[("out.method", "PUT"), ("in.versionID", "7")], &KEY).unwrap();
        let methods: Vec<_> = plan.urls.iter().map(|url| (url.name.as_str(), url.request.method)).collect();
        assert_eq!(methods, [("in", Method::Get), ("out", Method::Put)]);
        let keys = [("keys.accessKeyID", "id"), ("keys.secretAccessKey", "password")];
        assert!(parse(&keys, &[("id", "a"), ("password", "b")]).is_ok());
    }

    #[test]
    fn a_role_needs_no_secret_and_its_session_is_narrowed_to_the_object() {
        let arn = "arn:aws:iam::123456789012:role/reports";
        let of_aws = [("bucket", "reports"), ("key", "q3.pdf"), ("region", "eu-central-1"), ("roleARN", arn)];
        let mut terms = terms();
        terms.limits = Limits::new(Vec::new(), vec![HostPattern::All])
            .with_sessions(terms.limits.sessions().unwrap().clone());
        let plan = VolumePlan::parse(&inputs(&of_aws, &[]), &terms).unwrap();
        let SigningBasis::Token { hop, audience, subject } = &plan.urls[0].basis else { panic!("{plan:?}") };
        assert_eq!((audience.as_str(), hop.role_arn.as_deref()), ("sts.amazonaws.com", Some(arn)));
        assert_eq!(subject, "system:serviceaccount:team-a:reader");
        assert!(hop.policy.as_ref().is_some_and(|policy| policy.contains("reports/q3.pdf")));
        let wide = [&of_aws[..], &[("session.narrowTo", "Nothing")]].concat();
        let plan = VolumePlan::parse(&inputs(&wide, &[]), &terms).unwrap();
        assert!(matches!(&plan.urls[0].basis, SigningBasis::Token { hop, .. } if hop.policy.is_none()));
    }

    #[test]
    fn what_is_not_valid_or_not_permitted_is_said_in_the_words_of_a_volume() {
        for (more, secret, reason, said) in [
            (
                &[("expiresIn", "4m")][..],
                &KEY[..],
                VolumeReason::InvalidAttributes,
                "volumeAttributes.expiresIn: must be at least 5m",
            ),
            (&[("expiresIn", "1d")], &KEY, VolumeReason::InvalidAttributes, "cannot be in days"),
            (
                &[("key", "a/../b")],
                &KEY,
                VolumeReason::InvalidAttributes,
                "volumeAttributes.key: must not contain '.' or '..'",
            ),
            (&[("in.key", "")], &KEY, VolumeReason::InvalidAttributes, "URL \"in\": volumeAttributes.key: "),
            (
                &[("endpoint", "https://other.example")],
                &KEY,
                VolumeReason::NotPermitted,
                "volumeAttributes.endpoint: URLs to the host",
            ),
            (&[], &[], VolumeReason::InvalidAttributes, "set nodePublishSecretRef"),
            (
                &[],
                &[("access-key-id", "AKIA")],
                VolumeReason::CredentialsInvalid,
                "the Secret of nodePublishSecretRef has the key \"access-key-id\" but no key",
            ),
            (&[], &[("tls.key", "x")], VolumeReason::CredentialsInvalid, "holds a certificate"),
            (
                &[("roleARN", "x")],
                &KEY,
                VolumeReason::InvalidAttributes,
                "volumeAttributes.roleARN: has no effect",
            ),
            (
                &[("profile", "x"), ("roleARN", "y")],
                &[],
                VolumeReason::InvalidAttributes,
                ".profile: has no effect",
            ),
            (
                &[("roleARN", "arn:aws:iam::123456789012:role/reports")],
                &[],
                VolumeReason::InvalidAttributes,
                "volumeAttributes.sts.endpoint: ",
            ),
            (
                &[
                    ("roleARN", "arn:aws:iam::123456789012:role/reports"),
                    ("sts.endpoint", "https://sts.example"),
                ],
                &[],
                VolumeReason::NotPermitted,
                "--sts-endpoints",
            ),
        ] {
            let failure = parse(more, secret).unwrap_err();
            assert!(failure.reason == reason && failure.message.contains(said), "{more:?}: {failure:?}");
            assert!(!failure.message.contains("spec."), "{failure}");
        }
        let denied = VolumeTerms { denies_inline: true, ..terms() };
        let failure = VolumePlan::parse(&inputs(&URL, &KEY), &denied).unwrap_err();
        assert!(failure.message.contains("--inline-credentials"), "{failure}");
    }
}
