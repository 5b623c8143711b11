//! The requests of `check`. What they mean is decided in `judge`.

use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::storage::v1::{CSIDriver, CSINode};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, PostParams};
use kube::client::Body;
use kube::{Api, Client, ResourceExt as _};

use super::judge;
use super::{CheckedItem, ItemState};
use crate::cli::ExitFailure;
use crate::crd::names::DRIVER;
use crate::crd::{ClusterSigner, Signer};
use crate::plugin::failed;
use crate::runtime::Clock;
use crate::runtime::client::http_date;

/// The objects of the chart.
const OURS: &str = "app.kubernetes.io/name=presign-operator";

/// Whether the API server answers, and how far its clock is from that of this computer. The time is that of
/// the API server where it tells it.
pub(super) async fn server(client: &Client, clock: &Clock) -> Result<(CheckedItem, Timestamp), ExitFailure> {
    let request = http_request("/version");
    let answer = client.send(request).await.map_err(|error| failed("the API server", &error))?;
    let here = clock.now();
    let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
    let there = date.and_then(http_date);
    Ok((judge::clock(here, there), there.unwrap_or(here)))
}

fn http_request(path: &str) -> hyper::Request<Body> {
    let mut request = hyper::Request::new(Body::empty());
    if let Ok(uri) = path.parse() {
        *request.uri_mut() = uri;
    }
    request
}

/// The definitions of our kinds.
pub(super) async fn definitions(client: &Client) -> Result<Vec<CheckedItem>, ExitFailure> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let ours = crate::crd::definitions().map_err(|error| ExitFailure::from(anyhow::Error::from(error)))?;
    let mut items = Vec::new();
    for definition in &ours {
        let name = definition.name_any();
        items.push(match api.get_opt(&name).await {
            Ok(found) => judge::definition(definition, found.as_ref()),
            Err(error) => unknown(&format!("definition {name}"), "customresourcedefinitions", error)?,
        });
    }
    Ok(items)
}

/// Whether an operator leads.
pub(super) async fn leader(
    client: &Client,
    namespace: &str,
    name: &str,
    now: Timestamp,
) -> Result<CheckedItem, ExitFailure> {
    let api = Api::<Lease>::namespaced(client.clone(), namespace);
    match api.get_opt(name).await {
        Ok(lease) => Ok(judge::leader(namespace, name, lease.as_ref(), now)),
        Err(error) => unknown("leader", "leases", error),
    }
}

/// What the user may do.
pub(super) async fn rights(client: &Client, namespace: &str) -> Result<Vec<CheckedItem>, ExitFailure> {
    let mut items = Vec::new();
    for (verb, group, resource, what_for) in [
        ("get", "presign.dev", "presignedurls", "status"),
        ("list", "presign.dev", "presignedurls", "renew -l and --all"),
        ("create", "presign.dev", "presignedurls", "new PresignedUrls"),
        ("patch", "presign.dev", "presignedurls", "renew"),
        ("get", "", "secrets", "get-url, inspect secret/NAME"),
        ("list", "", "pods", "the pods in status"),
    ] {
        let attributes = ResourceAttributes {
            group: Some(group.to_owned()),
            namespace: Some(namespace.to_owned()),
            resource: Some(resource.to_owned()),
            verb: Some(verb.to_owned()),
            ..ResourceAttributes::default()
        };
        let is_allowed = is_allowed(client, attributes).await?;
        let (state, may) =
            if is_allowed { (ItemState::Good, "may") } else { (ItemState::Unknown, "may not") };
        let message = format!("you {may} in namespace {namespace} (for {what_for})");
        items.push(CheckedItem::new(format!("right {verb} {resource}"), state, message));
    }
    Ok(items)
}

/// Whether the user may do something.
pub(in crate::plugin) async fn is_allowed(
    client: &Client,
    attributes: ResourceAttributes,
) -> Result<bool, ExitFailure> {
    let api = Api::<SelfSubjectAccessReview>::all(client.clone());
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() },
        ..SelfSubjectAccessReview::default()
    };
    let answer = api.create(&PostParams::default(), &review).await;
    let answer = answer.map_err(|error| failed("the question what you may do", &error))?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// The admission policies of the chart, each with its binding.
pub(super) async fn policies(client: &Client) -> Result<Vec<CheckedItem>, ExitFailure> {
    let params = ListParams::default().labels(OURS);
    let policies = Api::<ValidatingAdmissionPolicy>::all(client.clone()).list(&params).await;
    let bindings = Api::<ValidatingAdmissionPolicyBinding>::all(client.clone()).list(&params).await;
    match (policies, bindings) {
        (Ok(policies), Ok(bindings)) => Ok(judge::policies(&policies.items, &bindings.items)),
        (Err(error), _) | (_, Err(error)) => {
            Ok(vec![unknown("admission policies", "validatingadmissionpolicies", error)?])
        }
    }
}

/// Whether the CSI driver is there, and on which nodes.
pub(super) async fn driver(client: &Client) -> Result<CheckedItem, ExitFailure> {
    let drivers = Api::<CSIDriver>::all(client.clone()).get_opt(DRIVER).await;
    let nodes = Api::<CSINode>::all(client.clone()).list(&ListParams::default()).await;
    match (drivers, nodes) {
        (Ok(driver), Ok(nodes)) => Ok(judge::driver(DRIVER, driver.is_some(), &nodes.items)),
        (Err(error), _) | (_, Err(error)) => unknown("CSI driver", "csidrivers or csinodes", error),
    }
}

/// The signers that the namespace may use, as far as they may be read.
pub(super) async fn signers(client: &Client, namespace: &str) -> Result<Vec<CheckedItem>, ExitFailure> {
    let mut items = Vec::new();
    let own = Api::<Signer>::namespaced(client.clone(), namespace).list(&ListParams::default()).await;
    match own {
        Ok(signers) => items.extend(
            signers.iter().map(|signer| judge::signer("Signer", &signer.name_any(), signer.status.as_ref())),
        ),
        Err(error) => items.push(unknown("signers", "signers", error)?),
    }
    let cluster = Api::<ClusterSigner>::all(client.clone()).list(&ListParams::default()).await;
    match cluster {
        Ok(signers) => items.extend(
            signers
                .iter()
                .map(|signer| judge::signer("ClusterSigner", &signer.name_any(), signer.status.as_ref())),
        ),
        Err(error) => items.push(unknown("cluster signers", "clustersigners", error)?),
    }
    Ok(items)
}

/// An item that may not be read, or whose kind does not exist.
fn unknown(what: &str, resource: &str, error: kube::Error) -> Result<CheckedItem, ExitFailure> {
    match error {
        kube::Error::Api(status) if status.code == 403 => {
            Ok(CheckedItem::new(what, ItemState::Unknown, format!("you may not read {resource}")))
        }
        kube::Error::Api(status) if status.code == 404 => {
            Ok(CheckedItem::new(what, ItemState::Bad, format!("the cluster does not know {resource}")))
        }
        error => Err(failed(what, &error)),
    }
}
