//! A platform team, which owns keys and `ClusterSigner`s, and an application team, which asks for URLs
//! and has no key. The operator looks after the application team's namespace only.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Error;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use presign_operator::crd::{ClusterSigner, PERMITTED, PresignedUrl};
use serde_json::{Value, json};
use testbed::Proxy;

use super::harness::{Operator, Space, World, condition, make_namespace, merge, text};

/// The Secret of the platform team with the access key of the store.
pub const KEY: &str = "platform-key";

const CLUSTER_SIGNERS: (&str, &str) = ("PRESIGN_CLUSTER_SIGNERS", "true");

/// Both teams.
pub struct Tenancy {
    /// The namespace of the application team, and its operator.
    pub team: Space,
    /// The namespace with the credentials of the `ClusterSigner`s.
    pub platform: String,
}

impl Tenancy {
    /// Two fresh namespaces, and an operator for one of them.
    pub async fn new(story: &str) -> Self {
        Self::with(story, &[]).await
    }

    /// The same with further environment variables for the operator.
    pub async fn with(story: &str, environment: &[(&'static str, &str)]) -> Self {
        Self::in_world(World::get().await, story, environment).await
    }

    /// The same with an operator that reaches the API server through a proxy.
    pub async fn behind_proxy(story: &str, environment: &[(&'static str, &str)]) -> (Self, Proxy) {
        let proxy = tokio::task::spawn_blocking(|| Proxy::start(&World::get_blocking().plane));
        let proxy = proxy.await.unwrap().unwrap();
        let own = [("KUBECONFIG", proxy.kubeconfig().to_str().unwrap())];
        let tenancy = Self::with(story, &[&own[..], environment].concat()).await;
        (tenancy, proxy)
    }

    /// The same in another world.
    pub async fn in_world(world: &'static World, story: &str, environment: &[(&'static str, &str)]) -> Self {
        let client = world.client().await;
        let platform = make_namespace(&client, &format!("{story}-home-")).await;
        // Before the operator starts, which is asked for this Secret by the signers of other stories too: where Secrets
        // are read by name, one that is missing is read again only after minutes.
        let (id, secret) = (world.store.access_key_id(), world.store.secret_access_key());
        write(&Api::namespaced(client, &platform), KEY, &access_key((id, secret))).await;
        let own = [CLUSTER_SIGNERS, ("PRESIGN_SIGNER_NAMESPACE", platform.as_str())];
        let team = Space::in_world(world, story, &[&own[..], environment].concat()).await;
        team.secrets().delete("keys", &DeleteParams::default()).await.unwrap();
        Self { team, platform }
    }

    /// What every operator of this story is told.
    pub fn variables(&self) -> [(&'static str, &str); 2] {
        [CLUSTER_SIGNERS, ("PRESIGN_SIGNER_NAMESPACE", &self.platform)]
    }

    /// Ends the operator and starts it for these namespaces, or for all when there is none, with further
    /// environment variables.
    pub fn restart_for(&mut self, namespaces: &[&str], environment: &[(&'static str, &str)]) {
        self.team.operator.stop();
        let variables = [&self.variables()[..], environment].concat();
        let operator = Operator::start_for(self.team.world, namespaces, &self.team.namespace, &variables);
        self.team.operator = operator;
    }

    /// Writes the platform team's key: its id and its secret.
    pub async fn write_key(&self, key: (&str, &str)) {
        self.write_platform_secret(KEY, &access_key(key)).await;
    }

    /// Writes a Secret of the platform team.
    pub async fn write_platform_secret(&self, name: &str, data: &Value) {
        write(&self.platform_secrets(), name, data).await;
    }

    /// The Secrets of the platform team.
    pub fn platform_secrets(&self) -> Api<Secret> {
        Api::namespaced(self.team.client.clone(), &self.platform)
    }

    /// The `ClusterSigner`s, of all stories.
    pub fn signers(&self) -> Api<ClusterSigner> {
        Api::all(self.team.client.clone())
    }

    /// The name of the `ClusterSigner` of this story, of the bucket and of the team: no other story has it.
    pub fn name(&self) -> &str {
        &self.team.namespace
    }

    /// A rule that lets a team download what is below its own prefix, with `changes` on top.
    pub fn rule(&self, changes: Value) -> Value {
        let mut rule = json!({
            "name": "downloads", "methods": ["GET", "HEAD"], "buckets": [self.name()],
            "keyPrefixes": ["tenants/{namespace}/"],
        });
        merge(&mut rule, changes);
        rule
    }

    /// A policy with this one rule, with `changes` on top.
    pub fn policy(&self, rule: Value, changes: Value) -> Value {
        let mut policy = json!({"rules": [self.rule(rule)]});
        merge(&mut policy, changes);
        json!({"policy": policy})
    }

    /// A policy that allows nothing of what the team asks for, with `changes` on top.
    pub fn denial(&self, changes: Value) -> Value {
        self.policy(json!({"name": "elsewhere", "keyPrefixes": ["elsewhere/"]}), changes)
    }

    /// The spec of a `ClusterSigner` for the team, with `changes` on top.
    pub fn signer_spec(&self, changes: Value) -> Value {
        let store = &self.team.world.store;
        let mut spec = json!({
            "s3": {
                "endpoint": store.endpoint(), "region": store.region(),
                "credentials": {"secretRef": {"name": KEY}},
            },
            "allowedNamespaces": {"from": "Names", "names": [self.name()]},
            "policy": {"rules": [self.rule(json!({}))]},
        });
        merge(&mut spec, changes);
        spec
    }

    /// Applies the `ClusterSigner` of this story as its owner does.
    pub async fn apply_signer(&self, changes: Value) -> ClusterSigner {
        self.try_apply_signer(self.name(), self.signer_spec(changes)).await.unwrap()
    }

    /// Applies a `ClusterSigner`, which may be refused. It goes with the story.
    pub async fn try_apply_signer(&self, name: &str, spec: Value) -> Result<ClusterSigner, Error> {
        let body = json!({
            "apiVersion": "presign.dev/v1alpha1", "kind": "ClusterSigner",
            "metadata": {"name": name, "labels": {"story": self.name()}}, "spec": spec,
        });
        self.signers().patch(name, &PatchParams::apply("platform").force(), &Patch::Apply(body)).await
    }

    /// The spec of a `PresignedUrl` for an object of the team, with `changes` on top.
    pub fn spec(&self, changes: Value) -> Value {
        let (team, key) = (self.name(), format!("tenants/{}/report.txt", self.name()));
        self.team.world.store.put_object(team, &key, b"content").unwrap();
        let mut spec = json!({
            "bucket": team, "key": key, "signerRef": {"kind": "ClusterSigner", "name": team},
        });
        merge(&mut spec, changes);
        spec
    }

    /// Applies a `PresignedUrl` and waits until it is issued.
    pub async fn issue(&self, name: &str, changes: Value) -> PresignedUrl {
        self.team.apply(name, self.spec(changes)).await;
        self.team.wait_ready(name, "True", "Issued").await
    }

    /// Starts the operator anew as a user who may do its work in the team's namespace and nothing elsewhere.
    pub fn restrict_operator(&mut self) {
        let (world, user) = (self.team.world, self.operators_user());
        let may_all = |group: &str, resource: &str| json!({"apiGroups": [group], "resources": [resource], "verbs": ["*"]});
        let rules = json!([
            may_all("", "secrets"),
            may_all("presign.dev", "*"),
            may_all("events.k8s.io", "events"),
            may_all("coordination.k8s.io", "leases"),
        ]);
        self.apply_manifests(&role(self.name(), &user, &rules));
        let text = std::fs::read_to_string(world.plane.kubeconfig()).unwrap();
        let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
        kubeconfig["users"][0]["user"]["as"] = json!(user);
        // Beside the other one, since the folder of the operator goes when it is started anew.
        let path = world.plane.kubeconfig().with_file_name(format!("{user}.kubeconfig"));
        std::fs::write(&path, kubeconfig.to_string()).unwrap();
        let team = self.name().to_owned();
        self.restart_for(&[&team], &[("KUBECONFIG", path.to_str().unwrap())]);
    }

    /// Lets the restricted operator see `ClusterSigner`s.
    pub fn grant_cluster_signers(&self) {
        let (group, user) = ("rbac.authorization.k8s.io", self.operators_user());
        let resources = ["clustersigners", "clustersigners/status"];
        self.apply_manifests(&[
            json!({
                "apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": user},
                "rules": [{"apiGroups": ["presign.dev"], "resources": resources, "verbs": ["*"]}],
            }),
            json!({
                "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": user},
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": user},
                "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
            }),
        ]);
    }

    /// Lets the restricted operator see the Secrets of the signer namespace.
    pub fn grant_platform_secrets(&self) {
        let rules = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"]}]);
        self.apply_manifests(&role(&self.platform, &self.operators_user(), &rules));
    }

    /// Who the restricted operator is.
    fn operators_user(&self) -> String {
        format!("{}-operator", self.name())
    }

    /// Applies manifests as an administrator does.
    pub fn apply_manifests(&self, manifests: &[Value]) {
        for manifest in manifests {
            let mut kubectl = self.team.world.plane.kubectl();
            kubectl.args(["apply", "--server-side", "--field-manager=person", "-f", "-"]);
            testbed::output_of(&mut kubectl, &manifest.to_string()).unwrap();
        }
    }
}

impl Drop for Tenancy {
    /// Otherwise every operator that comes later would look after the signers of every story before.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let story = format!("story={}", self.name());
            self.team.kubectl(&["delete", "clustersigners", "--selector", &story]);
        }
    }
}

/// A `Role` with these rules for a user, and what binds it.
pub fn role(namespace: &str, user: &str, rules: &Value) -> [Value; 2] {
    let (group, metadata) = ("rbac.authorization.k8s.io", json!({"name": user, "namespace": namespace}));
    [
        json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata, "rules": rules}),
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": user},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
        }),
    ]
}

/// The condition Permitted: its status, its reason and its message.
pub fn permitted(object: &PresignedUrl) -> Option<(&str, &str, &str)> {
    let Condition { status, reason, message, .. } = condition(object, PERMITTED)?;
    Some((status.as_str(), reason.as_str(), message.as_str()))
}

/// An annotation of a Secret.
pub fn annotation<'a>(secret: &'a Secret, name: &str) -> Option<&'a str> {
    secret.metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

/// Whether the URL in a Secret is empty, for this reason.
pub fn is_emptied(secret: &Secret, why: &str) -> bool {
    text(secret, "url").is_empty() && annotation(secret, "presign.dev/ended") == Some(why)
}

/// Whether a Secret holds a URL, and nothing that tells of one that ended.
pub fn is_filled(secret: &Secret) -> bool {
    let is_absent = |name: &&str| annotation(secret, name).is_none();
    let marks = ["presign.dev/ended", "presign.dev/request"];
    text(secret, "url").starts_with("http") && marks.iter().all(is_absent)
}

/// The data of a Secret with an access key: its id and its secret.
fn access_key((id, secret): (&str, &str)) -> Value {
    json!({"access-key-id": id, "secret-access-key": secret})
}

/// Writes a Secret as the platform team does.
async fn write(secrets: &Api<Secret>, name: &str, data: &Value) {
    let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
    let params = PatchParams::apply("platform").force();
    secrets.patch(name, &params, &Patch::Apply(body)).await.unwrap();
}
