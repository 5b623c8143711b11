//! The admission policy of the chart: who creates or edits a `PresignedUrl` needs the verb `use` on its
//! signer.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::render::template;
use super::world::{kubectl_with, wait_until};

const NAMESPACE: &str = "chart-use";
/// Alice and bob may write `PresignedUrl`s everywhere. Alice may use the `ClusterSigner` `shared`, and the
/// `Signer` `own` of the namespace.
const PEOPLE: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: chart-use}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: chart-use-writer}
rules: [{apiGroups: [presign.dev], resources: [presignedurls], verbs: [create, get, patch, update]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: chart-use-writer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: chart-use-writer}
subjects:
  - {apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}
  - {apiGroup: rbac.authorization.k8s.io, kind: User, name: bob}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: chart-use-shared}
rules: [{apiGroups: [presign.dev], resources: [clustersigners], resourceNames: [shared], verbs: [use]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: chart-use-shared}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: chart-use-shared}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: use-own, namespace: chart-use}
rules: [{apiGroups: [presign.dev], resources: [signers], resourceNames: [own], verbs: [use]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: use-own, namespace: chart-use}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: use-own}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}]
";

fn object(name: &str, source: &Value) -> String {
    let mut object = json!({
        "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl", "metadata": {"name": name},
        "spec": {"bucket": "media", "key": "a"},
    });
    for (field, value) in source.as_object().unwrap() {
        object["spec"][field] = value.clone();
    }
    object.to_string()
}

fn signer(reference: &Value) -> Value {
    json!({"signerRef": reference})
}

fn shared() -> Value {
    signer(&json!({"kind": "ClusterSigner", "name": "shared"}))
}

fn create(who: &str, namespace: &str, source: &Value) -> Result<String, String> {
    let arguments = ["create", "--as", who, "--namespace", namespace, "--dry-run=server", "-f", "-"];
    kubectl_with(&arguments, &object("judged", source))
}

fn edit(who: &str, arguments: &[&str]) -> Result<String, String> {
    kubectl_with(&[&["--as", who, "--namespace", NAMESPACE][..], arguments].concat(), "")
}

/// The people, and the policy for their namespace, both in force.
static POLICY: LazyLock<()> = LazyLock::new(|| {
    kubectl_with(&["apply", "-f", "-"], PEOPLE).unwrap();
    let values = format!("policies.requireUse=true,namespaces={{{NAMESPACE}}}");
    let only = ["--set", &values, "--show-only", "templates/admissionpolicy.yaml"];
    kubectl_with(&["apply", "-f", "-"], &template("policy", NAMESPACE, &only).unwrap()).unwrap();
    wait_until("the policy is not in force", || {
        create("bob", NAMESPACE, &shared()).is_err_and(|refusal| refusal.contains("may not use"))
    });
    let own = signer(&json!({"name": "own"}));
    wait_until("alice may not use the ClusterSigner", || create("alice", NAMESPACE, &shared()).is_ok());
    wait_until("alice may not use the Signer", || create("alice", NAMESPACE, &own).is_ok());
});

#[test]
fn a_signer_is_for_those_who_may_use_it() {
    LazyLock::force(&POLICY);
    let inline = json!({"s3": {"region": "eu-west-1", "credentials": {"secretRef": {"name": "keys"}}}});
    create("alice", NAMESPACE, &signer(&json!({"kind": "Signer", "name": "own"}))).unwrap();
    create("bob", NAMESPACE, &inline).unwrap();
    create("bob", "chart-b", &shared()).unwrap();
    for (who, reference, message) in [
        (
            "bob",
            json!({"kind": "ClusterSigner", "name": "shared"}),
            "spec.signerRef: bob may not use the ClusterSigner \"shared\": ask its owner for the verb use on clustersigners.presign.dev \"shared\"",
        ),
        (
            "bob",
            json!({"name": "own"}),
            "spec.signerRef: bob may not use the Signer \"own\": ask its owner for the verb use on signers.presign.dev \"own\"",
        ),
        ("alice", json!({"kind": "ClusterSigner", "name": "other"}), "alice may not use the ClusterSigner"),
        ("alice", json!({"kind": "ClusterSigner", "name": "own"}), "alice may not use the ClusterSigner"),
        ("alice", json!({"kind": "Signer", "name": "shared"}), "alice may not use the Signer"),
    ] {
        let refusal = create(who, NAMESPACE, &signer(&reference)).expect_err(&reference.to_string());
        assert!(refusal.contains("(Forbidden)") && refusal.contains(message), "{reference}: {refusal}");
    }
}

#[test]
fn who_may_not_use_a_signer_can_annotate_its_presigned_urls_and_not_change_their_spec() {
    LazyLock::force(&POLICY);
    let create = ["create", "--as", "alice", "--namespace", NAMESPACE, "-f", "-"];
    kubectl_with(&create, &object("hers", &shared())).unwrap();
    let patch = |patch: &str| edit("bob", &["patch", "psu", "hers", "--type=merge", "-p", patch]);
    edit("bob", &["annotate", "psu", "hers", "a=b"]).unwrap();
    for change in [r#"{"spec":{"key":"b"}}"#, r#"{"spec":{"suspend":true}}"#] {
        let refusal = patch(change).expect_err(change);
        assert!(refusal.contains("bob may not use the ClusterSigner"), "{change}: {refusal}");
    }
    // Without the signer there is nothing to ask for.
    patch(
        r#"{"spec":{"signerRef":null,"s3":{"region":"eu-west-1","credentials":{"secretRef":{"name":"k"}}}}}"#,
    )
    .unwrap();
}
