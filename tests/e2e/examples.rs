//! Every file in `deploy/examples` does on a node what it says.

use std::time::Duration;

use jiff::Timestamp;
use testbed::{curl_command, output};

use crate::cluster::{Cluster, file};

const NAMESPACE: &str = "examples";
/// The namespace that `cluster-signer.yaml` and `role-for-each-team.yaml` allow.
const TENANT: &str = "team-a";

/// Applies and uses all of them; panics with what does not work.
pub fn run_all(cluster: &Cluster) {
    // The client image has what the examples use of these two.
    for image in ["docker.io/curlimages/curl:8.11.1", "docker.io/library/busybox:1.37"] {
        cluster.node.name_client(image).unwrap_or_else(|error| panic!("{error}"));
    }
    cluster.create_namespace(NAMESPACE);
    let examples = [
        ("download.yaml", download as fn(&Cluster)),
        ("upload.yaml", upload),
        ("job-input.yaml", job_input),
        ("cronjob-report.yaml", cronjob_report),
        ("write-once.yaml", write_once),
        ("two-urls.yaml", two_urls),
        ("browser-upload.yaml", browser_upload),
        ("sts-session.yaml", sts_session),
        ("aws.yaml", aws),
        ("web-identity.yaml", web_identity),
        ("minio.yaml", minio),
        ("link-to-share.yaml", link_to_share),
        ("verified.yaml", verified),
        // The second one uses what the first one grants.
        ("cluster-signer.yaml", cluster_signer),
        ("tenant.yaml", tenant),
        ("role-for-each-team.yaml", role_for_each_team),
    ];
    let folder = file("deploy/examples");
    assert_eq!(examples.len(), std::fs::read_dir(folder).unwrap().count(), "an example is not tried");
    for (name, try_it) in examples {
        try_it(cluster);
        println!("e2e: {name} works");
    }
}

fn read(name: &str) -> String {
    std::fs::read_to_string(file("deploy/examples").join(name)).unwrap()
}

fn apply(cluster: &Cluster, name: &str) {
    cluster.apply(NAMESPACE, &read(name));
}

fn kubectl(cluster: &Cluster, arguments: &[&str]) -> String {
    cluster.kubectl(&[&["--namespace", NAMESPACE], arguments].concat())
}

fn wait(cluster: &Cluster, what: &str, name: &str) {
    kubectl(cluster, &["wait", &format!("--for={what}"), "--timeout=60s", name]);
}

fn put(cluster: &Cluster, bucket: &str, key: &str, content: &str) {
    cluster.store.put_object(bucket, key, content).unwrap();
}

fn get(cluster: &Cluster, bucket: &str, key: &str) -> String {
    let bytes = cluster.store.get_object(bucket, key).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn download(cluster: &Cluster) {
    put(cluster, "reports", "2026/q3 summary.pdf", "the third quarter");
    apply(cluster, "download.yaml");
    wait(cluster, "condition=Ready", "pod/reader");
    let first = cluster.log_lines(NAMESPACE, "pod/reader").next().unwrap_or_default();
    assert!(first.contains(" 17 ") && first.ends_with("/tmp/summary.pdf"), "{first}");
}

fn upload(cluster: &Cluster) {
    cluster.store.create_bucket("videos").unwrap();
    apply(cluster, "upload.yaml");
    wait(cluster, "jsonpath={.status.phase}=Succeeded", "pod/camera");
    assert_eq!(cluster.store.get_object("videos", "incoming/camera-7.mp4").unwrap().len(), 1_000_000);
}

fn job_input(cluster: &Cluster) {
    put(cluster, "books", "moby dick.txt", "Call me Ishmael. Some years ago");
    apply(cluster, "job-input.yaml");
    wait(cluster, "condition=Complete", "job/count-words");
    assert_eq!(kubectl(cluster, &["logs", "job/count-words"]), "words: 6\n");
}

fn cronjob_report(cluster: &Cluster) {
    apply(cluster, "cronjob-report.yaml");
    kubectl(cluster, &["create", "job", "--from=cronjob/nightly", "tonight"]);
    wait(cluster, "condition=Complete", "job/tonight");
    assert!(get(cluster, "reports", "nightly/latest.csv").starts_with("made,20"));
}

fn write_once(cluster: &Cluster) {
    cluster.store.create_bucket("receipts").unwrap();
    for said in ["written\n", "was there already\n"] {
        apply(cluster, "write-once.yaml");
        wait(cluster, "condition=Complete", "job/receipt");
        assert_eq!(kubectl(cluster, &["logs", "job/receipt"]), said);
        kubectl(cluster, &["delete", "job/receipt", "--wait"]);
    }
    assert!(get(cluster, "receipts", "2026/order-4711.json").contains("4711"));
}

fn two_urls(cluster: &Cluster) {
    put(cluster, "books", "draft.txt", "Call me Ishmael.");
    apply(cluster, "two-urls.yaml");
    wait(cluster, "jsonpath={.status.phase}=Succeeded", "pod/editor");
    assert_eq!(get(cluster, "books", "final.txt"), "CALL ME ISHMAEL.");
}

/// The page and what it fetches; a browser uploads with it in `make test-browser`.
fn browser_upload(cluster: &Cluster) {
    apply(cluster, "browser-upload.yaml");
    wait(cluster, "condition=Ready", "pod/upload-page");
    let address = kubectl(cluster, &["get", "pod/upload-page", "--output=jsonpath={.status.podIP}"]);
    let served = |path: &str| {
        let url = format!("http://{address}:8080/{path}");
        let mut curl = curl_command();
        // Ready means that it runs, not that it listens already.
        curl.args(["--fail", "--retry", "5", "--retry-connrefused", &url]);
        output(&mut curl).unwrap()
    };
    assert!(served("").contains("Upload a photo"));
    let form: serde_json::Value = serde_json::from_str(&served("upload/form.json")).unwrap();
    assert!(form["url"].as_str().unwrap().starts_with(&cluster.store.endpoint()));
    assert_eq!(form["fields"]["Content-Type"], "image/jpeg");
}

fn sts_session(cluster: &Cluster) {
    put(cluster, "datasets", "2026/train.parquet", "rows");
    let manifests = read("sts-session.yaml");
    for minutes in [30, 90] {
        #[expect(clippy::disallowed_methods, reason = "this is a program of its own")]
        let end = Timestamp::now() + Duration::from_secs(60 * minutes);
        let end = end.strftime("%FT%TZ").to_string();
        cluster.apply(NAMESPACE, &manifests.replace("2030-01-02T03:04:05Z", &end));
        wait(cluster, &format!("jsonpath={{.status.expirationTime}}={end}"), "psu/dataset");
    }
    wait(cluster, "jsonpath={.status.limitedBy}=Credentials", "psu/dataset");
}

fn aws(cluster: &Cluster) {
    apply(cluster, "aws.yaml");
    wait(cluster, "condition=Ready", "psu/statement");
}

/// AWS does not know the issuer of this node's tokens, so there is no session and no URL.
fn web_identity(cluster: &Cluster) {
    apply(cluster, "web-identity.yaml");
    wait(cluster, "condition=Ready=False", "psu/yearly-statement");
}

fn minio(cluster: &Cluster) {
    apply(cluster, "minio.yaml");
    wait(cluster, "condition=Ready", "psu/model");
}

fn link_to_share(cluster: &Cluster) {
    put(cluster, "reports", "2026/board deck.pdf", "for the board");
    apply(cluster, "link-to-share.yaml");
    wait(cluster, "condition=Ready", "psu/board-deck");
    let template = "--output=go-template={{.data.url | base64decode}}";
    let url = kubectl(cluster, &["get", "secret/board-deck", template]);
    let mut curl = curl_command();
    curl.args(["--fail", &url]);
    assert_eq!(output(&mut curl).unwrap(), "for the board");
    let renews = "--output=jsonpath={.status.renewalTime}";
    assert_eq!(kubectl(cluster, &["get", "psu/board-deck", renews]), "");
}

/// The chart is installed with the permission to ask the store.
fn verified(cluster: &Cluster) {
    apply(cluster, "verified.yaml");
    wait(cluster, "condition=Verified", "psu/verified");
}

fn cluster_signer(cluster: &Cluster) {
    cluster.apply("presign-system", &read("cluster-signer.yaml"));
    wait(cluster, "condition=Ready", "clustersigner/media");
}

fn tenant(cluster: &Cluster) {
    put(cluster, "media", "tenants/team-a/catalog.json", "{\"items\": 3}");
    cluster.create_namespace(TENANT);
    cluster.apply(TENANT, &read("tenant.yaml"));
    let complete = "--for=condition=Complete";
    cluster.kubectl(&["--namespace", TENANT, "wait", complete, "--timeout=60s", "job/catalog"]);
    assert_eq!(cluster.kubectl(&["--namespace", TENANT, "logs", "job/catalog"]), "{\"items\": 3}");
}

/// As with `web_identity`, there is no session.
fn role_for_each_team(cluster: &Cluster) {
    cluster.apply(TENANT, &read("role-for-each-team.yaml"));
    let not_ready = "--for=condition=Ready=False";
    cluster.kubectl(&["--namespace", TENANT, "wait", not_ready, "--timeout=60s", "psu/invoices"]);
}
