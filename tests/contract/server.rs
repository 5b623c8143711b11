//! The API server of these tests: one with our definitions, and one with an older one.

use std::sync::LazyLock;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use kube::core::Status;
use serde_json::{Value, json};
use strum::VariantArray as _;
use testbed::ControlPlane;
use tokio::runtime::Runtime;

use super::kinds::Kind;
use super::verdict::Refusal;

/// The longest that anything is waited for.
pub const DEADLINE: Duration = Duration::from_secs(40);
/// Where objects are that were stored before the definition had rules.
pub const OLDER: &str = "older";

/// A control plane that knows our kinds.
pub struct ContractServer {
    pub plane: ControlPlane,
    client: Client,
    runtime: Runtime,
}

static SERVER: LazyLock<ContractServer> = LazyLock::new(|| {
    let server = ContractServer::start();
    // Before anything else, since an update is checked less strictly than a creation.
    for kind in Kind::VARIANTS {
        server.feed(&["create", "--dry-run=server", "-f", "-"], &kind.definition());
    }
    server.install_older();
    server.kubectl(&["create", "namespace", OLDER]);
    for (name, changes, ..) in super::older::BROKEN {
        let changes = serde_json::from_str(changes).unwrap();
        server.feed(&["-n", OLDER, "create", "-f", "-"], &object(name, &spec(&changes)));
    }
    server.install(&definition());
    server.eventually("the rules are in force", || {
        server.judge(Kind::PresignedUrl, &spec(&json!({"key": "."}))).is_err()
    });
    server
});

impl ContractServer {
    /// The server with our definitions, started by whoever comes first.
    pub fn get() -> &'static Self {
        &SERVER
    }

    /// A server without any definition.
    pub fn start() -> Self {
        let plane = ControlPlane::start().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
        let client = runtime.block_on(async {
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
            Client::try_from(config.unwrap()).unwrap()
        });
        Self { plane, client, runtime }
    }

    /// Installs a definition of `PresignedUrl` that takes any spec and has no rules, and those of signers.
    pub fn install_older(&self) {
        let mut older = definition();
        older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] =
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        self.install(&older);
        self.eventually("the definition is in force", || {
            self.judge(Kind::PresignedUrl, &json!({"bucket": [1]})).is_ok()
        });
        for kind in [Kind::Signer, Kind::ClusterSigner] {
            self.install(&kind.definition());
            self.eventually("the definition is in force", || {
                self.judge(kind, &kind.spec(&json!({}))).is_ok()
                    && self.run(&["get", &kind.to_string()], None).is_ok()
            });
        }
    }

    fn install(&self, definition: &Value) {
        self.feed(&["apply", "--server-side", "--force-conflicts", "-f", "-"], definition);
        let name = definition["metadata"]["name"].as_str().unwrap();
        self.kubectl(&["wait", "--for=condition=Established", "--timeout=40s", "crd", name]);
    }

    /// What the server says about an object of this kind and spec; stores nothing. An accepted one is
    /// returned as it would be stored.
    pub fn judge(&self, kind: Kind, spec: &Value) -> Result<Value, Refusal> {
        let namespace = (kind != Kind::ClusterSigner).then_some("default");
        let judged = self.dry_run(&kind.resource(), namespace, &kind.object("judged", spec));
        judged.map_err(|status| Refusal::new(kind, *status))
    }

    /// Why the server refuses a Secret; stores nothing.
    pub fn judge_secret(&self, secret: &Value) -> Result<(), String> {
        let judged = self.dry_run(&ApiResource::erase::<Secret>(&()), Some("default"), secret);
        judged.map(drop).map_err(|status| status.message)
    }

    fn dry_run(
        &self,
        kind: &ApiResource,
        namespace: Option<&str>,
        object: &Value,
    ) -> Result<Value, Box<Status>> {
        let client = self.client.clone();
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, kind),
            None => Api::all_with(client, kind),
        };
        let object = serde_json::from_value(object.clone()).unwrap();
        let parameters = PostParams { dry_run: true, ..PostParams::default() };
        match self.runtime.block_on(api.create(&parameters, &object)) {
            Ok(stored) => Ok(stored.data),
            Err(kube::Error::Api(status)) => Err(status),
            Err(error) => panic!("the API server does not answer: {error}"),
        }
    }

    /// What kubectl prints; it must succeed.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.run(arguments, None).unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"))
    }

    /// The same with an object on its standard input.
    pub fn feed(&self, arguments: &[&str], object: &Value) -> String {
        self.run(arguments, Some(object)).unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"))
    }

    /// What kubectl prints, or how it complains.
    pub fn run(&self, arguments: &[&str], input: Option<&Value>) -> Result<String, String> {
        let mut command = self.plane.kubectl();
        let input = input.map(ToString::to_string).unwrap_or_default();
        testbed::output_of(command.args(arguments), &input)
    }

    /// Polls until something holds that the server takes up in its own time.
    pub fn eventually(&self, what: &str, mut holds: impl FnMut() -> bool) {
        testbed::wait_until(what, DEADLINE, || {
            self.plane.check().unwrap();
            holds()
        });
    }
}

/// The definition of `PresignedUrl` as it is installed.
pub fn definition() -> Value {
    Kind::PresignedUrl.definition()
}

/// The smallest spec of a `PresignedUrl`, with changes on top (a JSON merge patch).
pub fn spec(changes: &Value) -> Value {
    Kind::PresignedUrl.spec(changes)
}

/// A `PresignedUrl` of this name and spec.
pub fn object(name: &str, spec: &Value) -> Value {
    Kind::PresignedUrl.object(name, spec)
}
