//! Every way to use a Secret, as the API server writes pods.

use serde_json::{Value, json};

use super::*;

fn pod(spec: Value) -> PodSpec {
    serde_json::from_value(spec).unwrap()
}

/// What is mounted, and what never refreshes.
fn uses(spec: Value) -> (Vec<String>, Vec<(String, StaleUse)>) {
    let pod = pod(spec);
    let stale = pod.stale().map(|(secret, container, how)| (format!("{secret} {container}"), how));
    (pod.mounted().into_iter().map(str::to_owned).collect(), stale.collect())
}

fn container(part: &Value) -> Value {
    let mut container = json!({"name": "c", "image": "i", "resources": {}});
    container.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
    container
}

#[test]
fn each_way_to_use_a_secret_is_distinguished() {
    use StaleUse::{Env, EnvFrom, SubPath};
    let secret = json!([{"name": "v", "secret": {"secretName": "s", "defaultMode": 420}}]);
    let projected = json!([{"name": "v", "projected": {"sources": [
        {"secret": {"name": "s"}}, {"secret": {"name": "t"}}, {"configMap": {"name": "u"}},
        {"serviceAccountToken": {"path": "token"}},
    ]}}]);
    let other = json!([{"name": "v", "emptyDir": {}}, {"name": "w", "secret": {"secretName": "s"}}]);
    let whole = json!({"volumeMounts": [{"name": "v", "mountPath": "/a"}]});
    let empty = json!({"volumeMounts": [{"name": "v", "mountPath": "/a", "subPath": ""}]});
    let part = json!({"volumeMounts": [{"name": "v", "mountPath": "/a", "subPath": "url"}]});
    let expression = json!({"volumeMounts": [{"name": "v", "mountPath": "/a", "subPathExpr": "$(X)"}]});
    let env = json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "x"}}},
        {"name": "URL", "valueFrom": {"secretKeyRef": {"name": "s", "key": "url"}}}]});
    let env_from = json!({"envFrom": [{"configMapRef": {"name": "s"}}, {"secretRef": {"name": "s"}}]});
    let rows: [(&str, &Value, &Value, &[&str], &[(&str, StaleUse)]); 10] = [
        ("a whole Secret", &secret, &whole, &["s"], &[]),
        ("a sub path that is empty", &secret, &empty, &["s"], &[]),
        ("two in one volume", &projected, &whole, &["s", "t"], &[]),
        ("a volume that nobody mounts", &secret, &json!({}), &[], &[]),
        ("another volume", &other, &whole, &[], &[]),
        ("a sub path", &secret, &part, &[], &[("s c", SubPath)]),
        ("a sub path by expression", &secret, &expression, &[], &[("s c", SubPath)]),
        ("a sub path into two", &projected, &part, &[], &[("s c", SubPath), ("t c", SubPath)]),
        ("a variable", &secret, &env, &[], &[("s c", Env)]),
        ("all variables", &json!([]), &env_from, &[], &[("s c", EnvFrom)]),
    ];
    for (name, volumes, part, mounted, stale) in rows {
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            let mut spec =
                json!({"volumes": volumes, "containers": [container(&json!({}))], "nodeName": "n"});
            spec[list] = json!([container(part)]);
            let stale = stale.iter().map(|(text, how)| ((*text).to_owned(), *how)).collect();
            let mounted = mounted.iter().map(|secret| (*secret).to_owned()).collect();
            assert_eq!(uses(spec), (mounted, stale), "{name} in {list}");
        }
    }
}

#[test]
fn one_secret_may_be_used_in_several_ways() {
    let spec = json!({
        "volumes": [{"name": "v", "secret": {"secretName": "s"}}],
        "containers": [
            container(&json!({"volumeMounts": [{"name": "v", "mountPath": "/a"}]})),
            container(&json!({"volumeMounts": [{"name": "v", "mountPath": "/a", "subPath": "url"}]})),
        ],
    });
    assert_eq!(uses(spec), (vec!["s".to_owned()], vec![("s c".to_owned(), StaleUse::SubPath)]));
    assert_eq!(uses(json!({})), (vec![], vec![]));
}

#[test]
fn a_pod_is_known_by_who_made_it() {
    for (controller, hash, expected) in [
        (None, None, "Pod \"web-6d4-x\""),
        (None, Some("6d4"), "Pod \"web-6d4-x\""),
        (Some(("ReplicaSet", "web-6d4")), Some("6d4"), "Deployment \"web\""),
        (Some(("ReplicaSet", "my-web-6d4")), Some("6d4"), "Deployment \"my-web\""),
        (Some(("ReplicaSet", "web-6d4")), None, "ReplicaSet \"web-6d4\""),
        (Some(("ReplicaSet", "web-6d4")), Some("9f1"), "ReplicaSet \"web-6d4\""),
        (Some(("ReplicaSet", "-6d4")), Some("6d4"), "ReplicaSet \"-6d4\""),
        (Some(("ReplicaSet", "web6d4")), Some("6d4"), "ReplicaSet \"web6d4\""),
        (Some(("StatefulSet", "db-6d4")), Some("6d4"), "StatefulSet \"db-6d4\""),
        (Some(("Job", "report-29")), None, "Job \"report-29\""),
    ] {
        assert_eq!(user("web-6d4-x", controller, hash), expected, "{controller:?} {hash:?}");
    }
}

#[test]
fn one_of_many_is_named_and_always_the_same() {
    let stale = |user: &str, container: &str, how| StaleUser {
        user: user.to_owned(),
        container: container.to_owned(),
        how,
    };
    let first = stale("Deployment \"a\"", "c", StaleUse::Env);
    let all = BTreeMap::from([
        (
            "s".to_owned(),
            BTreeSet::from([
                stale("Deployment \"b\"", "c", StaleUse::SubPath),
                first.clone(),
                stale("Deployment \"a\"", "d", StaleUse::SubPath),
                stale("Pod \"c\"", "c", StaleUse::SubPath),
            ]),
        ),
        ("t".to_owned(), BTreeSet::from([first.clone()])),
        ("u".to_owned(), BTreeSet::new()),
    ]);
    let expected = BTreeMap::from([("s".to_owned(), (first.clone(), 2)), ("t".to_owned(), (first, 0))]);
    assert_eq!(first_of_each(all), expected);
}
