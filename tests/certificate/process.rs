//! The operator as users run it: one replica writes, and the other serves what is stored.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;

use super::harness::{Operator, Space};

const SERVES: &str = "serving the certificate of the signing service";

#[tokio::test]
async fn a_standby_serves_what_the_leader_has_stored_and_neither_logs_a_key() {
    // The kubeconfig of the tests names this namespace.
    let (home, name) = ("default", "signing-of-a-process");
    let environment =
        [("PRESIGN_SIGNING_CERTIFICATE", name), ("PRESIGN_SIGNING_DNS_NAMES", "signing.presign-system.svc")];
    let space = Space::with("certificate", &environment).await;
    space.operator.wait_log(SERVES).await;
    let secrets = Api::<Secret>::namespaced(space.client.clone(), home);
    let made = secrets.get(name).await.unwrap();
    let standby = Operator::start(space.world, &space.namespace, &environment);
    standby.wait_log(SERVES).await;
    assert!(space.operator.log().contains(" leading"), "{}", space.operator.log());
    assert!(!standby.log().contains(" leading"), "{}", standby.log());
    assert_eq!(secrets.get(name).await.unwrap(), made);
    let maps = Api::<ConfigMap>::namespaced(space.client.clone(), home);
    assert!(maps.get(name).await.unwrap().data.unwrap()["ca.crt"].contains("BEGIN CERTIFICATE"));
    let key = String::from_utf8(made.data.unwrap()["tls.key"].0.clone()).unwrap();
    let line = key.lines().nth(1).unwrap();
    for operator in [&space.operator, &standby] {
        assert!(!operator.log().contains(line), "the private key is in the log");
    }
}
