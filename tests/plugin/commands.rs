//! The commands that look at one URL, and those for policies and shells.

use serde_json::json;
use tokio::task::block_in_place;

use crate::harness::Space;
use crate::terminal::Terminal;

#[tokio::test(flavor = "multi_thread")]
async fn a_url_is_inspected_explained_and_printed() {
    let space = Space::new("plugin-url").await;
    let upload = json!({"method": "PUT", "key": "in/video.mp4", "headers": {"Content-Type": "video/mp4"}});
    space.apply("report", space.spec(json!({}))).await;
    space.apply("upload", space.spec(upload)).await;
    space.wait_ready("report", "True", "Issued").await;
    space.wait_ready("upload", "True", "Issued").await;
    let url = space.data("report", "url").await;
    let terminal = Terminal::new(&space);
    block_in_place(|| {
        terminal.run("kubectl presign inspect secret/upload").shows(
            0,
            &[
                "opens: in/video.mp4 of",
                "method: PUT",
                "headers: exactly these",
                "Content-Type: video/mp4",
                "works: valid",
                "session: none",
                "not shown",
            ],
        );
        let read = "kubectl get secret report -o jsonpath='{.data.url}' | base64 -d";
        terminal.run(&format!("{read} | kubectl presign inspect -")).shows(0, &["opens: dir/a file.txt of"]);
        terminal
            .run(&format!("{read} | kubectl presign inspect - --at 2099-01-01T00:00:00Z"))
            .shows(1, &["works: expired"]);
        terminal.run("kubectl presign inspect https://host/path").shows(2, &["has no query"]);
        terminal.run("kubectl presign inspect secret/keys").shows(1, &["has no data key url"]);

        terminal.run("kubectl presign explain secret/upload").shows(0, &["the same signature"]);
        terminal
            .run("kubectl presign explain secret/upload --credentials secret/keys")
            .shows(0, &["the same signature", "agrees: "]);
        terminal
            .run("kubectl presign explain secret/upload -X GET")
            .shows(1, &["method: the URL is signed for PUT, and GET is sent"]);
        terminal
            .run("kubectl presign explain secret/upload -H 'Content-Type: video/quicktime'")
            .shows(1, &["header: content-type is signed as \"video/mp4\", and \"video/quicktime\" is sent"]);
        terminal
            .run("AWS_SECRET_ACCESS_KEY=another kubectl presign explain secret/report")
            .shows(1, &["access-key: ", "the secret access key differs"]);
        terminal
            .run("env -u AWS_ACCESS_KEY_ID kubectl presign explain secret/report")
            .shows(2, &["AWS_ACCESS_KEY_ID"]);

        let screen = terminal.run_openly("kubectl presign get-url report");
        screen.shows(0, &[&url, "warning: whoever sees this URL can use it"]);
        let (text, warning, code) = terminal.pipe("kubectl presign get-url report");
        assert_eq!((text.trim_end(), warning.as_str(), code), (url.as_str(), "", 0));
        let (text, _, _) = terminal.pipe("kubectl presign get-url upload -o json");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&value["method"], &value["headers"]["Content-Type"]),
            (&json!("PUT"), &json!("video/mp4"))
        );
        terminal.run("kubectl presign get-url nothing").shows(1, &["not found"]);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_and_explain_agree_about_a_broken_request() {
    let space = Space::new("plugin-agree").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let url = space.data("report", "url").await;
    let terminal = Terminal::new(&space);
    block_in_place(|| {
        // Whatever the store refuses, explain explains; what it accepts, explain accepts.
        for (method, change, expected) in [
            ("GET", url.clone(), None),
            ("PUT", url.clone(), Some("method: ")),
            ("GET", url.replace("a%20file", "a%2520file"), Some("key-encoding: ")),
            ("GET", format!("{url}&utm_source=mail"), Some("query: ")),
            ("GET", url.replace("Expires=3600", "Expires=7200"), Some("clock: ")),
        ] {
            let answer = crate::harness::curl(&["-X", method, "-o", "/dev/null", &change]);
            assert_eq!(answer.is_ok(), expected.is_none(), "{method} {expected:?}: {answer:?}");
            std::fs::write(terminal.folder().join("url"), &change).unwrap();
            let screen = terminal.run(&format!("kubectl presign explain - -X {method} < url"));
            let shown = expected.unwrap_or("the same signature");
            screen.shows(i32::from(expected.is_some()), &[shown]);
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_tested_against_the_cluster_and_from_files() {
    let space = Space::new("plugin-policy").await;
    let terminal = Terminal::new(&space);
    let signer = json!({
        "apiVersion": "presign.dev/v1alpha1", "kind": "Signer", "metadata": {"name": "media"},
        "spec": {
            "s3": {"region": "us-east-1", "credentials": {"secretRef": {"name": "keys"}}},
            "policy": {"rules": [{
                "name": "downloads", "methods": ["GET"], "buckets": ["media"], "keyPrefixes": ["{namespace}/"],
            }]},
        },
    });
    let object = |key: &str| {
        json!({
            "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl", "metadata": {"name": "a"},
            "spec": {"bucket": "media", "key": key, "signerRef": {"name": "media"}},
        })
    };
    let namespace = &space.namespace;
    let write = |name: &str, value: serde_json::Value| {
        std::fs::write(terminal.folder().join(name), value.to_string()).unwrap();
    };
    write("signer.json", signer);
    write("good.json", object(&format!("{namespace}/a.txt")));
    write("bad.json", object("other/a.txt"));
    block_in_place(|| {
        let test = format!("kubectl presign policy test -n {namespace}");
        terminal.run(&format!("{test} -f good.json -f signer.json --offline")).shows(
            0,
            &[&format!("{namespace}/a: allowed"), "rule \"downloads\" of Signer \"media\" allows it"],
        );
        terminal.run(&format!("{test} -f good.json --offline")).shows(1, &["denied", "does not exist"]);
        // Like kubectl, it takes the namespace from the context.
        terminal
            .run("kubectl presign policy test -f good.json -f signer.json --offline")
            .shows(0, &[&format!("{namespace}/a: allowed")]);
        assert_eq!(terminal.pipe("kubectl apply -f signer.json").2, 0);
        terminal.run(&format!("{test} -f good.json")).shows(0, &["allowed"]);
        for files in ["$KUBECONFIG:missing", "missing:$KUBECONFIG"] {
            let line = format!("KUBECONFIG={files} kubectl presign policy test -f good.json");
            terminal.run(&line).shows(0, &[&format!("{namespace}/a: allowed")]);
        }
        // She may not read the signer; whoever asks may.
        let jane = format!("{test} -f good.json --as jane");
        terminal.run(&jane).shows(1, &["allowed", "jane may not use the signer"]);
        terminal
            .run(&format!("{test} -f bad.json"))
            .shows(1, &["denied", &format!("begin with {namespace}/")]);
        let user = "-f good.json -f signer.json --as jane";
        terminal.run(&format!("{test} {user}")).shows(1, &["allowed", "jane may not use the signer"]);
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "use"},
            "rules": [{"apiGroups": ["presign.dev"], "resources": ["signers"], "verbs": ["use"]}],
        });
        write("role.json", role);
        let role = "kubectl apply -f role.json && kubectl create rolebinding use --role=use --user=jane";
        assert_eq!(terminal.pipe(role).2, 0);
        terminal.run(&format!("{test} {user}")).shows(0, &["jane may use the signer"]);
        terminal.run(&format!("{test} -f nothing.json")).shows(2, &["nothing.json"]);
        terminal.run("kubectl presign policy").shows(2, &["test"]);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn shells_complete_and_exec_plugins_sign_in() {
    let space = Space::new("plugin-shell").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let terminal = Terminal::new(&space);
    block_in_place(|| {
        let install = "kubectl presign completion kubectl > bin/kubectl_complete-presign && \
            chmod +x bin/kubectl_complete-presign";
        assert_eq!(terminal.pipe(install).2, 0);
        terminal.run("kubectl __complete presign sta").shows(0, &["status", ":4"]);
        terminal.run("kubectl __complete presign status ''").shows(0, &["report", ":4"]);
        terminal.run("kubectl __complete presign renew --w").shows(0, &["--wait"]);
        let bash = "bash --norc -c 'source <(kubectl-presign completion bash); complete -p kubectl-presign'";
        terminal.run(bash).shows(0, &["-F _kubectl__presign kubectl-presign"]);
        for shell in ["zsh", "fish"] {
            let (script, _, code) = terminal.pipe(&format!("kubectl presign completion {shell}"));
            assert!(code == 0 && script.contains("get-url"), "{shell}");
        }
        let (text, _, _) = terminal.pipe("kubectl config view --raw -o json");
        let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
        let answer = json!({
            "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
            "status": {"token": config["users"][0]["user"]["token"]},
        });
        std::fs::write(terminal.folder().join("answer.json"), answer.to_string()).unwrap();
        let exec = json!({"name": "exec", "user": {"exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": "cat", "args": ["answer.json"],
            "interactiveMode": "Never",
        }}});
        config["users"].as_array_mut().unwrap().push(exec);
        std::fs::write(terminal.folder().join("kubeconfig"), config.to_string()).unwrap();
        terminal.run("kubectl presign status report --user exec").shows(0, &["Ready, Issued"]);
    });
}
