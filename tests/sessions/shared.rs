//! A `ClusterSigner` that signs with sessions, and the namespaces of the teams that use it. One operator
//! looks after all of them.

use std::sync::Arc;

use kube::api::{Api, ListParams, Patch, PatchParams};
use presign_operator::crd::PresignedUrl;
use serde_json::{Value, json};
use testbed::{SessionStore, StsFront};

use crate::calls::StolenSession;
use crate::harness::{
    PERMITTED_STS, assert_no_leaks, curl, hide_sessions, make_namespace, merge, ready, text, write_account,
};
use crate::session_space::{AGAIN, connection, sessions, web_identity};
use crate::stores::{self, ACCOUNT};
use crate::tenancy::Tenancy;

/// A `ClusterSigner`, and who uses it.
pub struct SharedSigner {
    pub tenancy: Tenancy,
    pub teams: Vec<String>,
    pub front: Arc<StsFront>,
    pub store: &'static SessionStore,
}

impl SharedSigner {
    /// New namespaces for so many teams, and a `ServiceAccount` of the signer namespace that permits every
    /// role. The operator does not run yet.
    pub async fn new(story: &str, teams: usize) -> Self {
        let mut names = Vec::new();
        let client = crate::harness::World::get().await.client().await;
        for _ in 0..teams {
            names.push(make_namespace(&client, &format!("{story}-team-")).await);
        }
        Self::of(story, names).await
    }

    /// The same for teams whose namespaces exist.
    pub async fn of(story: &str, teams: Vec<String>) -> Self {
        let (store, tenancy) = (stores::usual().await, Tenancy::new(story).await);
        tenancy.team.operator.stop();
        let front = Arc::new(StsFront::start(store.endpoint()).unwrap());
        hide_sessions(tenancy.name(), front.clone());
        write_account(&tenancy.team.client, &tenancy.platform, ACCOUNT, Some("*")).await.unwrap();
        store.create_bucket(tenancy.name()).unwrap();
        for team in &teams {
            store.put_object(tenancy.name(), &key(team), format!("of {team}")).unwrap();
        }
        Self { tenancy, teams, front, store }
    }

    /// Starts the operator for all teams.
    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    /// The same with further environment variables.
    pub fn start_with(&mut self, environment: &[(&'static str, &str)]) {
        let teams: Vec<&str> = self.teams.iter().map(String::as_str).collect();
        self.tenancy.restart_for(&teams, &[&[PERMITTED_STS], environment].concat());
    }

    /// Applies the `ClusterSigner` with web identity for the ARN of a role. `changes` go on top of the
    /// credentials.
    pub async fn apply_signer(&self, arn: &str, changes: Value) {
        let mut credentials = web_identity(&self.front, arn);
        credentials["secretRef"] = Value::Null;
        merge(&mut credentials, changes);
        let serves = json!({"from": "Names", "names": self.teams});
        let s3 = connection(self.store, &credentials);
        self.tenancy.apply_signer(json!({"s3": s3, "allowedNamespaces": serves})).await;
    }

    /// The `PresignedUrl`s of a team.
    pub fn urls(&self, team: &str) -> Api<PresignedUrl> {
        Api::namespaced(self.tenancy.team.client.clone(), team)
    }

    /// Applies a `PresignedUrl` for the object of a team.
    pub async fn apply(&self, team: &str, name: &str) {
        let signer = json!({"kind": "ClusterSigner", "name": self.tenancy.name()});
        let body = json!({
            "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl", "metadata": {"name": name},
            "spec": {"bucket": self.tenancy.name(), "key": key(team), "signerRef": signer},
        });
        let params = PatchParams::apply("person").force();
        self.urls(team).patch(name, &params, &Patch::Apply(body)).await.unwrap();
    }

    /// Waits until all `PresignedUrl`s of a team have this status and reason.
    pub async fn wait_all(&self, team: &str, status: &str, reason: &str) -> Vec<PresignedUrl> {
        let is_so = |object: &PresignedUrl| {
            ready(object).is_some_and(|ready| ready.status == status && ready.reason == reason)
        };
        let ask = async || {
            let all = self.urls(team).list(&ListParams::default()).await.unwrap().items;
            (!all.is_empty() && all.iter().all(is_so)).then_some(all)
        };
        let log = || self.tenancy.team.operator.log();
        let all = testbed::answered(AGAIN, ask).await;
        all.unwrap_or_else(|| panic!("{team}: not all are {status} {reason}:\n{}", log()))
    }

    /// What curl gets through the URL in a Secret of a team.
    pub async fn download(&self, team: &str, name: &str) -> String {
        curl(&[&self.url(team, name).await]).unwrap()
    }

    /// The URL in a Secret of a team.
    pub async fn url(&self, team: &str, name: &str) -> String {
        let secrets = Api::namespaced(self.tenancy.team.client.clone(), team);
        text(&secrets.get(name).await.unwrap(), "url")
    }

    /// The last session of a name.
    pub fn session(&self, name: &str) -> StolenSession {
        let mut all = sessions(&self.front).into_iter();
        let (_, session) = all.rfind(|(asked, _)| asked.session_name == name).unwrap();
        session
    }

    /// Whose objects a session can read.
    pub fn readable(&self, session: &StolenSession) -> Vec<&str> {
        let can_read = |team: &&String| session.can_read(self.store, self.tenancy.name(), &key(team));
        self.teams.iter().filter(can_read).map(String::as_str).collect()
    }
}

impl Drop for SharedSigner {
    /// What the teams can see is searched as what the story's own namespace has.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let space = &self.tenancy.team;
        for team in &self.teams {
            let mut kubectl = space.world.plane.kubectl();
            kubectl.args(["-n", team, "get", "presignedurls,clustersigners,events", "-o", "yaml"]);
            let output = kubectl.output().unwrap();
            assert!(output.status.success(), "what is shown cannot be searched: {output:?}");
            let shown = String::from_utf8_lossy(&output.stdout);
            assert_no_leaks(space.world, &space.namespace, "status or events of a team", &shown);
        }
    }
}

/// The key of the object of a team.
fn key(team: &str) -> String {
    format!("tenants/{team}/report.txt")
}
