//! The address of an STS: an endpoint, or what the SDK calls at AWS.

use aws_sdk_sts::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use futures::FutureExt as _;

use super::failure::StsFailure;
use crate::domain::request::Endpoint;
use crate::domain::session::StsAddress;

/// The address that the SDK will call.
pub(super) fn address(service: &StsAddress) -> Result<Endpoint, StsFailure> {
    if let Some(endpoint) = &service.endpoint {
        return Ok(endpoint.clone());
    }
    let none = || StsFailure::NoAddress { region: service.region.clone() };
    let params = Params::builder()
        .region(&service.region)
        .use_fips(service.aws.fips)
        .use_dual_stack(service.aws.dual_stack)
        .build()
        .map_err(|_| none())?;
    let resolver = DefaultResolver::new();
    let resolved = resolver.resolve_endpoint(&params).now_or_never();
    let resolved = resolved.and_then(Result::ok).ok_or_else(none)?;
    Endpoint::parse(resolved.url()).map_err(|_| none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits::StsEndpoints;
    use crate::domain::request::AwsAddress;

    fn service(region: &str, fips: bool, dual_stack: bool) -> StsAddress {
        let aws = AwsAddress { dual_stack, fips };
        StsAddress { endpoint: None, region: region.to_owned(), aws, ca_bundle: None }
    }

    /// Fails when a new version of the SDK has addresses that the entry `aws` does not permit.
    #[test]
    fn what_the_sdk_calls_at_aws_is_permitted_as_aws() {
        let aws = StsEndpoints::parse(["aws"]).unwrap();
        for region in [
            "us-east-1",
            "eu-central-1",
            "ap-southeast-5",
            "us-gov-west-1",
            "cn-north-1",
            "us-iso-east-1",
            "us-isob-east-1",
            "us-isof-south-1",
            "eu-isoe-west-1",
            "eusc-de-east-1",
            "mx-central-1",
            "aws-global",
        ] {
            for (fips, dual_stack) in [(false, false), (true, false), (false, true), (true, true)] {
                let address = address(&service(region, fips, dual_stack)).unwrap();
                let is_global = region == "aws-global" && (fips || dual_stack);
                assert_eq!(aws.permits(&address).is_ok(), !is_global, "{address}");
            }
        }
    }

    #[test]
    fn a_region_cannot_lead_to_another_host() {
        let aws = StsEndpoints::parse(["aws"]).unwrap();
        for region in
            ["evil.example/", "evil.example#", "a@evil.example", "s3", "", "evil.example", "US-EAST-1 "]
        {
            let permitted = address(&service(region, false, false)).map(|address| aws.permits(&address));
            assert!(!matches!(permitted, Ok(Ok(_))), "{region}: {permitted:?}");
        }
    }
}
