//! The calls: a session for a token, and a session for credentials.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use aws_sdk_sts::Client;
use aws_sdk_sts::config::http::HttpResponse;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_sdk_sts::config::{
    BehaviorVersion, Builder, Config, Credentials as SdkCredentials, IdentityCache, Region,
    StalledStreamProtectionConfig,
};
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::types::Credentials as Issued;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use jiff::Timestamp;

use super::address::address;
use super::answer::{Arrival, expiration};
use super::failure::{StsFailure, StsOutage, StsStep};
use super::http::CallClient;
use super::source::AmbientSource;
use crate::domain::limits::{AddressRule, StsEndpoints};
use crate::domain::session::{StsAddress, StsRequest};
use crate::domain::{Credentials, Sensitive};
use crate::runtime::client::{AddressClass, ConnectOptions, Connectors, InvalidConnectorSettings, Reach};

/// How long a call may take in all, from the resolution of the name to the end of the answer.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// The settings for all calls.
#[derive(Clone)]
pub struct StsSettings {
    /// The STS endpoints that may be called.
    pub endpoints: StsEndpoints,
    /// Certificates that are trusted in addition to those of the system, as PEM.
    pub ca_bundle: Option<String>,
    /// The URL of a proxy for the calls of an STS that `endpoints` names exactly, or as `aws`. It resolves
    /// the names, so that the list alone decides which servers are reached.
    pub proxy: Option<String>,
    /// The hosts that are reached without the proxy, separated by commas.
    pub no_proxy: Option<String>,
    /// Where the operator has an identity of its own; `None` when that may not be used.
    pub ambient: Option<AmbientSource>,
}

/// Calls STSs. Share one; it needs no lock.
#[derive(Debug)]
pub struct Sts {
    endpoints: StsEndpoints,
    pub(super) ambient: Option<AmbientSource>,
    pub(super) connectors: Connectors,
}

/// Temporary credentials and when they began.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Session {
    /// The credentials. Their expiration is known, in whole seconds of our clock.
    pub credentials: Credentials,
    /// When the session was asked for, by our clock.
    pub begun: Timestamp,
}

/// Without the proxy, whose URL can contain a password.
impl fmt::Debug for StsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StsSettings")
            .field("endpoints", &self.endpoints)
            .field("ambient", &self.ambient)
            .finish_non_exhaustive()
    }
}

impl Sts {
    /// Calls on these terms.
    pub fn new(settings: StsSettings) -> Result<Self, InvalidConnectorSettings> {
        let connectors =
            Connectors::new(settings.ca_bundle, settings.proxy.as_deref(), settings.no_proxy.as_deref())?;
        Ok(Self { endpoints: settings.endpoints, ambient: settings.ambient, connectors })
    }

    /// Calls STSs over `connector` instead of the network, for tests with a simulated clock. Addresses and the
    /// proxy are matters of the network, so they are not checked.
    #[must_use]
    pub fn over(connector: &SharedHttpConnector, endpoints: StsEndpoints) -> Self {
        Self { endpoints, ambient: None, connectors: Connectors::over(connector) }
    }

    /// Gets a session for a token of an OIDC issuer (`AssumeRoleWithWebIdentity`). The request
    /// is not signed. `now` is our clock.
    ///
    /// # Guarantees
    /// The call is sent once and takes at most 10 seconds. Of the answer, an error contains at most the
    /// status and the code.
    pub async fn with_web_identity(
        &self,
        sts_request: &StsRequest,
        token: &Sensitive<String>,
        now: impl Fn() -> Timestamp + Send,
    ) -> Result<Session, StsFailure> {
        let way = self.way(&sts_request.service)?;
        self.web_identity(sts_request, token, &way, now).await
    }

    /// Gets a session for credentials (`AssumeRole`). The request is signed with them. `now` is our clock.
    ///
    /// # Guarantees
    /// As [`with_web_identity`](Self::with_web_identity).
    pub async fn with_credentials(
        &self,
        sts_request: &StsRequest,
        credentials: &Credentials,
        now: impl Fn() -> Timestamp + Send,
    ) -> Result<Session, StsFailure> {
        let way = self.way(&sts_request.service)?;
        let http = self.client(&sts_request.service, &way)?;
        let config = configuration(&sts_request.service, &http).credentials_provider(identity(credentials));
        let call = Client::from_conf(config.build())
            .assume_role()
            .set_role_arn(sts_request.role_arn.clone())
            .set_external_id(sts_request.external_id.clone())
            .role_session_name(&sts_request.session_name)
            .duration_seconds(seconds(sts_request))
            .set_policy(sts_request.policy.clone());
        let answer = async { call.send().await.map(|answer| answer.credentials) };
        session(StsStep::AssumeRole, answer, &http, sts_request.duration, now).await
    }

    /// As [`with_web_identity`](Self::with_web_identity), for an STS that may be called.
    pub(super) async fn web_identity(
        &self,
        sts_request: &StsRequest,
        token: &Sensitive<String>,
        way: &ConnectOptions,
        now: impl Fn() -> Timestamp + Send,
    ) -> Result<Session, StsFailure> {
        let http = self.client(&sts_request.service, way)?;
        let call = Client::from_conf(configuration(&sts_request.service, &http).build())
            .assume_role_with_web_identity()
            .set_role_arn(sts_request.role_arn.clone())
            .role_session_name(&sts_request.session_name)
            .web_identity_token(token.expose())
            .duration_seconds(seconds(sts_request))
            .set_policy(sts_request.policy.clone());
        let answer = async { call.send().await.map(|answer| answer.credentials) };
        session(StsStep::WebIdentity, answer, &http, sts_request.duration, now).await
    }

    /// How to connect to an STS.
    fn way(&self, service: &StsAddress) -> Result<ConnectOptions, StsFailure> {
        let rule = self.endpoints.permits(&address(service)?)?;
        let most = match rule {
            AddressRule::Public => AddressClass::Public,
            AddressRule::Private => AddressClass::Private,
            AddressRule::Loopback => AddressClass::Loopback,
            AddressRule::Any => AddressClass::Forbidden,
        };
        // A wildcard also matches names that others chose, whose addresses the proxy would not judge.
        Ok(ConnectOptions { reach: Reach::up_to(most), may_use_proxy: rule > AddressRule::Public })
    }

    fn client(&self, service: &StsAddress, way: &ConnectOptions) -> Result<CallClient, StsFailure> {
        let url = address(service)?.to_string();
        let connector = self.connectors.get(service.ca_bundle.as_deref(), way, &url)?;
        Ok(CallClient::new(connector, way.reach.clone()))
    }
}

fn configuration(service: &StsAddress, http: &CallClient) -> Builder {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http.clone())
        .region(Region::new(service.region.clone()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .identity_cache(IdentityCache::no_cache());
    match &service.endpoint {
        Some(endpoint) => config.endpoint_url(endpoint.to_string()),
        None => config.use_fips(service.aws.fips).use_dual_stack(service.aws.dual_stack),
    }
}

/// The credentials for the SDK. Their expiration is left out, because the SDK would compare it with a
/// clock, and the STS does that anyway.
fn identity(credentials: &Credentials) -> SdkCredentials {
    let token = credentials.session_token.as_ref().map(|token| token.expose().clone());
    let (id, secret) = (credentials.access_key_id.expose(), credentials.secret_access_key.expose());
    SdkCredentials::new(id, secret, token, None, "presign-operator")
}

fn seconds(sts_request: &StsRequest) -> i32 {
    i32::try_from(sts_request.duration).unwrap_or(i32::MAX)
}

/// Waits for the answer and reads the session in it.
async fn session<E>(
    step: StsStep,
    answer: impl Future<Output = Result<Option<Issued>, SdkError<E, HttpResponse>>> + Send,
    http: &CallClient,
    duration: u32,
    now: impl Fn() -> Timestamp + Send,
) -> Result<Session, StsFailure>
where
    E: ProvideErrorMetadata + std::error::Error + Send + 'static,
{
    let begun = now();
    let Ok(answer) = tokio::time::timeout(DEADLINE, answer).await else {
        return Err(StsOutage::Timeout.of(step));
    };
    let issued = answer.map_err(|error| StsFailure::of_call(step, http.noted(), &error))?;
    let issued = issued.ok_or_else(|| StsOutage::Garbage.of(step))?;
    // The SDK returns 1970 if the answer ends before the expiration.
    let stated = Timestamp::from_second(issued.expiration.secs()).ok().filter(|time| time.as_second() > 0);
    let stated = stated.ok_or_else(|| StsOutage::Garbage.of(step))?;
    let (id, secret, token) = (issued.access_key_id, issued.secret_access_key, issued.session_token);
    read(http, (begun, now()), duration, stated, [&id, &secret, &token]).map_err(|outage| outage.of(step))
}

/// The session from what an answer contains: the stated expiration, the key id, the key and the token. It
/// was requested at `begun` for at most `duration` seconds, and the answer was complete at `now`.
pub(super) fn read(
    http: &CallClient,
    (begun, now): (Timestamp, Timestamp),
    duration: u32,
    stated: Timestamp,
    [id, secret, token]: [&str; 3],
) -> Result<Session, StsOutage> {
    let head = http.noted().head.ok_or(StsOutage::Garbage)?;
    // The body may have arrived much later than the head.
    let since = jiff::SignedDuration::try_from(head.at.elapsed()).unwrap_or_default();
    let arrival = Arrival { here: now.checked_sub(since).unwrap_or(now), there: head.date };
    let latest = begun.checked_add(jiff::SignedDuration::from_secs(duration.into()));
    let expiration = expiration(stated, arrival, latest.map_err(|_| StsOutage::Expired)?)?;
    let credentials = Credentials::session(id, secret, token, expiration).ok_or(StsOutage::Garbage)?;
    Ok(Session { credentials, begun })
}
