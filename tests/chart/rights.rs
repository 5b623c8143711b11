//! What the chart adds to the rights of people: `PresignedUrl`s, and no Secrets. Signers are for those
//! only who are bound to a role of their own.

use futures::StreamExt as _;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Config};

use super::render::chart;
use super::world::{self, WAIT, helm_with, kubectl_with, plane};

/// Binds the role for the people who own signers.
const OWNER: &str = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, \
     metadata: {name: owner-of-signers}, \
     roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: people-presign-operator-signers}, \
     subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: owner}]}";

/// Waits until the role of the cluster has taken in ours.
async fn aggregated(role: &str, verb: &str) {
    let kubeconfig = Kubeconfig::read_from(plane().kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let roles = Api::<ClusterRole>::all(Client::try_from(config).unwrap());
    let only = watcher::Config::default().fields(&format!("metadata.name={role}"));
    let mut seen = std::pin::pin!(watcher(roles, only).default_backoff().applied_objects());
    let has_ours = |role: &ClusterRole| {
        role.rules.iter().flatten().any(|rule| {
            rule.api_groups.iter().flatten().any(|group| group == "presign.dev")
                && rule.verbs.iter().any(|found| found == verb)
        })
    };
    let found = tokio::time::timeout(WAIT, async {
        while let Some(role) = seen.next().await {
            if role.is_ok_and(|role| has_ours(&role)) {
                return;
            }
        }
    });
    found.await.unwrap_or_else(|_| panic!("{role} does not take in our role"));
}

fn may(who: &str, verb: &str, what: &str) -> Result<bool, String> {
    let (resource, subresource) = what.split_once('/').unwrap_or((what, ""));
    world::may(who, "chart-b", &[verb, resource, &format!("--subresource={subresource}")])
}

#[tokio::test]
async fn view_reads_presigned_urls_edit_writes_them_and_neither_sees_signers() {
    let bindings = ["view", "edit"].map(|role| {
        format!(
            "{{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, \
             metadata: {{name: {role}, namespace: chart-b}}, \
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}, \
             subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: {role}er}}]}}"
        )
    });
    let bound = tokio::task::spawn_blocking(move || {
        let [view, edit] = bindings;
        kubectl_with(&["apply", "-f", "-"], &[view.as_str(), edit.as_str(), OWNER].join("\n---\n")).unwrap();
        // A release of its own, since that of the others comes and goes.
        let chart = chart().display().to_string();
        helm_with(&["install", "people", &chart, "--namespace", "chart-b", "--set", "crds.enabled=false"])
            .unwrap();
    });
    bound.await.unwrap();
    aggregated("view", "list").await;
    aggregated("edit", "create").await;
    for (who, verb, what, expected) in [
        ("viewer", "get", "presignedurls", true),
        ("viewer", "watch", "presignedurls", true),
        ("viewer", "create", "presignedurls", false),
        ("viewer", "patch", "presignedurls/status", false),
        ("viewer", "get", "secrets", false),
        ("viewer", "list", "secrets", false),
        ("editer", "create", "presignedurls", true),
        ("editer", "delete", "presignedurls", true),
        ("editer", "list", "presignedurls", true),
        ("editer", "patch", "presignedurls/status", false),
        ("viewer", "get", "signers", false),
        ("editer", "get", "signers", false),
        ("editer", "create", "signers", false),
        ("editer", "use", "signers", false),
        ("editer", "list", "clustersigners", false),
        ("owner", "create", "signers", true),
        ("owner", "patch", "clustersigners", true),
        ("owner", "deletecollection", "clustersigners", true),
        ("owner", "get", "clustersigners/status", true),
        ("owner", "patch", "clustersigners/status", false),
        ("owner", "get", "secrets", false),
        ("nobody", "get", "presignedurls", false),
    ] {
        assert_eq!(may(who, verb, what), Ok(expected), "{who} {verb} {what}");
    }
}
