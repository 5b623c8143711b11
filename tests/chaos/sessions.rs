//! The namespaces whose URLs are signed with sessions, and the store of these.

use std::sync::LazyLock;
use std::time::Duration;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, DeleteParams};
use serde_json::{Value, json};
use testbed::{Role, SessionStore};

use crate::harness::{self, World, everything};
use crate::tenant::{CONTENT, Keys, Tenant};

/// The longest session: every URL has to be renewed within a turn.
const SESSION: Duration = Duration::from_secs(120);
/// The name of the `ServiceAccount`s and of their role.
const NAME: &str = "urls";
/// More than the namespaces of any run.
const MANY: usize = 100;

static STORE: LazyLock<SessionStore> = LazyLock::new(|| {
    let trusted = (0..MANY).filter(|number| is_signed_with_sessions(*number));
    let role = trusted.fold(Role::new(NAME, everything()), |role, number| {
        role.service_account(&format!("chaos-{number}"), NAME)
    });
    let store = SessionStore::builder().issuer(&World::get_blocking().plane).unwrap();
    store.role(role).longest_session(SESSION).start().unwrap()
});

/// Whether the URLs of a namespace are signed with sessions: those of every fourth are.
pub fn is_signed_with_sessions(number: usize) -> bool {
    number % 4 == 1
}

/// Where the store is.
pub fn endpoint() -> String {
    STORE.endpoint()
}

/// Starts the store with what can be downloaded for a namespace.
pub async fn fill_store(namespace: &str, keys: &'static [&str]) {
    let namespace = namespace.to_owned();
    let filling = tokio::task::spawn_blocking(move || {
        STORE.create_bucket(&namespace).unwrap();
        for key in keys {
            STORE.put_object(&namespace, key, CONTENT).unwrap();
        }
    });
    filling.await.unwrap();
}

/// The connection of an object whose URL is signed with a session.
pub fn connection() -> Value {
    let (endpoint, role) = (STORE.endpoint(), STORE.role_arn(NAME));
    json!({
        "endpoint": endpoint,
        "region": STORE.region(),
        "credentials": {
            "webIdentity": {"serviceAccountRef": {"name": NAME}, "roleARN": role},
            "session": {"sts": {"endpoint": endpoint}},
        },
    })
}

/// Writes the `ServiceAccount` instead of access keys: it permits the role in one of two ways, or does not,
/// or is missing.
pub async fn write_account(tenant: &Tenant, keys: Keys) -> Result<(), kube::Error> {
    let accounts = Api::<ServiceAccount>::namespaced(tenant.client.clone(), &tenant.namespace);
    let permitted = match keys {
        Keys::First => STORE.role_arn(NAME),
        Keys::Second => "*".to_owned(),
        Keys::Wrong => "arn:aws:iam::000000000000:role/another".to_owned(),
        Keys::Missing => return accounts.delete(NAME, &DeleteParams::default()).await.map(drop),
    };
    harness::write_account(&tenant.client, &tenant.namespace, NAME, Some(&permitted)).await
}
