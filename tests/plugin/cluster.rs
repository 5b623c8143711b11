//! The commands that look at a cluster: `status`, `renew` and `check`.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::block_in_place;

use crate::harness::{Space, await_default_account};
use crate::terminal::Terminal;

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_everything_around_an_object() {
    let space = Space::new("plugin-status").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    await_default_account(&space).await;
    let pod = |name: &str, spec: serde_json::Value| {
        let body = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
        let file = space.operator.folder().join(format!("{name}.json"));
        std::fs::write(&file, body.to_string()).unwrap();
        space.kubectl(&["apply", "-f", file.to_str().unwrap()]);
    };
    pod(
        "reader",
        json!({
            "volumes": [{"name": "v", "secret": {"secretName": "report"}}],
            "containers": [{"name": "main", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        }),
    );
    pod(
        "stuck",
        json!({
            "containers": [{"name": "main", "image": "i", "envFrom": [{"secretRef": {"name": "report"}}]}],
        }),
    );
    let terminal = Terminal::new(&space);
    block_in_place(|| {
        let screen = terminal.run("kubectl presign status report");
        screen.shows(
            0,
            &[
                &format!("PresignedUrl {}/report: Ready, Issued", space.namespace),
                "object: GET dir/a file.txt of",
                "signer: credentials in Secret \"keys\"",
                "Secret: report holds the URL",
                "reader, Pending",
                "a volume: gets a new URL within about 90 seconds",
                "container main: envFrom: never gets a new URL",
                "expires: ",
                "RotationSafe",
            ],
        );
        assert!(screen.coloured.contains("\u{1b}[32m"), "a terminal has colours: {}", screen.coloured);
        let (json, _, code) = terminal.pipe("kubectl presign status report -o json");
        assert!(code == 0 && !json.contains('\u{1b}'), "{json}");
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["pods"].as_array().unwrap().len(), 2);
        let (yaml, _, _) = terminal.pipe("kubectl presign status report -o yaml");
        assert!(yaml.contains("secretName: report\n"), "{yaml}");
        let (text, _, _) = terminal.pipe("kubectl presign status report");
        assert!(!text.contains('\u{1b}'), "no colours in a pipe: {text}");
        terminal.run("kubectl presign status nothing").shows(1, &["error: the PresignedUrl", "not found"]);
        terminal.run("kubectl presign status").shows(2, &["Usage: kubectl presign status"]);
        terminal
            .run("kubectl presign status a --kubeconfig nothing")
            .shows(2, &["cannot use the kubeconfig"]);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn renew_asks_and_waits() {
    let space = Space::new("plugin-renew").await;
    for name in ["one", "two", "three"] {
        space.apply(name, space.spec(json!({}))).await;
        space.wait_ready(name, "True", "Issued").await;
    }
    space.kubectl(&["label", "presignedurl", "two", "team=red"]);
    // Two URLs that are signed within a second are the same.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let (one, two) = (space.data("one", "url").await, space.data("two", "url").await);
    let terminal = Terminal::new(&space);
    block_in_place(|| {
        terminal
            .run("kubectl presign renew one --wait")
            .shows(0, &[&format!("{}/one: renewed", space.namespace)]);
    });
    assert_ne!(space.data("one", "url").await, one);
    assert_eq!(space.data("two", "url").await, two);
    block_in_place(|| {
        let screen = terminal.run("kubectl presign renew -l team=red --wait");
        screen.shows(0, &["/two: renewed"]);
        assert!(!screen.text.contains("/one:"), "{}", screen.text);
    });
    assert_ne!(space.data("two", "url").await, two);
    space.apply("three", space.spec(json!({"suspend": true}))).await;
    space.wait_ready("three", "True", "Suspended").await;
    block_in_place(|| {
        terminal.run("kubectl presign renew --all").shows(0, &["/one: a new URL is asked for", "/three: "]);
        terminal
            .run("kubectl presign renew three --wait --timeout 2")
            .shows(1, &["failed", "spec.suspend is true"]);
        terminal.run("kubectl presign renew nothing").shows(1, &["/nothing: failed", "not found"]);
        let (twice, _, _) = terminal.pipe("kubectl presign renew two one two -o json");
        let twice: Vec<serde_json::Value> = serde_json::from_str(&twice).unwrap();
        assert!(twice.iter().map(|one| &one["name"]).eq(["two", "one"]), "{twice:?}");
        terminal.run("kubectl presign renew -l team=none").shows(1, &["there is no such PresignedUrl"]);
        terminal.run("kubectl presign renew").shows(2, &["required"]);
        terminal.run("kubectl presign renew one --all").shows(2, &["cannot be used with"]);
        let (json, _, code) = terminal.pipe("kubectl presign renew one --wait -o json");
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((code, value[0]["state"].as_str()), (0, Some("renewed")), "{json}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn renew_waits_as_long_as_its_flag_says() {
    let space = Space::new("plugin-wait").await;
    space.operator.kill();
    space.apply("report", space.spec(json!({}))).await;
    let terminal = Terminal::new(&space);
    block_in_place(|| {
        // Longer than one request may take.
        let (command, began) = ("kubectl presign renew report --wait --timeout 25s", Instant::now());
        let why = "no new URL after 25 seconds: the operator has not seen it";
        terminal.run(command).shows(1, &["/report: failed", why]);
        assert!(began.elapsed() >= Duration::from_secs(25), "{:?}", began.elapsed());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn renew_waits_for_many_and_for_a_request_that_replaced_its_own() {
    let space = Space::new("plugin-many").await;
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        space.apply(name, space.spec(json!({}))).await;
        space.wait_ready(name, "True", "Issued").await;
    }
    let terminal = Terminal::new(&space);
    // The operator stands still until the request for one of them was replaced.
    let line = format!(
        "kill -STOP {pid}
        kubectl presign renew --all --wait > renewed & renewal=$!
        until kubectl get psu a -o jsonpath='{{.metadata.annotations}}' | grep -q presign.dev/renew; do
            sleep 0.1
        done
        kubectl annotate --overwrite psu a presign.dev/renew=another >&2
        kill -CONT {pid}
        wait $renewal; code=$?; cat renewed; exit $code",
        pid = space.operator.pid(),
    );
    block_in_place(|| {
        let (text, said, code) = terminal.pipe(&line);
        assert_eq!(code, 0, "{text}{said}");
        for name in names {
            assert!(text.contains(&format!("{}/{name}: renewed", space.namespace)), "{text}");
        }
    });
    let replaced = space.presigned_urls().get("a").await.unwrap();
    assert_eq!(replaced.status.unwrap().last_handled_renew.as_deref(), Some("another"));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_finds_the_operator_and_what_is_missing() {
    let space = Space::new("plugin-check").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let signer = json!({
        "apiVersion": "presign.dev/v1alpha1", "kind": "Signer", "metadata": {"name": "broken"},
        "spec": {"s3": {"region": "us-east-1", "credentials": {"secretRef": {"name": "nothing"}}}},
    });
    let terminal = Terminal::new(&space);
    let check = format!("kubectl presign check --operator-namespace {}", space.namespace);
    block_in_place(|| {
        terminal.run(&check).shows(
            0,
            &[
                "nothing is wrong",
                "API server: ok",
                "definition presignedurls.presign.dev: ok: serves v1alpha1",
                "leader: ok",
                "right patch presignedurls: ok",
                "admission policies: not there",
                "CSI driver url.presign.dev: not there",
            ],
        );
        terminal
            .run("kubectl presign check")
            .shows(1, &["something is wrong", "there is no Lease presign-operator"]);
        std::fs::write(terminal.folder().join("signer.json"), signer.to_string()).unwrap();
        assert_eq!(terminal.pipe("kubectl apply -f signer.json").2, 0);
        terminal.run(&check).shows(1, &["Signer broken: wrong"]);
        let (yaml, _, code) = terminal.pipe(&format!("{check} -o yaml"));
        assert!(code == 1 && yaml.contains("state: bad"), "{yaml}");
        // Somebody who may do nothing gets answers, not failures.
        let nobody = format!("{check} --as nobody --as-group system:authenticated");
        terminal.run(&nobody).shows(0, &["you may not read leases", "you may not in namespace"]);
        terminal.run("kubectl presign check -o wide").shows(2, &["possible values: json, yaml"]);

        // The driver of volumes, on one of two nodes. Nothing else looks at these names.
        let node = |name: &str, drivers: serde_json::Value| {
            let metadata = json!({"name": name});
            let spec = json!({ "drivers": drivers });
            json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": metadata, "spec": spec})
        };
        let driver = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": "url.presign.dev"},
            "spec": {"attachRequired": false, "podInfoOnMount": true, "volumeLifecycleModes": ["Ephemeral"]},
        });
        let on = json!([{"name": "url.presign.dev", "nodeID": "one", "topologyKeys": null}]);
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [driver, node("plugin-one", on), node("plugin-two", json!([]))]});
        std::fs::write(terminal.folder().join("csi.json"), list.to_string()).unwrap();
        assert_eq!(terminal.pipe("kubectl delete signer broken").2, 0);
        assert_eq!(terminal.pipe("kubectl apply -f csi.json").2, 0);
        terminal.run(&check).shows(1, &["CSI driver url.presign.dev: wrong", "plugin-two. Pods there"]);
        assert_eq!(terminal.pipe("kubectl delete csinode plugin-two").2, 0);
        terminal.run(&check).shows(0, &["CSI driver url.presign.dev: ok: is on every node (1)"]);
        assert_eq!(terminal.pipe("kubectl delete -f csi.json --ignore-not-found").2, 0);
    });
}
