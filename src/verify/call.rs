//! One question to one store.

use std::fmt;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::http::{Request as HttpRequest, Response as HttpResponse};
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt as _;
use jiff::Timestamp;

use super::route::{StorePlace, StoreRoute};
use crate::domain::Sensitive;
use crate::domain::limits::{VerifyEndpoints, VerifyReach};
use crate::domain::verification::{
    Finding, NotAsked, QuestionKind, StoreAnswer, VerifyOutage, finding, is_of_store,
};
use crate::runtime::client::{
    AddressClass, AddressRange, CallFailure, ConnectOptions, Connectors, InvalidConnectorSettings, Reach,
    http_date,
};

/// How long a question may take in all, from the resolution of the name to the end of the answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// How much of an answer is read, in bytes.
const MAX_RESPONSE: usize = 64 * 1024;
/// The name of the operator in the logs of stores.
const USER_AGENT: &str = concat!("presign-operator/", env!("CARGO_PKG_VERSION"));

/// The settings for all questions.
#[derive(Clone)]
pub struct VerifySettings {
    /// The stores that may be asked, beside those of `ClusterSigner`s.
    pub endpoints: VerifyEndpoints,
    /// Certificates that are trusted in addition to those of the system, as PEM.
    pub ca_bundle: Option<String>,
    /// The URL of a proxy for the stores that are listed by their own names, without addresses.
    pub proxy: Option<String>,
    /// The hosts that are reached without the proxy, separated by commas.
    pub no_proxy: Option<String>,
}

/// Asks stores. Share one; it needs no lock.
#[derive(Debug)]
pub struct StoreVerifier {
    endpoints: VerifyEndpoints,
    connectors: Connectors,
}

/// A signed question.
#[derive(Clone, Copy, Debug)]
pub struct VerifyCall<'a> {
    /// What is asked.
    pub kind: QuestionKind,
    /// The URL.
    pub url: &'a Sensitive<String>,
    /// The headers to send.
    pub headers: &'a [(String, String)],
    /// The region that the URL is signed for.
    pub region: &'a str,
    /// Certificates of private certificate authorities, as PEM.
    pub ca_bundle: Option<&'a str>,
    /// Whether a `ClusterSigner` names the store.
    pub is_of_platform: bool,
}

/// Without the proxy, whose URL can contain a password.
impl fmt::Debug for VerifySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifySettings").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

impl StoreVerifier {
    /// Asks on these terms.
    pub fn new(settings: VerifySettings) -> Result<Self, InvalidConnectorSettings> {
        let connectors =
            Connectors::new(settings.ca_bundle, settings.proxy.as_deref(), settings.no_proxy.as_deref())?;
        Ok(Self { endpoints: settings.endpoints, connectors })
    }

    /// Asks a store. `now` is our clock.
    ///
    /// # Guarantees
    /// The request is sent once, only to a store and an address that may be asked, and takes at most 5
    /// seconds. No redirect is followed. At most 64 KiB of an answer are read, and nothing of them is in
    /// what is returned but a region.
    pub async fn ask(&self, call: VerifyCall<'_>, now: impl Fn() -> Timestamp + Send) -> Finding {
        match self.connector(&call) {
            Ok((connector, authority)) => {
                let answer = tokio::time::timeout(DEADLINE, exchange(&connector, &call, &now)).await;
                match answer {
                    Ok(Ok(answer)) => finding(call.kind, call.region, &answer),
                    Ok(Err(fault)) => of_fault(fault, authority),
                    Err(_) => Finding::Unreachable(VerifyOutage::Timeout),
                }
            }
            Err(why) => Finding::NotAsked(why),
        }
    }

    /// The way to the store, and its host and port.
    fn connector(&self, call: &VerifyCall<'_>) -> Result<(SharedHttpConnector, String), NotAsked> {
        let place = StorePlace::of(call.url.expose()).ok_or(NotAsked::Impossible)?;
        let authority = place.authority();
        let reach = self.endpoints.permits(&place.host, place.port, call.is_of_platform);
        let reach = reach.ok_or_else(|| NotAsked::Host { authority: authority.clone() })?;
        let way = way(reach);
        way.reach
            .check_url(call.url.expose())
            .map_err(|_| NotAsked::Internal { authority: authority.clone() })?;
        let connector = self.connectors.get(call.ca_bundle, &way, call.url.expose());
        Ok((connector.map_err(|error| NotAsked::CaBundle(error.to_string()))?, authority))
    }

    /// How the store of a URL is reached; `None` when it cannot be asked.
    #[must_use]
    pub fn route(
        &self,
        url: &Sensitive<String>,
        ca_bundle: Option<&str>,
        is_of_platform: bool,
    ) -> Option<StoreRoute> {
        let place = StorePlace::of(url.expose())?;
        let reach = self.endpoints.permits(&place.host, place.port, is_of_platform);
        Some(StoreRoute::new(&place, reach, ca_bundle))
    }
}

fn way(reach: VerifyReach) -> ConnectOptions {
    let VerifyReach { is_public, networks, may_use_proxy } = reach;
    let ranges = networks.into_iter();
    let ranges = ranges.map(|network| AddressRange { address: network.address, prefix: network.prefix });
    let reach = Reach::within(ranges.collect());
    ConnectOptions {
        reach: if is_public { reach.and_up_to(AddressClass::Public) } else { reach },
        may_use_proxy,
    }
}

/// Sends a question and reads what is needed of the answer.
async fn exchange(
    connector: &SharedHttpConnector,
    call: &VerifyCall<'_>,
    now: &(impl Fn() -> Timestamp + Send),
) -> Result<StoreAnswer, CallFailure> {
    let mut request = HttpRequest::new(SdkBody::empty());
    request.set_uri(call.url.expose().as_str()).map_err(|_| CallFailure::Other)?;
    let agent = ("user-agent".to_owned(), USER_AGENT.to_owned());
    for (name, value) in call.headers.iter().chain([&agent]) {
        let (name, value) = (name.to_ascii_lowercase(), value.clone());
        request.headers_mut().try_insert(name, value).map_err(|_| CallFailure::Other)?;
    }
    let response = connector.call(request).await.map_err(|error| CallFailure::of(&error))?;
    let status = response.status().as_u16();
    let date = response.headers().get("date").and_then(http_date);
    let clock_ahead = date.map(|date| date.as_second() - now().as_second());
    let region = response.headers().get("x-amz-bucket-region").map(str::to_owned);
    let is_of_store = response.headers().iter().any(|(name, _)| is_of_store(name));
    // The object itself is not read.
    let body = match (call.kind, status) {
        (QuestionKind::Object, ..300) => String::new(),
        _ => beginning(response).await?,
    };
    Ok(StoreAnswer { status, region, is_of_store, clock_ahead, body })
}

/// The beginning of a body. A longer one is not read to its end.
async fn beginning(response: HttpResponse) -> Result<String, CallFailure> {
    let (mut body, mut bytes) = (response.into_body(), Vec::new());
    while bytes.len() < MAX_RESPONSE
        && let Some(frame) = body.frame().await
    {
        let frame = frame.map_err(|error| CallFailure::of(&*error))?;
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data[..data.len().min(MAX_RESPONSE - bytes.len())]);
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn of_fault(fault: CallFailure, authority: String) -> Finding {
    Finding::Unreachable(match fault {
        CallFailure::InternalAddress => return Finding::NotAsked(NotAsked::Internal { authority }),
        CallFailure::Unresolved => VerifyOutage::Unresolved,
        CallFailure::Tls => VerifyOutage::Tls,
        CallFailure::Garbage => VerifyOutage::Garbage,
        CallFailure::TooLong | CallFailure::Cut => VerifyOutage::Cut,
        CallFailure::Other => VerifyOutage::Unconnected,
    })
}
