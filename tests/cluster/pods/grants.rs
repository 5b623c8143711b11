//! What the operator does about pods where that is not granted.

use super::*;

#[tokio::test]
async fn without_the_switch_no_call_is_made_and_the_object_says_so() {
    let space = Space::new("nopods").await;
    await_default_account(&space).await;
    make(&space, "env", with_env("report"), "Running").await;
    space.apply("report", space.spec(json!({"podRefresh": "Annotate"}))).await;
    let object = space.wait_ready("report", "True", "Issued").await;
    let (status, reason, message) = rotation(&object);
    assert_eq!((status, reason), ("True", "OverlapSufficient"));
    assert!(
        message.contains("podRefresh: Annotate has no effect") && message.contains("pods.enabled"),
        "{message}"
    );
    space.renew("report", "one").await;
    // An operator that may look at pods would have done so by the time at which this one does.
    let granted = Space::with("yespods", &[GRANTED]).await;
    granted.apply("report", granted.spec(json!({"podRefresh": "Annotate"}))).await;
    let has_looked = async {
        while !calls_about_pods(&granted).await.contains(&"list pods".to_owned()) {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(DEADLINE, has_looked).await.expect("an operator that may look at pods does");
    assert_eq!(calls_about_pods(&space).await, Vec::<String>::new());
}

/// A kubeconfig for a user who may do what the operator does, but for pods.
fn without_pods(space: &Space, user: &str) -> std::path::PathBuf {
    let rule = |groups: &[&str], resources: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": ["*"]});
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "operator"},
        "rules": [
            rule(&[""], &["secrets"]),
            rule(&["presign.dev"], &["*"]),
            rule(&["events.k8s.io"], &["events"]),
            rule(&["coordination.k8s.io"], &["leases"]),
        ],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "operator"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "operator"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    });
    let folder = space.operator.folder();
    for (name, object) in [("role.json", role), ("binding.json", binding)] {
        let path = folder.join(name);
        std::fs::write(&path, object.to_string()).unwrap();
        space.kubectl(&["apply", "-f", path.to_str().unwrap()]);
    }
    let text = std::fs::read_to_string(space.world.plane.kubeconfig()).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
    kubeconfig["users"][0]["user"]["as"] = json!(user);
    let path = folder.join("without-pods.kubeconfig");
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    path
}

#[tokio::test]
async fn a_forbidden_list_is_logged_and_not_repeated() {
    let space = Space::new("forbidden").await;
    await_default_account(&space).await;
    space.operator.stop();
    let kubeconfig = without_pods(&space, "operator-without-pods");
    let environment = [GRANTED, ("KUBECONFIG", kubeconfig.to_str().unwrap())];
    let operator = Operator::start(space.world, &space.namespace, &environment);
    space.apply("report", space.spec(json!({"podRefresh": "Annotate"}))).await;
    space.apply("quiet", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let object = space.wait("report", "the reason", |object| is_forbidden(object, "list")).await;
    assert_eq!((rotation(&object).0, ready(&object).unwrap().status.as_str()), ("True", "True"));
    space.wait_ready("quiet", "True", "Issued").await;
    let metrics = operator.page("/metrics");
    assert!(metrics.contains("presign_pod_lists_total{result=\"forbidden\"} 1\n"), "{metrics}");
    assert_eq!(calls_about_pods(&space).await, ["list pods"], "only a new URL is a reason to try again");
    assert!(operator.log().contains("forbids requests for pods"), "{}", operator.log());

    // What is granted later works from the next URL on.
    let spec = json!({"volumes": secret_volume("report"), "containers": [mounting(None)]});
    make(&space, "web", spec, "Running").await;
    grant(&space, "get,list");
    space.renew("report", "one").await;
    space.wait("report", "the reason", |object| is_forbidden(object, "patch")).await;
    grant(&space, "patch");
    space.renew("report", "two").await;
    wait_annotated(&space, "web", &signing_time(&space, "report").await).await;
    space.wait("report", "no complaint", |object| !is_forbidden(object, "patch")).await;
}

/// Whether an object says that its pods are not told because this verb is forbidden.
fn is_forbidden(object: &PresignedUrl, verb: &str) -> bool {
    let text = format!("forbids the operator to {verb} pods");
    condition(object, "RotationSafe").is_some_and(|rotation| rotation.message.contains(&text))
}

/// Grants the operator verbs on pods.
fn grant(space: &Space, verbs: &str) {
    let name = verbs.replace(',', "-");
    let (verbs, role) = (format!("--verb={verbs}"), format!("--role={name}"));
    let user = "--user=operator-without-pods";
    for arguments in
        [["create", "role", &name, &verbs, "--resource=pods"], ["create", "rolebinding", &name, &role, user]]
    {
        space.kubectl(&arguments);
    }
}
