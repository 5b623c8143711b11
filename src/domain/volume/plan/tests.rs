//! What volumes may ask for, and what is said about those that ask for something else.

use super::*;
use crate::crd::{Method, SignerKind};
use crate::domain::limits::{HostPattern, SessionLimits, StsEndpoints};
use crate::domain::model::{at, credentials, sign};
use crate::domain::reason::FailureReason;
use crate::domain::status::Problem;
use crate::domain::volume::{VolumePod, VolumeSize, files};
use crate::domain::{Sensitive, Validity};

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

fn settings() -> VolumeSettings {
    let sessions = SessionLimits {
        audiences: vec!["sts.amazonaws.com".to_owned()],
        endpoints: StsEndpoints::parse(["aws"]).unwrap(),
        ambient: false,
    };
    let limits = Limits::new(Vec::new(), vec![HostPattern::parse("*.example.com").unwrap()]);
    VolumeSettings { limits: limits.with_sessions(sessions), denies_inline: false, has_signing_service: true }
}

const URL: [(&str, &str); 4] =
    [("bucket", "reports"), ("key", "q3.pdf"), ("endpoint", "https://s3.example.com"), ("region", "r")];
const KEY: [(&str, &str); 2] = [("access-key-id", "AKIA"), ("secret-access-key", "a-secret-key")];

fn parse(more: &[(&str, &str)], secret: &[(&str, &str)]) -> Result<VolumePlan, VolumeFailure> {
    VolumePlan::parse(&inputs(&[&URL, more].concat(), secret), &settings())
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
    let mut settings = settings();
    settings.limits = Limits::new(Vec::new(), vec![HostPattern::All])
        .with_sessions(settings.limits.sessions().unwrap().clone());
    let all = urls(VolumePlan::parse(&inputs(&of_aws, &[]), &settings).unwrap());
    let SigningBasis::Token { sts_request, audience, subject } = &all[0].basis else { panic!("{all:?}") };
    assert_eq!((audience.as_str(), sts_request.role_arn.as_deref()), ("sts.amazonaws.com", Some(arn)));
    assert_eq!(subject, "system:serviceaccount:team-a:reader");
    assert!(sts_request.policy.as_ref().is_some_and(|policy| policy.contains("reports/q3.pdf")));
    let wide = [&of_aws[..], &[("session.narrowTo", "Nothing")]].concat();
    let all = urls(VolumePlan::parse(&inputs(&wide, &[]), &settings).unwrap());
    assert!(matches!(&all[0].basis, SigningBasis::Token { sts_request, .. } if sts_request.policy.is_none()));
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
            &[("roleARN", "arn:aws:iam::123456789012:role/reports"), ("sts.endpoint", "https://sts.example")],
            &[],
            VolumeReason::NotPermitted,
            "--sts-endpoints",
        ),
    ] {
        let failure = parse(more, secret).unwrap_err();
        assert!(failure.reason == reason && failure.message.contains(said), "{more:?}: {failure:?}");
        assert!(!failure.message.contains("spec."), "{failure}");
    }
    let denied = VolumeSettings { denies_inline: true, ..settings() };
    let failure = VolumePlan::parse(&inputs(&URL, &KEY), &denied).unwrap_err();
    assert!(failure.message.contains("--inline-credentials"), "{failure}");
}

/// A plan for a volume with a signer.
fn of_signer(more: &[(&str, &str)]) -> Result<VolumePlan, VolumeFailure> {
    let own = [("bucket", "media"), ("key", "a.txt"), ("signer", "media")];
    VolumePlan::parse(
        &inputs(&[&own, more].concat(), &[]),
        &VolumeSettings { denies_inline: true, ..settings() },
    )
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
    let both = VolumePlan::parse(&inputs(&[&URL[..2], &[("signer", "media")]].concat(), &KEY), &settings());
    let said = both.unwrap_err().message;
    assert!(said.starts_with("nodePublishSecretRef: has no effect"), "{said}");
    let said = parse(&[("signerKind", "Signer")], &KEY).unwrap_err().message;
    assert!(said.contains("signerKind: has no effect without signer"), "{said}");
    let off = VolumeSettings { has_signing_service: false, ..settings() };
    let failure = VolumePlan::parse(&inputs(&[&URL[..2], &[("signer", "media")]].concat(), &[]), &off);
    let failure = failure.unwrap_err();
    assert_eq!(failure.reason, VolumeReason::NotPermitted);
    assert!(failure.message.contains("csi.signers.enabled"), "{failure}");
}

#[test]
fn options_of_aws_and_of_the_answer_are_taken_one_by_one() {
    let aws = [("bucket", "reports"), ("key", "q3.pdf"), ("region", "us-east-1")];
    let request = |more: &[(&str, &str)]| {
        let limits = Limits::new(Vec::new(), vec![HostPattern::All]);
        let settings = VolumeSettings { limits, ..settings() };
        let plan = VolumePlan::parse(&inputs(&[&aws, more].concat(), &KEY), &settings);
        urls(plan.unwrap()).remove(0).request
    };
    let options = |more: &[(&str, &str)]| {
        let aws = request(more).connection.aws;
        (aws.dual_stack, aws.fips)
    };
    assert_eq!(options(&[]), (false, false));
    assert_eq!(options(&[("aws.fips", "true")]), (false, true));
    assert_eq!(options(&[("aws.dualStack", "true")]), (true, false));
    assert_eq!(options(&[("aws.dualStack", "true"), ("aws.fips", "true")]), (true, true));
    let query = request(&[("response.contentType", "text/csv")]).query;
    assert_eq!(query, [("response-content-type".to_owned(), "text/csv".to_owned())]);
    assert_eq!(request(&[]).query, []);
}

#[test]
fn a_volume_has_32_urls_at_most() {
    let plan_of = |count: usize| {
        let names: Vec<_> = (0..count).map(|number| format!("u{number:02}.method")).collect();
        let methods: Vec<_> = names.iter().map(|name| (name.as_str(), "PUT")).collect();
        parse(&methods, &KEY)
    };
    assert_eq!(urls(plan_of(32).unwrap()).len(), 32);
    let failure = plan_of(33).unwrap_err();
    assert!(failure.message.contains("32 URLs: use several volumes"), "{failure}");
}

#[test]
fn what_the_inputs_and_the_files_of_a_volume_need_is_estimated() {
    let (attributes, secret) = ([("out.method", "PUT"), ("in.versionID", "7")], [("k", "secret")]);
    let mut inputs = inputs(&attributes, &secret);
    inputs.tokens = Some(Sensitive::new("token".to_owned()));
    let plan = parse(&attributes, &KEY).unwrap();
    let (attributes, secret, tokens) = (13 + 13, 7, 5);
    let expected = 2 * (attributes + secret + tokens) + 2 * (16 * 1024 + 3 * attributes);
    assert_eq!(format!("{:?}", VolumeSize::of(&inputs, &plan)), format!("VolumeSize({expected})"));
}

#[test]
fn only_several_urls_have_folders() {
    let files_of = |more: &[(&str, &str)]| {
        let urls = urls(parse(more, &KEY).unwrap());
        let validity = Validity { signing_time: at(0), lifetime: 3600 };
        let signed = urls.iter().map(|url| (url, sign(&url.request, &credentials("AKIA", None), validity)));
        let files = files(&signed.collect::<Vec<_>>());
        files.into_iter().map(|file| (file.folder, file.name)).collect::<Vec<_>>()
    };
    let one = files_of(&[]);
    assert!(one.contains(&(None, "url".to_owned())) && one.iter().all(|(folder, _)| folder.is_none()));
    let two = files_of(&[("out.method", "PUT"), ("in.versionID", "7")]);
    for folder in ["in", "out"] {
        assert!(two.contains(&(Some(folder.to_owned()), "url".to_owned())), "{two:?}");
    }
    assert_eq!(two.len(), 2 * one.len());
}

#[test]
fn what_is_not_permitted_stays_so_in_the_words_of_a_volume() {
    for (reason, expected) in [
        (FailureReason::InvalidSpec, VolumeReason::InvalidAttributes),
        (FailureReason::NotPermitted, VolumeReason::NotPermitted),
        (FailureReason::ApiError, VolumeReason::InternalError),
    ] {
        assert_eq!(VolumeFailure::from(Problem::new(reason, "no".to_owned())).reason, expected);
    }
}
