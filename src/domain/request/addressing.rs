//! The addressing style: where the bucket is in the URL. It is decided here and not by the SDK, which
//! falls back to path style without an error.

use super::checks::{is_dns_label, require};
use super::{AwsAddress, Endpoint, InvalidSpec, Scheme};
use crate::crd::{AddressingStyle, S3Connection, rules};

/// Where the bucket is in the URL.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Addressing {
    /// `https://host/bucket/key`.
    Path,
    /// `https://bucket.host/key`.
    VirtualHosted,
    /// `https://host/key`: the host of the endpoint serves only this bucket.
    BucketEndpoint,
}

/// What signing needs to know about a store. One SDK client serves all requests with the same
/// connection. Only [`resolve`](crate::domain::resolve) makes one, from the connection of the request
/// itself or from that of its signer.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Connection {
    /// Address of the store; `None` for AWS in the region.
    pub endpoint: Option<Endpoint>,
    /// The region that the signature is for.
    pub region: String,
    /// Where the bucket is in the URL.
    pub addressing: Addressing,
    /// Which of the addresses of AWS to use.
    pub aws: AwsAddress,
}

impl Connection {
    pub(super) fn parse(s3: &S3Connection, bucket: &str) -> Result<Self, InvalidSpec> {
        let endpoint = endpoint(s3)?;
        let style = s3.addressing_style.unwrap_or_default();
        let names_bucket = |endpoint: &Endpoint| {
            let rest = endpoint.host.strip_prefix(&bucket.to_ascii_lowercase());
            let is_whole = |rest: &str| rest.is_empty() && bucket.contains('.');
            rest.is_some_and(|rest| rest.starts_with('.') || is_whole(rest)) && endpoint.has_domain()
        };
        let is_twice = style == AddressingStyle::Auto && endpoint.as_ref().is_some_and(names_bucket);
        require(!is_twice, "s3.endpoint", rules::ENDPOINT_BUCKET)?;
        let addressing = addressing(style, bucket, endpoint.as_ref())?;
        Ok(Self { endpoint, region: s3.region.clone(), addressing, aws: AwsAddress::of(s3) })
    }
}

/// Parses the endpoint of a connection, and checks whether the addressing style fits it.
pub(super) fn endpoint(s3: &S3Connection) -> Result<Option<Endpoint>, InvalidSpec> {
    let endpoint = s3.endpoint.as_deref().map(Endpoint::parse).transpose()?;
    let field = "s3.addressingStyle";
    match s3.addressing_style.unwrap_or_default() {
        AddressingStyle::VirtualHosted => {
            require(endpoint.as_ref().is_none_or(Endpoint::has_domain), field, rules::STYLE_HOST)?;
        }
        AddressingStyle::BucketEndpoint => require(endpoint.is_some(), field, rules::STYLE_ENDPOINT)?,
        AddressingStyle::Auto | AddressingStyle::Path => {}
    }
    Ok(endpoint)
}

fn addressing(
    style: AddressingStyle,
    bucket: &str,
    endpoint: Option<&Endpoint>,
) -> Result<Addressing, InvalidSpec> {
    let field = "s3.addressingStyle";
    let is_arn = bucket.starts_with("arn:");
    match style {
        AddressingStyle::Auto if is_arn => Ok(Addressing::VirtualHosted),
        AddressingStyle::Auto if endpoint.is_some() || bucket.contains('.') => Ok(Addressing::Path),
        AddressingStyle::Auto => Ok(Addressing::VirtualHosted),
        AddressingStyle::Path => {
            require(!is_arn, field, rules::STYLE_ARN)?;
            Ok(Addressing::Path)
        }
        AddressingStyle::VirtualHosted => {
            let dots = endpoint.is_some_and(|endpoint| endpoint.scheme == Scheme::Http);
            require(is_arn || can_stand_in_host(bucket, dots), field, rules::STYLE_BUCKET)?;
            Ok(Addressing::VirtualHosted)
        }
        AddressingStyle::BucketEndpoint => Ok(Addressing::BucketEndpoint),
    }
}

/// Whether the bucket can be part of the host. The SDK accepts no label shorter than 3 characters, even
/// if the bucket consists of several labels.
fn can_stand_in_host(bucket: &str, dots: bool) -> bool {
    let is_label = |label: &str| is_dns_label(label) && label.len() >= 3;
    let fits = if dots { bucket.split('.').all(is_label) } else { is_label(bucket) };
    fits && bucket.len() <= 63
}
