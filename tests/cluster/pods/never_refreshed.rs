//! Workloads that never see a new URL: who they are, until when, and what finding out costs.

use super::*;

#[tokio::test]
async fn who_never_refreshes_is_named_until_it_goes() {
    let space = Space::with("never-refreshed", &[GRANTED]).await;
    await_default_account(&space).await;
    let mut template = json!({"metadata": {"labels": {"app": "web"}}});
    template["spec"] = with_env("by-env");
    deploy(&space, "web", template).await;
    first_pod(&space).await;
    let part = json!({"volumes": secret_volume("by-part"), "initContainers": [mounting(Some("url"))],
        "containers": [{"name": "main", "image": "none"}]});
    make(&space, "bare", part, "Running").await;
    let all = json!({"containers": [{"name": "all", "image": "none", "envFrom": [{"secretRef": {"name": "by-all"}}]}]});
    make(&space, "whole", all, "Running").await;
    make(&space, "ended", with_env("fine"), "Succeeded").await;
    let mount = json!({"volumes": secret_volume("fine"), "containers": [mounting(None)]});
    make(&space, "refreshed", mount, "Running").await;
    for name in ["by-env", "by-part", "by-all", "fine"] {
        space.apply(name, space.spec(json!({"podRefresh": "Annotate"}))).await;
    }
    for (name, user, how) in [
        ("by-env", "Deployment \"web\"", "by an environment variable of container \"app\""),
        ("by-part", "Pod \"bare\"", "by a subPath mount of container \"c\""),
        ("by-all", "Pod \"whole\"", "by envFrom of container \"all\""),
    ] {
        let object = wait_rotation(&space, name, "NeverRefreshed").await;
        let (status, _, message) = rotation(&object);
        assert_eq!(status, "False");
        assert!(message.starts_with(&format!("{user} uses Secret \"{name}\" {how}")), "{message}");
        assert_eq!(ready(&object).unwrap().status, "True", "the URL is as good as ever");
    }
    // Whoever is told was found in the list that the ended pod would be in, and the report of the next
    // URL says what that list has shown.
    space.wait_ready("fine", "True", "Issued").await;
    wait_annotated(&space, "refreshed", &signing_time(&space, "fine").await).await;
    space.renew("fine", "one").await;
    assert_eq!(rotation(&space.presigned_urls().get("fine").await.unwrap()).1, "OverlapSufficient");

    // A restart changes nothing, and still sees the pod go.
    let before = space.presigned_urls().get("by-env").await.unwrap();
    space.operator.stop();
    let again = Operator::start(space.world, &space.namespace, &[GRANTED]);
    pods(&space).delete("bare", &DeleteParams::default()).await.unwrap();
    wait_rotation(&space, "by-part", "OverlapSufficient").await;
    let after = space.presigned_urls().get("by-env").await.unwrap();
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);

    // The next URL is a reason to look.
    pods(&space).delete("whole", &DeleteParams::default()).await.unwrap();
    space.renew("by-all", "one").await;
    wait_rotation(&space, "by-all", "OverlapSufficient").await;
    again.stop();
}

#[tokio::test]
async fn a_routine_renewal_without_annotations_asks_nothing_about_pods() {
    let space = Space::with("routine", &[GRANTED]).await;
    space.apply("report", space.spec(json!({"expiresIn": "1m", "renewBefore": "50s"}))).await;
    let mut last = space.wait_ready("report", "True", "Issued").await.status.unwrap().signing_time;
    // The second comes ten seconds after the first: later than a list would that the first asked for.
    for _ in 0..2 {
        let is_renewed = |object: &PresignedUrl| object.status.as_ref().unwrap().signing_time != last;
        last = space.wait("report", "a renewal", is_renewed).await.status.unwrap().signing_time;
    }
    assert_eq!(calls_about_pods(&space).await, ["list pods"], "the first look, and no more");
}
