//! A namespace with an operator that has only the rights of its `ServiceAccount`.

use std::path::Path;
use std::sync::Mutex;

use serde_json::{Value, json};
use testbed::{Proxy, output, output_of};

use super::chart::{Mode, Permission, Roles};
use super::harness::{Operator, PERMITTED_STS, Space, World, audit_log};

/// So short that it shows soon when the lease cannot be renewed, and so long that a busy machine can renew it.
const LEASE_SECONDS: &str = "15";

/// Without `ClusterSigner`s, an operator for one namespace meets no other one.
const NO_CLUSTER_SIGNERS: (&str, &str) = ("PRESIGN_CLUSTER_SIGNERS", "false");
const CLUSTER_SIGNERS: (&str, &str) = ("PRESIGN_CLUSTER_SIGNERS", "true");
const SELECTORS: (&str, &str) = ("PRESIGN_NAMESPACE_SELECTORS", "true");

/// A namespace, who works there, and with which rights.
pub struct RestrictedOperator {
    pub space: Space,
    roles: Roles,
    account: String,
    /// The namespace with the credentials of `ClusterSigner`s.
    signer_namespace: String,
    /// The operator after a restart, which looks after further namespaces.
    restarted: Mutex<Option<Operator>>,
    /// What makes the API server one that cannot stream lists.
    _in_between: Option<Proxy>,
}

impl RestrictedOperator {
    /// A fresh namespace with an object `report`, and an operator with those rights of the
    /// chart that `is_granted` says.
    pub async fn with(mode: Mode, is_granted: impl Fn(&Permission) -> bool) -> Self {
        Self::through(None, mode, is_granted).await
    }

    /// The same at an API server that cannot stream lists.
    pub async fn without_streams(mode: Mode, is_granted: impl Fn(&Permission) -> bool) -> Self {
        let proxy = Proxy::start(&World::get().await.plane).unwrap();
        proxy.refuse_streaming_lists();
        Self::through(Some(proxy), mode, is_granted).await
    }

    async fn through(proxy: Option<Proxy>, mode: Mode, is_granted: impl Fn(&Permission) -> bool) -> Self {
        let world = World::get().await;
        let client = world.client().await;
        let namespace = make_namespace(&client).await;
        let signer_namespace = make_namespace(&client).await;
        let roles = Roles::render(mode, &namespace);
        apply(world, &roles.clone().only(is_granted).manifest());
        let account = roles.account();
        let token = token(world, &namespace, &account);
        let kubeconfig = match &proxy {
            Some(proxy) => proxy.kubeconfig_for(&namespace, &token),
            None => world.plane.kubeconfig_for(&namespace, &token),
        };
        let kubeconfig = kubeconfig.unwrap().display().to_string();
        let namespaces: &[&str] = if mode == Mode::Cluster { &[] } else { &[&namespace] };
        let access = if mode == Mode::Minimal { "get" } else { "watch" };
        let mut variables = vec![
            ("KUBECONFIG", kubeconfig.as_str()),
            ("PRESIGN_LEASE_DURATION", LEASE_SECONDS),
            // The chart gives both the name of the release.
            ("PRESIGN_LEASE_NAME", account.as_str()),
            ("PRESIGN_SECRET_ACCESS", access),
            ("PRESIGN_SIGNER_NAMESPACE", signer_namespace.as_str()),
        ];
        let of_mode: &[_] =
            if mode == Mode::Cluster { &[CLUSTER_SIGNERS, SELECTORS] } else { &[NO_CLUSTER_SIGNERS] };
        variables.extend_from_slice(of_mode);
        variables.extend((mode == Mode::WebIdentity).then_some(PERMITTED_STS));
        if mode == Mode::Cluster {
            // The story waits for events, and an operator for the whole cluster writes those of all objects.
            let others = ["delete", "presignedurls", "--all", "--all-namespaces"];
            testbed::output(world.plane.kubectl().args(others)).unwrap();
        }
        // There before the operator, which may have no right to notice it later.
        write_keys(world, &signer_namespace);
        prepare(world, &namespace);
        let operator = Operator::start_for(world, namespaces, &namespace, &variables);
        let space = Space { world, client, namespace, operator };
        Self { space, roles, account, signer_namespace, restarted: Mutex::default(), _in_between: proxy }
    }

    /// The `ServiceAccount` of the operator, which is also the name of its lease.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Another namespace, where nothing is granted yet.
    pub async fn another_namespace(&self) -> String {
        make_namespace(&self.space.client).await
    }

    /// Grants those rights of the chart in a further namespace.
    pub fn grant(&self, namespace: &str, is_granted: impl Fn(&Permission) -> bool) {
        apply(self.space.world, &self.roles.clone().only(is_granted).moved_to(namespace).manifest());
    }

    /// Ends the operator and starts it for these namespaces.
    pub fn restart_for(&self, namespaces: &[&str]) {
        self.space.operator.stop();
        let Space { world, namespace, .. } = &self.space;
        let token = token(world, namespace, &self.account);
        let kubeconfig = world.plane.kubeconfig_for(namespace, &token).unwrap().display().to_string();
        let variables = [
            ("KUBECONFIG", kubeconfig.as_str()),
            ("PRESIGN_LEASE_DURATION", LEASE_SECONDS),
            ("PRESIGN_SIGNER_NAMESPACE", self.signer_namespace.as_str()),
            NO_CLUSTER_SIGNERS,
        ];
        let operator = Operator::start_for(self.space.world, namespaces, &self.space.namespace, &variables);
        *self.restarted.lock().unwrap() = Some(operator);
    }

    /// Starts another replica, which shows its metrics at a port of `localhost` with the
    /// certificate of a folder to those who may get them.
    pub fn guarded_replica(&self, certificate: &Path) -> Operator {
        let Space { world, namespace, .. } = &self.space;
        let token = self.token_of(&self.account);
        let kubeconfig = world.plane.kubeconfig_for(namespace, &token).unwrap().display().to_string();
        let [crt, key] = ["tls.crt", "tls.key"].map(|name| certificate.join(name).display().to_string());
        let variables = [
            ("KUBECONFIG", kubeconfig.as_str()),
            ("PRESIGN_LEASE_DURATION", LEASE_SECONDS),
            ("PRESIGN_METRICS_LISTEN", "127.0.0.1:0"),
            ("PRESIGN_METRICS_TLS_CERT", &crt),
            ("PRESIGN_METRICS_TLS_KEY", &key),
            ("PRESIGN_METRICS_AUTH", "true"),
            ("PRESIGN_SIGNER_NAMESPACE", self.signer_namespace.as_str()),
            NO_CLUSTER_SIGNERS,
        ];
        Operator::start_for(world, &[namespace], namespace, &variables)
    }

    /// Starts another replica with the signing service, whose certificate it keeps under this name.
    pub fn signing_replica(&self, name: &str) -> Operator {
        let Space { world, namespace, .. } = &self.space;
        let token = self.token_of(&self.account);
        let kubeconfig = world.plane.kubeconfig_for(namespace, &token).unwrap().display().to_string();
        // As in a pod, whose namespace is that of the operator.
        let set =
            ["config", "set-context", "--current", "--namespace", namespace, "--kubeconfig", &kubeconfig];
        assert!(world.plane.kubectl().args(set).output().unwrap().status.success());
        let variables = [
            ("KUBECONFIG", kubeconfig.as_str()),
            ("PRESIGN_LEASE_NAME", self.account.as_str()),
            ("PRESIGN_LEASE_DURATION", LEASE_SECONDS),
            ("PRESIGN_SIGNER_NAMESPACE", self.signer_namespace.as_str()),
            ("PRESIGN_SIGNING_LISTEN", "127.0.0.1:0"),
            ("PRESIGN_SIGNING_CERTIFICATE", name),
            ("PRESIGN_SIGNING_DNS_NAMES", "localhost"),
            NO_CLUSTER_SIGNERS,
        ];
        Operator::start_for(world, &[namespace], namespace, &variables)
    }

    /// Makes the `Signer` `own`, with the access key of this namespace.
    pub fn make_signer(&self) {
        let signer = json!({
            "apiVersion": "presign.dev/v1alpha1", "kind": "Signer", "metadata": {"name": "own"},
            "spec": {"s3": connection(self.space.world)},
        });
        apply_in(self.space.world, Some(&self.space.namespace), &signer.to_string());
    }

    /// Makes the `ClusterSigner` that is named after this namespace, and chooses it by its label.
    pub fn make_cluster_signer(&self) {
        let namespace = &self.space.namespace;
        let rule =
            json!({"name": "all", "methods": ["GET"], "buckets": [namespace], "keyPrefixes": ["dir/"]});
        let labels = json!({"kubernetes.io/metadata.name": namespace});
        let signer = json!({
            "apiVersion": "presign.dev/v1alpha1", "kind": "ClusterSigner", "metadata": {"name": namespace},
            "spec": {
                "s3": connection(self.space.world),
                "allowedNamespaces": {"from": "Selector", "selector": {"matchLabels": labels}},
                "policy": {"rules": [rule]},
            },
        });
        apply(self.space.world, &signer.to_string());
    }

    /// Makes a `ServiceAccount`, with the chart's role for readers of metrics or without.
    pub fn make_account(&self, name: &str, is_reader: bool) {
        let namespace = &self.space.namespace;
        let subject = json!({"kind": "ServiceAccount", "name": name, "namespace": namespace});
        let group = "rbac.authorization.k8s.io";
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace},
        });
        let binding = json!({
            "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("{namespace}-{name}")},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "presign-operator-metrics-reader"},
            "subjects": [subject],
        });
        let manifest = if is_reader { format!("{account}\n---\n{binding}") } else { account.to_string() };
        apply(self.space.world, &manifest);
    }

    /// A token of a `ServiceAccount`.
    pub fn token_of(&self, account: &str) -> String {
        token(self.space.world, &self.space.namespace, account)
    }

    /// A page of the operator that runs.
    pub fn page(&self, path: &str) -> String {
        let restarted = self.restarted.lock().unwrap();
        restarted.as_ref().unwrap_or(&self.space.operator).page(path)
    }

    /// The log of the operator that runs.
    pub fn log(&self) -> String {
        let restarted = self.restarted.lock().unwrap();
        restarted.as_ref().unwrap_or(&self.space.operator).log()
    }

    /// No call of the `ServiceAccount` was forbidden: nothing was tried that is not granted.
    pub async fn assert_nothing_was_refused(&self) {
        let calls = self.calls().await;
        assert!(calls.len() > 20, "{calls:?}");
        self.assert_none_was_refused().await;
    }

    /// The same after a story with few calls.
    pub async fn assert_none_was_refused(&self) {
        let mut refused = self.calls().await;
        refused.retain(|call| call["responseStatus"]["code"] == 403);
        assert!(refused.is_empty(), "{refused:?}");
    }

    /// Whether the API server refused this to the `ServiceAccount`.
    pub async fn was_refused(&self, permission: &Permission) -> bool {
        let (resource, subresource) =
            permission.resource.split_once('/').unwrap_or((&permission.resource, ""));
        self.calls().await.iter().any(|call| {
            let reference = &call["objectRef"];
            let is_it = reference["resource"] == resource
                && reference["subresource"].as_str().unwrap_or_default() == subresource;
            is_it && call["verb"] == permission.verb.as_str() && call["responseStatus"]["code"] == 403
        })
    }

    /// The calls of the `ServiceAccount`, wherever.
    async fn calls(&self) -> Vec<Value> {
        let user = format!("system:serviceaccount:{}:{}", self.space.namespace, self.account);
        audit_log(&self.space, |entry| entry["user"]["username"] == user.as_str()).await
    }
}

/// Makes a namespace with a name of its own.
pub async fn make_namespace(client: &kube::Client) -> String {
    super::harness::make_namespace(client, "rbac-").await
}

/// The access key and the object `report`.
fn prepare(world: &World, namespace: &str) {
    world.store.put_object(namespace, "dir/a file.txt", b"content").unwrap();
    write_keys(world, namespace);
    let report = json!({
        "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl", "metadata": {"name": "report"},
        "spec": {"bucket": namespace, "key": "dir/a file.txt", "s3": connection(world)},
    });
    apply_in(world, Some(namespace), &report.to_string());
}

/// The access key of the store, as the Secret `keys`.
fn write_keys(world: &World, namespace: &str) {
    let keys = json!({
        "access-key-id": world.store.access_key_id(),
        "secret-access-key": world.store.secret_access_key(),
    });
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": keys});
    apply_in(world, Some(namespace), &secret.to_string());
}

/// The connection to the store, with the Secret `keys`.
fn connection(world: &World) -> Value {
    json!({
        "endpoint": world.store.endpoint(), "region": world.store.region(),
        "credentials": {"secretRef": {"name": "keys"}},
    })
}

fn token(world: &World, namespace: &str, account: &str) -> String {
    token_with(world, namespace, account, &[])
}

/// A token that is asked for with these flags.
pub fn token_with(world: &World, namespace: &str, account: &str, flags: &[&str]) -> String {
    let mut kubectl = world.plane.kubectl();
    let made = output(kubectl.args(["-n", namespace, "create", "token", account]).args(flags));
    made.unwrap().trim().to_owned()
}

/// Applies a manifest with all rights.
pub fn apply(world: &World, manifest: &str) {
    apply_in(world, None, manifest);
}

fn apply_in(world: &World, namespace: Option<&str>, manifest: &str) {
    let mut kubectl = world.plane.kubectl();
    kubectl.args(namespace.map(|namespace| ["-n", namespace]).into_iter().flatten());
    kubectl.args(["apply", "--server-side", "--field-manager=person", "-f", "-"]);
    output_of(&mut kubectl, manifest).unwrap_or_else(|said| panic!("{said}\n{manifest}"));
}
