//! The checks of a connection's credentials, with the messages of the rules of the CRD.

use crate::crd::credentials_rules as rules;
use crate::crd::duration::DurationText;
use crate::crd::{
    AssumedRole, CredentialsSource, NarrowTo, S3Connection, ServiceAccountFrom, SessionOptions, WebIdentity,
};
use crate::domain::request::{
    AwsAddress, CheckResult, Endpoint, InvalidSpec, at_most, check_reference, is_dns_label, is_dns_subdomain,
    is_partition, require,
};

/// Whose connection it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::domain) enum Whose {
    /// That of a `PresignedUrl`.
    Inline,
    /// That of a `Signer`, which has a policy or not.
    Signer {
        /// Whether it has a policy.
        has_policy: bool,
    },
    /// That of a `ClusterSigner`.
    ClusterSigner,
}

/// The longest session of a role that another role assumes, in seconds:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining>.
const MAX_CHAINED: u32 = 3600;
/// The most characters that certificates may have.
const MAX_CA: usize = 16_384;
/// The shortest and the longest session, in seconds.
const DURATIONS: std::ops::RangeInclusive<u32> = 900..=43_200;

/// Checks where the credentials of a connection come from.
///
/// # Errors
/// The error names the first field that is not valid, and says what to write instead.
pub(in crate::domain) fn check(s3: &S3Connection, whose: Whose) -> CheckResult {
    let credentials = &s3.credentials;
    one_source(credentials, whose)?;
    if let Some(reference) = &credentials.secret_ref {
        check_reference(reference)?;
    }
    if let Some(identity) = &credentials.web_identity {
        web_identity(identity, whose)?;
    }
    if let Some(role) = &credentials.assume_role {
        assumed_role(role)?;
    }
    require(s3.aws.is_none() || s3.endpoint.is_none(), "s3.aws", rules::AWS_ENDPOINT)?;
    let is_fips_of_china = AwsAddress::of(s3).fips && s3.region.starts_with("cn-");
    require(!is_fips_of_china, "s3.aws.fips", rules::AWS_FIPS)?;
    if let Some(pem) = &s3.ca_bundle {
        require(pem.contains("-----BEGIN CERTIFICATE-----"), "s3.caBundle", rules::CA_FORM)?;
        at_most(MAX_CA, pem, "s3.caBundle")?;
    }
    let has_session = credentials.web_identity.is_some() || credentials.assume_role.is_some();
    require(credentials.session.is_none() || has_session, "s3.credentials.session", rules::SESSION_OF)?;
    if has_session {
        session(s3, &credentials.session.clone().unwrap_or_default(), whose)?;
    }
    Ok(())
}

fn one_source(credentials: &CredentialsSource, whose: Whose) -> CheckResult {
    let field = "s3.credentials";
    let sources =
        [credentials.secret_ref.is_some(), credentials.web_identity.is_some(), credentials.ambient.is_some()];
    let is_one = sources.iter().filter(|is_set| **is_set).count() == 1;
    if whose == Whose::ClusterSigner {
        return require(is_one, field, rules::SOURCE_ONE_CLUSTER);
    }
    require(is_one && credentials.ambient.is_none(), field, rules::SOURCE_ONE)
}

fn web_identity(identity: &WebIdentity, whose: Whose) -> CheckResult {
    let account = &identity.service_account_ref;
    let name = "s3.credentials.webIdentity.serviceAccountRef.name";
    require(is_dns_subdomain(&account.name), name, rules::ACCOUNT_NAME)?;
    let field = "s3.credentials.webIdentity.roleARN";
    let role = identity.role_arn.as_deref();
    require(role.is_none_or(|arn| is_role(arn, true)), field, rules::ROLE_WEB_FORM)?;
    let names_namespace = role.is_some_and(|arn| arn.contains('{'));
    if whose == Whose::ClusterSigner {
        let is_requester = account.from == Some(ServiceAccountFrom::Requester);
        require(is_requester == names_namespace, field, rules::ROLE_REQUESTER)?;
    } else {
        require(!names_namespace, field, rules::ROLE_PLAIN)?;
        if account.from.is_some() {
            let field = "s3.credentials.webIdentity.serviceAccountRef.from";
            return Err(InvalidSpec::new(field, "can be set only in a ClusterSigner: remove it"));
        }
    }
    let is_audience = |text: &String| {
        (1..=253).contains(&text.len()) && text.bytes().all(|b| (b'!'..=b'~').contains(&b) && b != b',')
    };
    let audience = identity.audience.as_ref();
    require(audience.is_none_or(is_audience), "s3.credentials.webIdentity.audience", rules::AUDIENCE_FORM)
}

fn assumed_role(role: &AssumedRole) -> CheckResult {
    require(is_role(&role.role_arn, false), "s3.credentials.assumeRole.roleARN", rules::ROLE_FORM)?;
    let is_id = |id: &String| {
        (2..=1224).contains(&id.len())
            && id.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c))
    };
    let field = "s3.credentials.assumeRole.externalID";
    require(role.external_id.as_ref().is_none_or(is_id), field, rules::EXTERNAL_ID_FORM)
}

fn session(s3: &S3Connection, options: &SessionOptions, whose: Whose) -> CheckResult {
    let credentials = &s3.credentials;
    let sts = options.sts.clone().unwrap_or_default();
    let field = "s3.credentials.session.sts.endpoint";
    sts.endpoint.as_deref().map(sts_endpoint).transpose()?;
    require(s3.endpoint.is_none() || sts.endpoint.is_some(), field, rules::STS_NEEDED)?;
    let region = sts.region.as_deref();
    let is_region = |region: &str| region.len() <= 64 && is_dns_label(region);
    require(region.is_none_or(is_region), "s3.credentials.session.sts.region", rules::STS_REGION)?;
    let field = "s3.credentials.session.duration";
    let seconds = options.duration.as_ref().map(DurationText::seconds);
    let is_valid = seconds.is_none_or(|seconds| seconds.is_some_and(|s| DURATIONS.contains(&s)));
    require(is_valid, field, rules::SESSION_DURATION)?;
    if s3.endpoint.is_none() {
        let of_aws = |arn: &String| is_role_of_aws(arn);
        let web = credentials.web_identity.as_ref().map(|identity| identity.role_arn.as_ref());
        let has_roles = web.is_none_or(|arn| arn.is_some_and(of_aws))
            && credentials.assume_role.as_ref().is_none_or(|role| of_aws(&role.role_arn));
        require(has_roles, "s3.credentials", rules::ROLE_AWS)?;
        let keys = credentials.secret_ref.as_ref().map(|reference| reference.keys.as_ref());
        let is_temporary = keys.is_none_or(|keys| keys.is_some_and(|keys| keys.session_token.is_some()));
        let is_chain = is_temporary && credentials.assume_role.is_some();
        let is_long = seconds.flatten().is_some_and(|seconds| seconds > MAX_CHAINED);
        require(!(is_chain && is_long), field, rules::CHAIN_HOUR)?;
    }
    let narrow = "s3.credentials.session.narrowTo";
    let is_namespace = options.narrow_to == Some(NarrowTo::Namespace);
    match whose {
        Whose::Inline => require(!is_namespace, narrow, rules::NARROW_POLICY),
        Whose::Signer { has_policy } => require(!is_namespace || has_policy, narrow, rules::NARROW_SIGNER),
        Whose::ClusterSigner => Ok(()),
    }
}

/// Parses the address of an STS.
///
/// # Errors
/// When it is not an address with a host in lower case.
pub(super) fn sts_endpoint(text: &str) -> Result<Endpoint, InvalidSpec> {
    let invalid = || InvalidSpec::new("s3.credentials.session.sts.endpoint", rules::STS_FORM.message);
    // The scheme, the empty text between the two slashes, and the host.
    let has_capitals = text.split('/').take(3).any(|part| part.bytes().any(|b| b.is_ascii_uppercase()));
    Endpoint::parse(text).ok().filter(|_| !has_capitals).ok_or_else(invalid)
}

/// Whether a text is the ARN of a role. `{namespace}` may stand in its account and its name if
/// `has_variable` says so.
pub(super) fn is_role(text: &str, has_variable: bool) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, resource] = parts[..] else { return false };
    let filled = |part: &str| if has_variable { part.replace("{namespace}", "n") } else { part.to_owned() };
    let (account, resource) = (filled(account), filled(resource));
    let lower = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_+=,.@/-".contains(c);
    text.len() <= 2048
        && arn == "arn"
        && service == "iam"
        && !partition.is_empty()
        && lower(partition)
        && lower(region)
        && account.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        && resource.strip_prefix("role/").is_some_and(|name| !name.is_empty() && name.chars().all(is_name))
}

/// Whether the ARN of a role is one of AWS: it has a number as its account.
fn is_role_of_aws(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, partition, _, region, account, _] = parts[..] else { return false };
    let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    is_partition(partition) && region.is_empty() && (is_account || account == "{namespace}")
}
