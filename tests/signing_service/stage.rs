//! A team with pods, a platform team with a `ClusterSigner`, and an operator that serves the signing service.

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Node, Pod, ServiceAccount};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{DEADLINE, Operator, Space, curl};
use crate::tenancy::Tenancy;

/// The ServiceAccount of the pods.
pub const ACCOUNT: &str = "reader";
pub const AUDIENCE: &str = "presign.dev";

/// Both teams, and the certificate of the signing service.
pub struct SigningSetup {
    pub tenancy: Tenancy,
    pub folder: TempDir,
}

/// What the signing service answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    /// The content of a file.
    pub fn file(&self, name: &str) -> &str {
        let files = self.body["files"].as_array().unwrap_or_else(|| panic!("no URLs: {self:?}"));
        files.iter().find(|file| file["name"] == name).unwrap()["content"].as_str().unwrap()
    }
}

impl SigningSetup {
    /// The ServiceAccount may use the signer, which allows the team its own prefix.
    pub async fn new(story: &str) -> Self {
        let stage = Self::without_use(story).await;
        stage.allow_use(&["get", "use"]).await;
        stage
    }

    /// The same without the right to use the signer.
    pub async fn without_use(story: &str) -> Self {
        Self::with(story, &[]).await
    }

    /// The same with further environment variables for the operator.
    pub async fn with(story: &str, more: &[(&'static str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        testbed::ServerCertificate::of("localhost").write(folder.path()).unwrap();
        let files = paths(&folder);
        let tenancy = Tenancy::with(story, &[&environment(&files)[..], more].concat()).await;
        tenancy.apply_signer(json!({})).await;
        let stage = Self { tenancy, folder };
        let body = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}});
        apply(&stage.accounts(), ACCOUNT, body).await;
        stage
    }

    pub fn team(&self) -> &Space {
        &self.tenancy.team
    }

    /// Another operator for the team, which does not lead.
    pub fn standby(&self) -> Operator {
        self.standby_with(&[])
    }

    /// The same with further environment variables.
    pub fn standby_with(&self, more: &[(&'static str, &str)]) -> Operator {
        let files = paths(&self.folder);
        let own = environment(&files);
        let variables = [&self.tenancy.variables()[..], &own[..], more].concat();
        Operator::start(self.team().world, self.tenancy.name(), &variables)
    }

    /// Lets the ServiceAccount do this with the `ClusterSigner` of the story.
    pub async fn allow_use(&self, verbs: &[&str]) {
        let (name, client) = (self.tenancy.name(), self.team().client.clone());
        let group = "rbac.authorization.k8s.io";
        let rule = json!({
            "apiGroups": ["presign.dev"], "resources": ["clustersigners"], "resourceNames": [name], "verbs": verbs,
        });
        let role = json!({
            "apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": name}, "rules": [rule],
        });
        let binding = json!({
            "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": name}],
        });
        apply(&Api::<k8s_openapi::api::rbac::v1::ClusterRole>::all(client.clone()), name, role).await;
        apply(&Api::<k8s_openapi::api::rbac::v1::ClusterRoleBinding>::all(client), name, binding).await;
    }

    /// Waits until the API server lets the ServiceAccount do this with the `ClusterSigner`.
    pub async fn wait_allowed(&self, verb: &str) {
        let (name, kubectl) = (self.tenancy.name(), || self.team().world.plane.kubectl());
        let account = format!("--as=system:serviceaccount:{name}:{ACCOUNT}");
        let signer = format!("clustersigners.presign.dev/{name}");
        let is_allowed = async || {
            kubectl().args(["auth", "can-i", verb, &signer, &account]).output().unwrap().status.success()
        };
        assert!(testbed::eventually(DEADLINE, is_allowed).await, "{verb} is not allowed");
    }

    /// Lets the ServiceAccount use every `Signer` of the namespace.
    pub async fn allow_own_signers(&self) {
        let (namespace, client) = (self.tenancy.name(), self.team().client.clone());
        let group = "rbac.authorization.k8s.io";
        let rule = json!({"apiGroups": ["presign.dev"], "resources": ["signers"], "verbs": ["use"]});
        let role = json!({
            "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": "own"}, "rules": [rule],
        });
        let binding = json!({
            "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": "own"},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "own"},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}],
        });
        let roles = Api::<k8s_openapi::api::rbac::v1::Role>::namespaced(client.clone(), namespace);
        apply(&roles, "own", role).await;
        let bindings = Api::<k8s_openapi::api::rbac::v1::RoleBinding>::namespaced(client, namespace);
        apply(&bindings, "own", binding).await;
    }

    pub fn accounts(&self) -> Api<ServiceAccount> {
        Api::namespaced(self.team().client.clone(), self.tenancy.name())
    }

    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.team().client.clone(), self.tenancy.name())
    }

    /// Makes a pod on a node of its own.
    pub async fn pod(&self, name: &str) -> Pod {
        let node = format!("{}-{name}", self.tenancy.name());
        let body = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}});
        apply(&Api::<Node>::all(self.team().client.clone()), &node, body).await;
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {
                "nodeName": node, "serviceAccountName": ACCOUNT, "automountServiceAccountToken": false,
                "containers": [{"name": "c", "image": "none"}],
            },
        });
        self.pods().create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap()
    }

    pub async fn delete_pod(&self, name: &str) {
        self.pods().delete(name, &DeleteParams::default().grace_period(0)).await.unwrap();
    }

    /// A token for an audience, bound to a pod or to nothing.
    pub async fn token(&self, audience: &str, pod: Option<&Pod>) -> String {
        let bound = pod.map(|pod| BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: pod.metadata.name.clone(),
            uid: pod.metadata.uid.clone(),
        });
        let spec = TokenRequestSpec {
            audiences: vec![audience.to_owned()],
            bound_object_ref: bound,
            expiration_seconds: Some(600),
        };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let answer = self.accounts().create_token_request(ACCOUNT, &PostParams::default(), &request).await;
        answer.unwrap().status.unwrap().token
    }

    /// The token of a new pod.
    pub async fn token_of_pod(&self, name: &str) -> String {
        let pod = self.pod(name).await;
        self.token(AUDIENCE, Some(&pod)).await
    }

    /// The spec of a URL for the object of the team, with `changes` on top.
    pub fn spec(&self, changes: Value) -> Value {
        let mut spec = self.tenancy.spec(changes);
        spec.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        spec
    }

    /// Asks for one URL.
    pub fn ask(&self, token: Option<&str>, changes: Value) -> Answer {
        self.ask_for(token, &json!({"": self.spec(changes)}))
    }

    /// Asks for these URLs.
    pub fn ask_for(&self, token: Option<&str>, urls: &Value) -> Answer {
        let body = json!({"urls": urls, "longerThan": null, "seed": 7}).to_string();
        self.send(self.team().operator.signing_port(), token, &body)
    }

    /// Asks again until the answer is as wanted: roles and caches take a moment.
    pub async fn ask_until(&self, token: &str, status: u16, changes: Value) -> Answer {
        let ask = || self.ask(Some(token), changes.clone());
        let wanted = testbed::answered(DEADLINE, async || Some(ask()).filter(|a| a.status == status)).await;
        wanted.unwrap_or_else(|| panic!("not {status}: {:?}", ask()))
    }

    /// The first answer of an operator that has just started, other than that it cannot answer yet.
    pub async fn first_answer_of(&self, operator: &Operator, token: &str, body: &str) -> Answer {
        let ask = || self.send(operator.signing_port(), Some(token), body);
        let answer = testbed::answered(DEADLINE, async || Some(ask()).filter(|a| a.status != 503)).await;
        answer.unwrap_or_else(|| panic!("{:?}", ask()))
    }

    /// Sends a body to the signing service at a port.
    pub fn send(&self, port: u16, token: Option<&str>, body: &str) -> Answer {
        let mut curl = testbed::curl_command();
        curl.args(["--max-time", "30", "-X", "POST", "-H", "Expect:", "--write-out", "\n%{http_code}"]);
        curl.arg("--cacert").arg(self.folder.path().join("tls.crt"));
        curl.args(token.map(|token| format!("-HAuthorization: Bearer {token}")))
            .args(["--data-binary", "@-"]);
        curl.arg(format!("https://localhost:{port}/v1/sign"));
        let output = testbed::feed(&mut curl, body).expect("curl is installed");
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        let body = serde_json::from_str(body).unwrap_or_else(|_| panic!("{status} {body:?} {errors}"));
        Answer { status: status.parse().unwrap(), body }
    }
}

/// What a URL leads to.
pub fn download(url: &str) -> String {
    curl(&[url]).unwrap()
}

fn paths(folder: &TempDir) -> [String; 2] {
    ["tls.crt", "tls.key"].map(|name| folder.path().join(name).display().to_string())
}

fn environment([certificate, key]: &[String; 2]) -> [(&'static str, &str); 3] {
    [
        ("PRESIGN_SIGNING_LISTEN", "127.0.0.1:0"),
        ("PRESIGN_SIGNING_TLS_CERT", certificate),
        ("PRESIGN_SIGNING_TLS_KEY", key),
    ]
}

pub async fn apply<K>(api: &Api<K>, name: &str, body: Value)
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    api.patch(name, &PatchParams::apply("person").force(), &Patch::Apply(body)).await.unwrap();
}
