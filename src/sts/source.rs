//! Where the operator has an AWS identity of its own, by its environment.
//!
//! Static keys in the environment and profiles are not considered: a key belongs into a Secret.

use std::path::PathBuf;

use crate::domain::request::{AwsAddress, Endpoint};
use crate::domain::session::{StsAddress, StsRequest};

/// How long a session for the token of the operator lasts, in seconds. Each role permits that.
const DURATION: u32 = 3600;

/// Where the operator has an identity of its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AmbientSource {
    /// A token in a file, for a role: IAM roles for service accounts (IRSA).
    WebIdentity {
        /// The file, which is read for each session.
        token_file: PathBuf,
        /// What to ask for.
        sts_request: Box<StsRequest>,
    },
    /// The container credentials endpoint: EKS Pod Identity, ECS.
    Container,
    /// The instance metadata service (version 2 only).
    InstanceMetadata {
        /// The URL of the service.
        endpoint: String,
    },
    /// Nowhere, and why.
    Nowhere(&'static str),
}

impl AmbientSource {
    /// The source that the environment names. `variable` returns an environment variable.
    ///
    /// The first that is there counts: a token file, the container endpoint, instance metadata. A source
    /// that is there in part is not skipped, so that the operator never has another identity than meant.
    #[must_use]
    pub fn find(variable: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        if let Some(file) = get("AWS_WEB_IDENTITY_TOKEN_FILE") {
            return web_identity(file.into(), get).unwrap_or_else(Self::Nowhere);
        }
        let names = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
        if names.into_iter().any(|name| get(name).is_some()) {
            return Self::Container;
        }
        instance_metadata(get).unwrap_or_else(Self::Nowhere)
    }
}

fn web_identity(
    token_file: PathBuf,
    get: impl Fn(&str) -> Option<String>,
) -> Result<AmbientSource, &'static str> {
    let role = get("AWS_ROLE_ARN").ok_or("AWS_WEB_IDENTITY_TOKEN_FILE is set, but not AWS_ROLE_ARN")?;
    let region = get("AWS_REGION")
        .or_else(|| get("AWS_DEFAULT_REGION"))
        .ok_or("AWS_WEB_IDENTITY_TOKEN_FILE is set, but not AWS_REGION")?;
    let endpoint = get("AWS_ENDPOINT_URL_STS").map(|url| Endpoint::parse(&url)).transpose();
    let endpoint = endpoint.map_err(|_| "AWS_ENDPOINT_URL_STS is not the URL of an STS")?;
    let is_on = |name| get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let aws =
        AwsAddress { dual_stack: is_on("AWS_USE_DUALSTACK_ENDPOINT"), fips: is_on("AWS_USE_FIPS_ENDPOINT") };
    let service = StsAddress { endpoint, region, aws, ca_bundle: None };
    let sts_request = Box::new(StsRequest {
        service,
        role_arn: Some(role),
        external_id: None,
        session_name: get("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| "presign-operator".to_owned()),
        duration: DURATION,
        policy: None,
    });
    Ok(AmbientSource::WebIdentity { token_file, sts_request })
}

fn instance_metadata(get: impl Fn(&str) -> Option<String>) -> Result<AmbientSource, &'static str> {
    if get("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err("the pod has no role, and AWS_EC2_METADATA_DISABLED is true");
    }
    let by_mode = || match get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE") {
        None => Ok("http://169.254.169.254"),
        Some(mode) if mode.eq_ignore_ascii_case("ipv4") => Ok("http://169.254.169.254"),
        Some(mode) if mode.eq_ignore_ascii_case("ipv6") => Ok("http://[fd00:ec2::254]"),
        Some(_) => Err("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is neither IPv4 nor IPv6"),
    };
    let endpoint = match get("AWS_EC2_METADATA_SERVICE_ENDPOINT") {
        Some(endpoint) => endpoint,
        None => by_mode()?.to_owned(),
    };
    Ok(AmbientSource::InstanceMetadata { endpoint })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The source for variables written as `NAME=value`, without the common `AWS_`.
    fn find(variables: &str) -> AmbientSource {
        AmbientSource::find(|wanted| {
            let pairs = variables.split_whitespace().filter_map(|pair| pair.split_once('='));
            let mut values = pairs.filter(|(name, _)| wanted.strip_prefix("AWS_") == Some(name));
            values.next().map(|(_, value)| value.to_owned())
        })
    }

    #[test]
    fn the_first_source_that_is_there_counts() {
        let all = "WEB_IDENTITY_TOKEN_FILE=/token ROLE_ARN=r REGION=eu-west-1 CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1";
        let AmbientSource::WebIdentity { token_file, sts_request } = find(all) else {
            panic!("{:?}", find(all))
        };
        assert_eq!((token_file.to_str(), sts_request.role_arn.as_deref()), (Some("/token"), Some("r")));
        assert_eq!(
            (sts_request.service.region.as_str(), sts_request.session_name.as_str()),
            ("eu-west-1", "presign-operator")
        );
        for variables in
            ["CONTAINER_CREDENTIALS_RELATIVE_URI=/x", "CONTAINER_CREDENTIALS_FULL_URI=http://a ROLE_ARN=r"]
        {
            assert_eq!(find(variables), AmbientSource::Container, "{variables}");
        }
        for (variables, endpoint) in [
            ("", "http://169.254.169.254"),
            ("WEB_IDENTITY_TOKEN_FILE= EC2_METADATA_DISABLED=false", "http://169.254.169.254"),
            ("EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6", "http://[fd00:ec2::254]"),
            ("EC2_METADATA_SERVICE_ENDPOINT=http://a EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6", "http://a"),
            ("ACCESS_KEY_ID=a SECRET_ACCESS_KEY=b PROFILE=c", "http://169.254.169.254"),
        ] {
            let endpoint = endpoint.to_owned();
            assert_eq!(find(variables), AmbientSource::InstanceMetadata { endpoint }, "{variables}");
        }
    }

    #[test]
    fn a_source_that_is_there_in_part_is_reported() {
        for (variables, problem) in [
            ("WEB_IDENTITY_TOKEN_FILE=/t REGION=a CONTAINER_CREDENTIALS_FULL_URI=http://a", "AWS_ROLE_ARN"),
            ("WEB_IDENTITY_TOKEN_FILE=/t ROLE_ARN=r", "AWS_REGION"),
            ("WEB_IDENTITY_TOKEN_FILE=/t ROLE_ARN=r REGION=a ENDPOINT_URL_STS=x", "AWS_ENDPOINT_URL_STS"),
            ("EC2_METADATA_DISABLED=TRUE", "AWS_EC2_METADATA_DISABLED"),
            ("EC2_METADATA_SERVICE_ENDPOINT_MODE=5", "IPv4 nor IPv6"),
        ] {
            let AmbientSource::Nowhere(why) = find(variables) else { panic!("{variables}") };
            assert!(why.contains(problem), "{variables}: {why}");
        }
    }
}
