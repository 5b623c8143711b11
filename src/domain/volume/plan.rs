//! What a volume asks for, checked as a `PresignedUrl` is.

use std::collections::BTreeMap;

use super::attributes::VolumeAttributes;
use super::basis::{SigningBasis, basis};
use super::source::VolumeSource;
use super::{VolumeFailure, VolumeInputs, VolumeReason};
use crate::crd::PresignedUrlSpec;
use crate::domain::policy::Asker;
use crate::domain::resolve::{ConnectionTerms, Surroundings, check_for_any_signer, resolve};
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
    pub fn parse(inputs: &VolumeInputs, terms: &VolumeTerms) -> Result<Self, VolumeFailure> {
        let attributes = VolumeAttributes::sort(&inputs.attributes)?;
        let has_signer = attributes.shared().text("signer").is_some();
        if terms.denies_inline && !has_signer {
            return Err(VolumeFailure::lasting(
                VolumeReason::NotPermitted,
                "CSI volumes with credentials of their own are not permitted: set volumeAttributes.signer, or ask the administrator of the driver to permit them (--inline-credentials)",
            ));
        }
        let source = VolumeSource::of(&attributes, inputs)?;
        if has_signer && !terms.has_signing_service {
            return Err(VolumeFailure::lasting(
                VolumeReason::NotPermitted,
                "volumeAttributes.signer: volumes with a signer are turned off: ask the administrator of the driver to set the chart value csi.signers.enabled to true (--signing-service)",
            ));
        }
        match &source {
            VolumeSource::Own(_) => each(&attributes, |name| {
                let (request, basis) = own(&attributes.spec(name, &source)?, inputs, terms)?;
                Ok(VolumeUrl { name: name.to_owned(), request, basis })
            })
            .map(Self::Own),
            VolumeSource::Signer(_) => each(&attributes, |name| {
                let spec = attributes.spec(name, &source)?;
                check_lifetime(check_for_any_signer(asker(inputs), &spec)?)?;
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

fn asker(inputs: &VolumeInputs) -> Asker<'_> {
    Asker::new(&inputs.pod.namespace, &inputs.pod.name)
}

fn own(
    spec: &PresignedUrlSpec,
    inputs: &VolumeInputs,
    terms: &VolumeTerms,
) -> Result<(Request, SigningBasis), VolumeFailure> {
    let connections = ConnectionTerms::default();
    let surroundings = Surroundings { terms: &connections, signer: None, labels: None };
    let request = resolve(asker(inputs), spec, None, &surroundings)?.request;
    check_lifetime(request.expires_in)?;
    terms
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
mod tests {
    use super::*;
    use crate::crd::{Method, SignerKind};
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
        VolumeTerms { limits: limits.with_sessions(sessions), denies_inline: false, has_signing_service: true }
    }

    const URL: [(&str, &str); 4] =
        [("bucket", "reports"), ("key", "q3.pdf"), ("endpoint", "https://s3.example.com"), ("region", "r")];
    const KEY: [(&str, &str); 2] = [("access-key-id", "AKIA"), ("secret-access-key", "a-secret-key")];

    fn parse(more: &[(&str, &str)], secret: &[(&str, &str)]) -> Result<VolumePlan, VolumeFailure> {
        VolumePlan::parse(&inputs(&[&URL, more].concat(), secret), &terms())
    }

    /// The URLs that the driver signs.
    fn urls(plan: VolumePlan) -> Vec<VolumeUrl> {
        match plan {
            VolumePlan::Own(urls) => urls,
            VolumePlan::Signer(_) => panic!("{plan:?}"),
        }
    }

    #[test]
    fn an_access_key_signs_for_one_url_or_for_several() {
        let all = urls(parse(&[], &KEY).unwrap());
        assert_eq!((all.len(), all[0].name.as_str()), (1, ""));
        let SigningBasis::Key(key) = &all[0].basis else { panic!("{all:?}") };
        assert_eq!(key.access_key_id.expose(), "AKIA");
        let all = urls(parse(&[("out.method", "PUT"), ("in.versionID", "7")], &KEY).unwrap());
        let methods: Vec<_> = all.iter().map(|url| (url.name.as_str(), url.request.method)).collect();
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
        let all = urls(VolumePlan::parse(&inputs(&of_aws, &[]), &terms).unwrap());
        let SigningBasis::Token { hop, audience, subject } = &all[0].basis else { panic!("{all:?}") };
        assert_eq!((audience.as_str(), hop.role_arn.as_deref()), ("sts.amazonaws.com", Some(arn)));
        assert_eq!(subject, "system:serviceaccount:team-a:reader");
        assert!(hop.policy.as_ref().is_some_and(|policy| policy.contains("reports/q3.pdf")));
        let wide = [&of_aws[..], &[("session.narrowTo", "Nothing")]].concat();
        let all = urls(VolumePlan::parse(&inputs(&wide, &[]), &terms).unwrap());
        assert!(matches!(&all[0].basis, SigningBasis::Token { hop, .. } if hop.policy.is_none()));
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

    /// A plan for a volume with a signer.
    fn of_signer(more: &[(&str, &str)]) -> Result<VolumePlan, VolumeFailure> {
        let own = [("bucket", "media"), ("key", "a.txt"), ("signer", "media")];
        VolumePlan::parse(&inputs(&[&own, more].concat(), &[]), &VolumeTerms { denies_inline: true, ..terms() })
    }

    #[test]
    fn a_signer_is_asked_for_all_urls_at_once_also_where_inline_credentials_are_denied() {
        let plan = of_signer(&[("signerKind", "ClusterSigner"), ("out.method", "PUT"), ("in.expiresIn", "5m")]);
        let plan = plan.unwrap();
        assert_eq!(plan.names(), ["in", "out"]);
        let VolumePlan::Signer(specs) = plan else { panic!("{plan:?}") };
        assert!(specs.values().all(|spec| spec.s3.is_none() && spec.bucket == "media"));
        let reference = specs["in"].signer_ref.clone().unwrap();
        assert_eq!((reference.kind, reference.name.as_str()), (Some(SignerKind::ClusterSigner), "media"));
        assert_eq!(of_signer(&[]).unwrap().names(), [""]);
        let arn = "arn:aws:s3:eu-central-1:123456789012:accesspoint/reports";
        assert!(of_signer(&[("bucket", arn)]).is_ok(), "the signer can have any store");
    }

    #[test]
    fn what_no_signer_could_sign_is_refused_without_asking_one() {
        for (more, said) in [
            (&[("signerKind", "Issuer")][..], "volumeAttributes.signerKind: must be Signer or ClusterSigner"),
            (&[("signer", "Media")], "volumeAttributes.signer: must be a name of a signer"),
            (&[("region", "r")], "volumeAttributes.region: has no effect with signer"),
            (&[("endpoint", "https://a.example")], "volumeAttributes.endpoint: has no effect with signer"),
            (&[("profile", "p")], "volumeAttributes.profile: has no effect with signer"),
            (&[("roleARN", "r")], "volumeAttributes.roleARN: has no effect with signer"),
            (&[("expiresIn", "4m")], "volumeAttributes.expiresIn: must be at least 5m"),
            (&[("key", "a/../b")], "volumeAttributes.key: must not contain"),
            (&[("in.versionID", "7"), ("in.method", "PUT")], "URL \"in\": volumeAttributes.versionID: "),
            (&[("bucket", "s3://media")], "volumeAttributes.bucket: "),
        ] {
            let failure = of_signer(more).unwrap_err();
            assert_eq!(failure.reason, VolumeReason::InvalidAttributes, "{failure:?}");
            assert!(failure.message.contains(said), "{more:?}: {failure}");
        }
        let both = VolumePlan::parse(&inputs(&[&URL[..2], &[("signer", "media")]].concat(), &KEY), &terms());
        let said = both.unwrap_err().message;
        assert!(said.starts_with("nodePublishSecretRef: has no effect"), "{said}");
        let said = parse(&[("signerKind", "Signer")], &KEY).unwrap_err().message;
        assert!(said.contains("signerKind: has no effect without signer"), "{said}");
        let off = VolumeTerms { has_signing_service: false, ..terms() };
        let failure = VolumePlan::parse(&inputs(&[&URL[..2], &[("signer", "media")]].concat(), &[]), &off);
        let failure = failure.unwrap_err();
        assert_eq!(failure.reason, VolumeReason::NotPermitted);
        assert!(failure.message.contains("csi.signers.enabled"), "{failure}");
    }
}
