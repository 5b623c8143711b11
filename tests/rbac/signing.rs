//! The certificate of the signing service, kept with the rights of the chart.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::json;

use super::CLUSTER;
use super::chart::{Mode, Permission};
use super::harness::DEADLINE;
use super::place::{RestrictedOperator, apply};

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

#[tokio::test]
async fn the_certificate_is_made_and_mended_and_each_permission_for_that_is_needed() {
    let _others = CLUSTER.read().await;
    let cases: [(bool, Option<(&str, &str)>); 6] = [
        (false, None),
        (true, None),
        (false, Some(("configmaps", "get"))),
        (false, Some(("configmaps", "create"))),
        (true, Some(("configmaps", "update"))),
        (true, Some(("secrets", "update"))),
    ];
    for (is_spoiled, without) in cases {
        let without =
            without.map(|(resource, verb)| Permission { resource: resource.into(), verb: verb.into() });
        let place =
            RestrictedOperator::with(Mode::Signing, |permission| Some(permission) != without.as_ref()).await;
        let name = format!("{}-signing", place.space.namespace);
        if is_spoiled {
            apply(place.space.world, &spoiled(&place, &name));
        }
        place.space.operator.stop();
        let replica = place.signing_replica(&name);
        let deadline = Instant::now() + DEADLINE;
        loop {
            let is_done = match &without {
                None => has_ca(&place, &name).await,
                Some(permission) => place.was_refused(permission).await,
            };
            if is_done {
                break;
            }
            assert!(Instant::now() < deadline, "{is_spoiled} {without:?}: {}", replica.log());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        match without {
            None => place.assert_none_was_refused().await,
            Some(permission) => {
                assert!(!has_ca(&place, &name).await, "{permission:?}");
                let told = "the certificate of the signing service: cannot ";
                while !replica.log().contains(told) {
                    assert!(Instant::now() < deadline, "{permission:?}: {}", replica.log());
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}
