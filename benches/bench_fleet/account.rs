//! Accounts with limited rights: the API server's priority and fairness exempts administrators.

use std::path::PathBuf;

use kube::Client;

use super::chart::{Mode, Roles};
use super::scene::{self, Scene};

/// The kubeconfig of the account that the chart makes in the namespace `home`, with the chart's
/// rights for the whole cluster.
pub(crate) fn operator(scene: &Scene, home: &str) -> PathBuf {
    let roles = Roles::render(Mode::Cluster, home);
    kubectl(scene, &["apply", "--server-side", "-f", "-"], &roles.manifest());
    kubeconfig(scene, home, &roles.account())
}

/// A client that may do everything in one namespace.
pub(crate) async fn tenant(scene: &Scene, namespace: &str) -> Client {
    let subject = format!("--serviceaccount={namespace}:tenant");
    kubectl(scene, &["-n", namespace, "create", "serviceaccount", "tenant"], "");
    kubectl(
        scene,
        &["-n", namespace, "create", "rolebinding", "tenant", "--clusterrole=cluster-admin", &subject],
        "",
    );
    scene::client(&kubeconfig(scene, namespace, "tenant")).await
}

fn kubeconfig(scene: &Scene, namespace: &str, account: &str) -> PathBuf {
    let token = kubectl(scene, &["-n", namespace, "create", "token", account, "--duration=6h"], "");
    scene.plane.kubeconfig_for(&format!("{namespace}-{account}"), token.trim()).unwrap()
}

fn kubectl(scene: &Scene, arguments: &[&str], input: &str) -> String {
    let done = testbed::output_of(scene.plane.kubectl().args(arguments), input);
    done.unwrap_or_else(|said| panic!("{arguments:?}: {said}"))
}
