//! The API server of these tests: one with our definition, and one with an older one.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use presign_operator::crd::PresignedUrl;
use serde_json::{Value, json};
use testbed::ControlPlane;
use tokio::runtime::Runtime;

pub use super::rows::spec;
use super::verdict::Refusal;

/// The longest that anything is waited for.
pub const DEADLINE: Duration = Duration::from_secs(40);
/// Where objects are that were stored before the definition had rules.
pub const OLDER: &str = "older";

/// A control plane that knows `PresignedUrl`.
pub struct Server {
    pub plane: ControlPlane,
    client: Client,
    runtime: Runtime,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start();
    // Before anything else, since an update is checked less strictly than a creation.
    server.feed(&["create", "--dry-run=server", "-f", "-"], &definition());
    server.install_older();
    server.kubectl(&["create", "namespace", OLDER]);
    for (name, changes, ..) in super::older::BROKEN {
        let changes = serde_json::from_str(changes).unwrap();
        server.feed(&["-n", OLDER, "create", "-f", "-"], &object(name, &spec(&changes)));
    }
    server.install(&definition());
    server.eventually("the rules are in force", || server.judge(&spec(&json!({"key": "."}))).is_err());
    server
});

impl Server {
    /// The server with our definition, started by whoever comes first.
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

    /// Installs a definition that takes any spec and has no rules.
    pub fn install_older(&self) {
        let mut older = definition();
        older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] =
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        self.install(&older);
        self.eventually("the definition is in force", || self.judge(&json!({"bucket": [1]})).is_ok());
    }

    fn install(&self, definition: &Value) {
        self.feed(&["apply", "--server-side", "--force-conflicts", "-f", "-"], definition);
        let name = definition["metadata"]["name"].as_str().unwrap();
        self.kubectl(&["wait", "--for=condition=Established", "--timeout=40s", "crd", name]);
    }

    /// What the server says about a `PresignedUrl` of this spec; stores nothing. An
    /// accepted one is returned as it would be stored.
    pub fn judge(&self, spec: &Value) -> Result<Value, Refusal> {
        self.dry_run(&ApiResource::erase::<PresignedUrl>(&()), &object("judged", spec))
    }

    /// The same about a Secret.
    pub fn judge_secret(&self, secret: &Value) -> Result<Value, Refusal> {
        self.dry_run(&ApiResource::erase::<Secret>(&()), secret)
    }

    fn dry_run(&self, kind: &ApiResource, object: &Value) -> Result<Value, Refusal> {
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), "default", kind);
        let object = serde_json::from_value(object.clone()).unwrap();
        let parameters = PostParams { dry_run: true, ..PostParams::default() };
        match self.runtime.block_on(api.create(&parameters, &object)) {
            Ok(stored) => Ok(stored.data),
            Err(kube::Error::Api(status)) => Err(Refusal::from(*status)),
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
        let output = testbed::feed(command.args(arguments), &input).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// Polls until something holds that the server takes up in its own time.
    pub fn eventually(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !holds() {
            assert!(Instant::now() < deadline, "not in time: {what}");
            self.plane.check().unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Our definition as it is installed.
pub fn definition() -> Value {
    let [definition] = &presign_operator::crd::definitions().unwrap()[..] else {
        panic!("there is one definition")
    };
    serde_json::to_value(definition).unwrap()
}

/// A `PresignedUrl` of this name and spec.
pub fn object(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl", "metadata": {"name": name}, "spec": spec})
}

/// A spec as the server stores it, with the one default.
pub fn stored(spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["method"] = spec.get("method").cloned().unwrap_or(json!("GET"));
    spec
}
