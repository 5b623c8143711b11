//! The signing service and its certificate with the rights of the chart.

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::json;
use testbed::{curl_command, eventually};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::CLUSTER;
use super::chart::{Mode, Permission, Roles};
use super::harness::{DEADLINE, Operator};
use super::place::{RestrictedOperator, apply, token_with};

/// Objects with the label of the operator, and nothing that can be used.
fn spoiled(place: &RestrictedOperator, name: &str) -> String {
    let labels = json!({"app.kubernetes.io/managed-by": "presign-operator"});
    let metadata = json!({"name": name, "namespace": place.space.namespace, "labels": labels});
    let of = |kind: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": metadata}).to_string();
    [of("Secret"), of("ConfigMap")].join("\n---\n")
}

async fn has_ca(place: &RestrictedOperator, name: &str) -> bool {
    let maps = Api::<ConfigMap>::namespaced(place.space.client.clone(), &place.space.namespace);
    // Not with the rights of the operator.
    let data = maps.get_opt(name).await.unwrap().and_then(|map| map.data);
    data.is_some_and(|data| data["ca.crt"].contains("BEGIN CERTIFICATE"))
}

/// How it is seen that a permission of the signing service is needed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Seen {
    /// There are no objects yet.
    Fresh,
    /// The objects are there, and are spoiled.
    Spoiled,
    /// A pod asks for a URL.
    Asked,
}

impl Seen {
    fn of(permission: &Permission) -> Self {
        match (permission.resource.as_str(), permission.verb.as_str()) {
            ("configmaps" | "secrets", "get" | "create") => Self::Fresh,
            ("configmaps" | "secrets", "update") => Self::Spoiled,
            ("tokenreviews" | "subjectaccessreviews", "create") => Self::Asked,
            other => panic!("nothing here shows what {other:?} is good for"),
        }
    }
}

/// A token for the signing service, of a pod that runs as the operator's account.
fn token_of_pod(place: &RestrictedOperator) -> String {
    let (world, namespace) = (place.space.world, place.space.namespace.as_str());
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "nodeName": namespace, "serviceAccountName": place.account(), "automountServiceAccountToken": false,
            "containers": [{"name": "c", "image": "none"}],
        },
    });
    apply(world, &pod.to_string());
    let flags = ["--audience=presign.dev", "--bound-object-kind=Pod", "--bound-object-name=web"];
    token_with(world, namespace, place.account(), &flags)
}

/// The status of the answer of the signing service to a pod, or how curl ended.
fn ask(replica: &Operator, token: &str) -> String {
    let signer = json!({"kind": "Signer", "name": "own"});
    let urls = json!({"": {"bucket": "reports", "key": "a", "signerRef": signer}});
    let body = json!({"urls": urls, "longerThan": null, "seed": 7}).to_string();
    let mut curl = curl_command();
    // Who the peer is plays no part here.
    curl.args(["--insecure", "--max-time", "30", "--output", "/dev/null", "--write-out", "%{http_code}"]);
    curl.args(["--header", &format!("Authorization: Bearer {token}"), "--data-binary", &body]);
    let output = curl.arg(format!("https://localhost:{}/v1/sign", replica.signing_port())).output();
    String::from_utf8(output.expect("curl is installed").stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_is_made_and_mended_and_pods_are_judged_and_each_permission_for_that_is_needed() {
    let _others = CLUSTER.read().await;
    let permissions = Roles::render(Mode::Signing, "home").of_signing().permissions();
    assert!(permissions.len() >= 8, "{permissions:?}");
    let whole = [(Seen::Fresh, None), (Seen::Spoiled, None)];
    let cases = permissions.iter().map(|without| (Seen::of(without), Some(without)));
    futures::stream::iter(whole.into_iter().chain(cases))
        .for_each_concurrent(4, async |(seen, without)| {
            let (runtime, without) = (Handle::current(), without.cloned());
            // On a thread of its own, so that a program that one case waits for does not stop the others.
            let judged = spawn_blocking(move || runtime.block_on(judge(seen, without.as_ref())));
            judged.await.unwrap();
        })
        .await;
}

/// With all permissions the service comes to work; without one of them, the API server refuses a call and the
/// operator tells.
async fn judge(seen: Seen, without: Option<&Permission>) {
    let place = RestrictedOperator::with(Mode::Signing, |permission| Some(permission) != without).await;
    let name = format!("{}-signing", place.space.namespace);
    if seen == Seen::Spoiled {
        apply(place.space.world, &spoiled(&place, &name));
    }
    place.space.operator.stop();
    let replica = place.signing_replica(&name);
    if seen == Seen::Asked || without.is_none() {
        wait_for(&replica, "the certificate", async || has_ca(&place, &name).await).await;
        let token = token_of_pod(&place);
        // Without a permission nobody can be asked who the pod is; otherwise its account may use no signer.
        let expected = if without.is_some() { "503" } else { "403" };
        let what = format!("{expected} without {without:?}");
        wait_for(&replica, &what, async || ask(&replica, &token) == expected).await;
    }
    let Some(permission) = without else { return place.assert_none_was_refused().await };
    let what = format!("{permission:?} is refused");
    wait_for(&replica, &what, async || place.was_refused(permission).await).await;
    if seen != Seen::Asked {
        replica.wait_log("the certificate of the signing service: cannot ").await;
        assert!(!has_ca(&place, &name).await, "{permission:?}");
    }
}

async fn wait_for(replica: &Operator, what: &str, is_so: impl AsyncFnMut() -> bool) {
    assert!(eventually(DEADLINE, is_so).await, "{what}: {}", replica.log());
}
