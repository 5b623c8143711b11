//! The Pod Security Standard `restricted`, enforced by the API server.

use serde_json::{Value, json};

use super::render::{objects, template};
use super::world::{kubectl, kubectl_with};

const NAMESPACE: &str = "chart-restricted";

/// The pod that the Deployment of a rendering makes.
fn pod(rendering: &str) -> Value {
    let deployment = objects(rendering).into_iter().find(|object| object["kind"] == "Deployment").unwrap();
    let spec = deployment["spec"]["template"]["spec"].clone();
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": NAMESPACE}, "spec": spec})
}

fn admit(pod: &Value) -> Result<String, String> {
    kubectl_with(&["create", "--dry-run=server", "-f", "-"], &pod.to_string())
}

#[test]
fn its_pods_are_admitted_where_nothing_is_permitted() {
    let label = "pod-security.kubernetes.io/enforce: restricted";
    let namespace = format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}, labels: {{{label}}}}}\n---\n\
         apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: p-presign-operator, namespace: {NAMESPACE}}}\n"
    );
    kubectl_with(&["apply", "-f", "-"], &namespace).unwrap();
    let pod = pod(&template("p", NAMESPACE, &["--set", "pods.enabled=true"]).unwrap());
    admit(&pod).unwrap();

    // The proof that the label is in force: each part of what makes it pass is needed.
    for (field, value) in [
        ("/spec/securityContext/runAsNonRoot", json!(false)),
        ("/spec/securityContext/seccompProfile/type", json!("Unconfined")),
        ("/spec/containers/0/securityContext/allowPrivilegeEscalation", json!(true)),
        ("/spec/containers/0/securityContext/capabilities", json!({})),
    ] {
        let mut weaker = pod.clone();
        *weaker.pointer_mut(field).unwrap() = value;
        let refusal = admit(&weaker).expect_err(field);
        assert!(refusal.contains("violates PodSecurity \"restricted"), "{field}: {refusal}");
    }
    kubectl(&["delete", "namespace", NAMESPACE, "--wait=false"]).unwrap();
}
