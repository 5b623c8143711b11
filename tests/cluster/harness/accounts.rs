//! What a test with sessions needs besides a store: a `ServiceAccount` that permits roles, a role that permits
//! everything, and an operator that may call the STS.

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use presign_operator::crd::names::ANNOTATION_ROLE_ARNS;
use serde_json::{Value, json};
use testbed::allow;

use super::{DEADLINE, Space};

/// For an operator: the STS of the testbed has no TLS.
pub const PERMITTED_STS: (&str, &str) = ("PRESIGN_STS_ENDPOINTS", "http://127.0.0.1");

/// The policy of a role that may do everything.
pub fn everything() -> Value {
    allow(&["s3:*"], &["arn:aws:s3:::*", "arn:aws:s3:::*/*"])
}

/// Waits for the `ServiceAccount` of pods that name none, which comes shortly after its namespace.
pub async fn await_default_account(space: &Space) {
    let accounts = Api::<ServiceAccount>::namespaced(space.client.clone(), &space.namespace);
    space.wait_for(DEADLINE, accounts, "default", "made", |account| account.map(drop)).await;
}

/// Writes a `ServiceAccount` as a person would, with the roles that it permits.
pub async fn write_account(
    client: &Client,
    namespace: &str,
    name: &str,
    roles: Option<&str>,
) -> Result<(), kube::Error> {
    let annotations = roles.map(|roles| json!({ANNOTATION_ROLE_ARNS: roles}));
    let body = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": name, "annotations": annotations},
    });
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
    accounts.patch(name, &PatchParams::apply("person").force(), &Patch::Apply(body)).await.map(drop)
}
