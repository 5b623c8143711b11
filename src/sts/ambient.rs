//! The AWS identity of the operator itself.
//!
//! `source` decides where it is. The protocols are those of the SDK, which for the container endpoint
//! reads its variables and the file of the authorization token itself.

use std::time::{Duration, UNIX_EPOCH};

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds::Client as MetadataClient;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_sdk_sts::config::{AsyncSleep, ProvideCredentials, Sleep};
use aws_smithy_async::time::StaticTimeSource;
use jiff::Timestamp;

use super::address::address;
use super::call::{DEADLINE, Session, Sts, read};
use super::failure::{StsFailure, StsOutage, StsStep};
use super::http::CallClient;
use super::source::AmbientSource;
use crate::domain::Sensitive;
use crate::runtime::client::{AddressClass, ConnectOptions, Guard, Reach};

/// The longest session of the operator's own identity, in seconds: no role of AWS permits longer ones.
const MAX_DURATION: u32 = 43_200;

impl Sts {
    /// Gets a session of the AWS identity of the operator itself. `now` is our clock.
    ///
    /// # Guarantees
    /// Everything is read anew: nothing is kept from one call to the next. It takes at most 10 seconds.
    /// A container endpoint that fails is asked up to three times in that time.
    pub async fn ambient(&self, now: impl Fn() -> Timestamp + Send) -> Result<Session, StsFailure> {
        let forbidden = StsFailure::NoIdentity("the administrator has not permitted that it is used");
        match self.ambient.as_ref().ok_or(forbidden)? {
            AmbientSource::Nowhere(why) => Err(StsFailure::NoIdentity(why)),
            AmbientSource::WebIdentity { token_file, sts_request } => {
                address(&sts_request.service)?;
                let unread = |_| StsFailure::NoIdentity("AWS_WEB_IDENTITY_TOKEN_FILE cannot be read");
                let token = Sensitive::new(tokio::fs::read_to_string(token_file).await.map_err(unread)?);
                let token = Sensitive::new(token.expose().trim().to_owned());
                // The administrator chose an endpoint in the environment, so that every address is meant.
                let most = match sts_request.service.endpoint {
                    Some(_) => AddressClass::Forbidden,
                    None => AddressClass::Private,
                };
                let way = ConnectOptions { reach: Reach::up_to(most), may_use_proxy: true };
                self.web_identity(sts_request, &token, &way, now).await
            }
            AmbientSource::Container => {
                let (http, config) = self.direct()?;
                let every = Guard::new(Reach::anywhere());
                let provider = EcsCredentialsProvider::builder().configure(&config).dns(every).build();
                provided(&provider, &http, now).await
            }
            AmbientSource::InstanceMetadata { endpoint } => {
                let (http, config) = self.direct()?;
                let metadata = MetadataClient::builder()
                    .configure(&config)
                    .max_attempts(1)
                    .operation_timeout(DEADLINE)
                    .operation_attempt_timeout(DEADLINE)
                    .endpoint(endpoint);
                let no_url = "AWS_EC2_METADATA_SERVICE_ENDPOINT is not a URL";
                let metadata = metadata.map_err(|_| StsFailure::NoIdentity(no_url))?.build();
                let provider =
                    ImdsCredentialsProvider::builder().configure(&config).imds_client(metadata).build();
                provided(&provider, &http, now).await
            }
        }
    }

    /// An HTTP client for the servers in the environment of the operator, which are link-local, and the
    /// settings that use it.
    fn direct(&self) -> Result<(CallClient, ProviderConfig), StsFailure> {
        let way = ConnectOptions { reach: Reach::anywhere(), may_use_proxy: false };
        let http = CallClient::new(self.connectors.get(None, &way, "")?, way.reach);
        // At a clock of 1970 no answer is old. The SDK would prolong old credentials by ten minutes.
        let config = ProviderConfig::empty()
            .with_http_client(http.clone())
            .with_sleep_impl(TokioSleep)
            .with_time_source(StaticTimeSource::new(UNIX_EPOCH));
        Ok((http, config))
    }
}

/// Waits for credentials and reads them.
async fn provided(
    provider: &impl ProvideCredentials,
    http: &CallClient,
    now: impl Fn() -> Timestamp + Send,
) -> Result<Session, StsFailure> {
    let failed = |outage: StsOutage| outage.of(StsStep::Ambient);
    let begun = now();
    let answer = tokio::time::timeout(DEADLINE, provider.provide_credentials()).await;
    let credentials = answer.map_err(|_| failed(StsOutage::Timeout))?.map_err(|error| match http.noted() {
        noted if noted.is_sent => StsFailure::of(StsStep::Ambient, noted, None, &error),
        _ => StsFailure::NoIdentity(
            "the variables AWS_CONTAINER_* or AWS_EC2_METADATA_* cannot be used: the URL must begin with https or have an address of this machine or of the container agent, and the file of the token must be readable",
        ),
    })?;
    let stated = credentials.expiry().and_then(|time| Timestamp::try_from(time).ok());
    let stated = stated.ok_or_else(|| failed(StsOutage::Garbage))?;
    let token = credentials.session_token().unwrap_or_default();
    let values = [credentials.access_key_id(), credentials.secret_access_key(), token];
    read(http, (begun, now()), MAX_DURATION, stated, values).map_err(failed)
}

/// Pauses of the SDK.
#[derive(Debug)]
struct TokioSleep;

impl AsyncSleep for TokioSleep {
    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(tokio::time::sleep(duration))
    }
}
