//! A namespace whose operator may ask an STS for sessions, and the way to that STS.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{Api, DeleteParams};
use presign_operator::crd::PresignedUrl;
use serde_json::{Value, json};
use testbed::{SessionStore, StsAnswer, StsFront};

use crate::calls::{KEY, OTHER_KEY, StolenSession};
use crate::harness::{PERMITTED_STS, Space, hide_sessions, merge, ready, write_account};
use crate::stores::{self, ACCOUNT};

/// Longer than the operator keeps a `ServiceAccount` that it read, and the longest backoff after that.
pub const AGAIN: Duration = Duration::from_secs(240);

/// A namespace with the `ServiceAccount` [`ACCOUNT`], which permits every role.
pub struct SessionSpace {
    pub space: Space,
    pub front: Arc<StsFront>,
    pub store: &'static SessionStore,
}

impl SessionSpace {
    /// With the usual store.
    pub async fn new(story: &str) -> Self {
        Self::with(story, stores::usual().await, &[]).await
    }

    /// With the store whose sessions end soon.
    pub async fn brief(story: &str) -> Self {
        Self::with(story, stores::brief().await, &[]).await
    }

    /// With a store, and further environment variables for the operator.
    pub async fn with(
        story: &str,
        store: &'static SessionStore,
        environment: &[(&'static str, &str)],
    ) -> Self {
        let space = Space::with(story, &[&[PERMITTED_STS], environment].concat()).await;
        Self::of(space, store).await
    }

    /// In a namespace whose operator may call the STS.
    pub async fn of(space: Space, store: &'static SessionStore) -> Self {
        let front = Arc::new(StsFront::start(store.endpoint()).unwrap());
        hide_sessions(&space.namespace, front.clone());
        store.create_bucket(&space.namespace).unwrap();
        for (key, content) in [(KEY, "content"), (OTHER_KEY, "secret")] {
            store.put_object(&space.namespace, key, content).unwrap();
        }
        let place = Self { space, front, store };
        place.write_account(ACCOUNT, Some("*")).await;
        place
    }

    /// Writes a `ServiceAccount` with the roles that it permits.
    pub async fn write_account(&self, name: &str, roles: Option<&str>) {
        write_account(&self.space.client, &self.space.namespace, name, roles).await.unwrap();
    }

    /// Deletes a `ServiceAccount`.
    pub async fn delete_account(&self, name: &str) {
        let Space { client, namespace, .. } = &self.space;
        let accounts = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
        accounts.delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// The ARN of a role.
    pub fn arn(&self, role: &str) -> String {
        self.store.role_arn(role)
    }

    /// Credentials by web identity for a role.
    pub fn web_identity(&self, role: &str) -> Value {
        web_identity(&self.front, &self.arn(role))
    }

    /// The spec for an object in the store, with credentials, and `changes` on top.
    pub fn spec(&self, credentials: &Value, changes: Value) -> Value {
        let mut spec = json!({
            "bucket": self.space.namespace,
            "key": KEY,
            "s3": connection(self.store, credentials),
        });
        merge(&mut spec, changes);
        spec
    }

    /// Applies a `PresignedUrl` with credentials, and waits until it is issued.
    pub async fn issue(&self, name: &str, credentials: &Value, changes: Value) -> PresignedUrl {
        self.space.apply(name, self.spec(credentials, changes)).await;
        self.space.wait_ready(name, "True", "Issued").await
    }

    /// Waits until the Ready condition has this status and reason, for so long that the operator reads
    /// again what it keeps.
    pub async fn wait_again(&self, name: &str, status: &str, reason: &str) -> PresignedUrl {
        let wanted = format!("Ready {status} {reason}");
        let select = |object: Option<&PresignedUrl>| {
            let object = object?;
            let ready = ready(object)?;
            (ready.status == status && ready.reason == reason).then(|| object.clone())
        };
        self.space.wait_for(AGAIN, self.space.presigned_urls(), name, &wanted, select).await
    }

    /// Asks for a new URL by the annotation, and waits until that is done.
    pub async fn renew(&self, name: &str, token: &str) -> Secret {
        self.space.renew(name, token).await;
        self.space.secrets().get(name).await.unwrap()
    }

    /// The sessions that the STS issued, in order, each with what was asked for.
    pub fn sessions(&self) -> Vec<(StsAnswer, StolenSession)> {
        sessions(&self.front)
    }

    /// The session that signed the URL in a Secret.
    pub async fn session_of(&self, secret: &str) -> StolenSession {
        let url = self.space.data(secret, "url").await;
        let sessions = self.sessions().into_iter();
        let signed =
            |(_, session): &(_, StolenSession)| url.contains(&format!("Credential={}%2F", session.id));
        sessions.filter(signed).map(|(_, session)| session).next_back().expect("a session signed it")
    }
}

/// The sessions that an STS issued, in order, each with what was asked for.
pub fn sessions(front: &StsFront) -> Vec<(StsAnswer, StolenSession)> {
    let session = |answer: StsAnswer| Some((answer.clone(), StolenSession::of(&answer)?));
    front.answers().into_iter().filter_map(session).collect()
}

/// Credentials by web identity for the ARN of a role.
pub fn web_identity(front: &StsFront, arn: &str) -> Value {
    json!({
        "webIdentity": {"serviceAccountRef": {"name": ACCOUNT}, "roleARN": arn},
        "session": {"sts": {"endpoint": front.endpoint()}},
    })
}

/// A connection to the store, with credentials.
pub fn connection(store: &SessionStore, credentials: &Value) -> Value {
    json!({"endpoint": store.endpoint(), "region": store.region(), "credentials": credentials})
}

/// The message of the Ready condition.
pub fn message(object: &PresignedUrl) -> &str {
    &ready(object).unwrap().message
}

/// The version of a Secret, which every write changes.
pub fn version(secret: &Secret) -> &str {
    secret.metadata.resource_version.as_deref().unwrap()
}

/// Credentials with `changes` on top.
pub fn with(mut credentials: Value, changes: Value) -> Value {
    merge(&mut credentials, changes);
    credentials
}
