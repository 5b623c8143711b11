//! Signs a valid request into a presigned URL.
//!
//! Signing is synchronous and deterministic. The same request, credentials and validity give the same URL
//! at any time of day, so that a stored URL can be signed again and compared.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{self, IdentityCache};
use aws_sdk_s3::presigning::PresigningConfig;
use futures::FutureExt;

use super::amend::Amendment;
use super::clients::Clients;
use super::error::{PresignError, reason};
use super::expected::Expected;
use super::post;
use crate::domain::request::{MAX_LIFETIME, Method, Request};
use crate::domain::{Credentials, Sensitive, SignedUrl, Validity};

/// Signs requests. It keeps the clients of the SDK between calls. Share one signer; it needs no lock.
#[derive(Debug, Default)]
pub struct UrlSigner {
    clients: Clients,
}

impl UrlSigner {
    /// Signs a request with an access key, for the time that `validity` gives: a URL, or a form if its method
    /// is POST.
    ///
    /// # Guarantees
    /// This never waits, never uses the network and never reads a clock. The same input gives the same
    /// URL. The returned URL has the address, the parameters and the signed headers that were requested,
    /// and no others.
    ///
    /// # Errors
    /// When no such URL can be signed. The text contains no part of the credentials or of the query.
    pub fn presign(
        &self,
        request: &Request,
        credentials: &Credentials,
        validity: Validity,
    ) -> Result<SignedUrl, PresignError> {
        check_region(request)?;
        if let (Method::Post, Some(form)) = (request.method, &request.form) {
            return post::sign(request, form, credentials, validity, start(validity)?);
        }
        let config = presigning(validity)?;
        let expected = Expected::new(request, credentials, validity)?;
        let client = self.clients.get(&request.connection);
        let url = sign(&client, request, credentials, config, expected.query())?;
        expected.check(request, &url)?;
        Ok(SignedUrl { url: Sensitive::new(url), form: None, validity })
    }
}

/// Refuses an ARN with another region than the spec, because the SDK would sign for that of the ARN.
fn check_region(request: &Request) -> Result<(), PresignError> {
    let region = &request.connection.region;
    match request.bucket.split(':').collect::<Vec<_>>()[..] {
        ["arn", _, _, access_point, ..] if access_point != region => Err(PresignError::AccessPointRegion {
            access_point: access_point.to_owned(),
            region: region.clone(),
        }),
        _ => Ok(()),
    }
}

/// The signing time of a validity that can be signed.
fn start(validity: Validity) -> Result<SystemTime, PresignError> {
    let Validity { signing_time: time, lifetime: seconds } = validity;
    let since_1970 = u64::try_from(time.as_second()).map_err(|_| PresignError::SigningTime { time })?;
    if !(1..=MAX_LIFETIME).contains(&seconds) {
        return Err(PresignError::Lifetime { seconds });
    }
    Ok(UNIX_EPOCH + Duration::from_secs(since_1970))
}

fn presigning(validity: Validity) -> Result<PresigningConfig, PresignError> {
    let seconds = validity.lifetime;
    PresigningConfig::builder()
        .start_time(start(validity)?)
        .expires_in(Duration::from_secs(seconds.into()))
        .build()
        .map_err(|_| PresignError::Lifetime { seconds })
}

fn sign(
    client: &Client,
    request: &Request,
    credentials: &Credentials,
    config: PresigningConfig,
    query: String,
) -> Result<String, PresignError> {
    let amendment = Amendment::new(request, query);
    // The operations have different types, which differ only in their names.
    macro_rules! presigned {
        ($operation:ident) => {
            client
                .$operation()
                .bucket(amendment.bucket(request))
                .key(amendment.key(request))
                .customize()
                .config_override(identity(credentials))
                .map_request(move |http| amendment.apply(http))
                .presigned(config)
                .now_or_never()
                .ok_or(PresignError::Waited)?
                .map(|signed| signed.uri().to_owned())
                .map_err(|error| PresignError::Refused { reason: reason(&error, credentials) })
        };
    }
    match request.method {
        Method::Get => presigned!(get_object),
        Method::Head => presigned!(head_object),
        Method::Put => presigned!(put_object),
        Method::Delete => presigned!(delete_object),
        Method::Post => Err(PresignError::NoForm),
    }
}

/// The credentials for one request. Their expiration is left out, because the SDK would compare it with
/// the clock, and `Validity` has already considered it.
fn identity(credentials: &Credentials) -> config::Builder {
    let token = credentials.session_token.as_ref().map(|token| token.expose().clone());
    let credentials = config::Credentials::new(
        credentials.access_key_id.expose(),
        credentials.secret_access_key.expose(),
        token,
        None,
        "presign-operator",
    );
    config::Builder::new().credentials_provider(credentials).identity_cache(IdentityCache::no_cache())
}

#[cfg(test)]
mod tests;
