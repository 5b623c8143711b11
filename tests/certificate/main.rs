//! The certificate of the signing service on a real API server: how it is kept, renewed and mended, and whether
//! clients accept it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]

#[allow(dead_code, unused_imports, reason = "the stories use more of it")]
#[path = "../cluster/harness/mod.rs"]
mod harness;
mod keeper;
mod process;

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ObjectMeta, PostParams};

use keeper::{Answer, CertificateNamespace, Keeper};

const DAY: i64 = 24 * 3600;

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_makes_both_objects_and_a_restart_makes_nothing() {
    let place = CertificateNamespace::new().await;
    let keeper = Keeper::start(&place).await;
    let (secret, bundle) = (place.secret().await, place.bundle().await);
    assert_eq!(secret.type_.as_deref(), Some("Opaque"));
    assert_eq!(keeper.ask(&bundle), Answer::Trusted);
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
    assert_eq!(keeper.ask(&other), Answer::Untrusted);
    let map = place.config_map().await.unwrap();
    assert_eq!(map.data.as_ref().unwrap().keys().collect::<Vec<_>>(), ["ca.crt"]);
    assert!(!bundle.contains("PRIVATE KEY"));
    keeper.stop();

    let keeper = Keeper::start(&place).await;
    assert_eq!(keeper.ask(&bundle), Answer::Trusted);
    place.wait_looks(5).await;
    assert_eq!(place.secret().await.resource_version(), secret.resource_version());
    assert_eq!(place.config_map().await.unwrap().resource_version(), map.resource_version());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_or_spoiled_secret_is_mended_and_clients_notice_nothing() {
    let place = CertificateNamespace::new().await;
    let keeper = Keeper::start(&place).await;
    let (first, bundle) = (place.secret().await, place.bundle().await);
    let served = first.data.as_ref().unwrap()["tls.crt"].clone();
    let is_back =
        |secret: &Secret| secret.data.as_ref().is_some_and(|data| data.get("tls.crt") == Some(&served));
    place.secrets.delete(&place.name, &DeleteParams::default()).await.unwrap();
    let back = place.wait_secret("the same certificate", is_back).await;
    assert!(back.data.unwrap().contains_key("next-tls.crt"), "somebody may have wanted another key");
    assert_eq!(keeper.ask(&bundle), Answer::Trusted);

    let spoils: [fn(&mut BTreeMap<String, ByteString>); 3] = [
        BTreeMap::clear,
        |data| drop(data.insert("tls.key".to_owned(), ByteString(b"garbage".to_vec()))),
        |data| drop(data.insert("tls.crt".to_owned(), data["next-tls.crt"].clone())),
    ];
    for spoil in spoils {
        let spoiled = place.change_secret(spoil).await;
        let is_mended =
            |secret: &Secret| is_back(secret) && secret.resource_version() != spoiled.resource_version();
        place.wait_secret("the certificate again", is_mended).await;
        assert_eq!(keeper.ask(&bundle), Answer::Trusted);
    }

    place.config_maps.delete(&place.name, &DeleteParams::default()).await.unwrap();
    place.wait_bundle("the CAs again", |now| now.contains(bundle.trim())).await;
    keeper.stop();

    // Nobody remembers the key any more.
    place.secrets.delete(&place.name, &DeleteParams::default()).await.unwrap();
    let keeper = Keeper::start(&place).await;
    let now = place.wait_bundle("another CA", |now| !now.contains(bundle.trim())).await;
    assert_eq!((keeper.ask(&now), keeper.ask(&bundle)), (Answer::Trusted, Answer::Untrusted));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_publishes_the_next_ca_a_day_before_it_is_used() {
    let place = CertificateNamespace::new().await;
    // The clients follow the real time, so the operator begins in the past.
    let keeper = Keeper::start_at(&place, -62 * DAY).await;
    let first = place.bundle().await;
    assert_eq!(keeper.ask(&first), Answer::Trusted);

    keeper.clock.set(-DAY - 60);
    let both = place.wait_bundle("two CAs", |now| now.matches("BEGIN").count() == 2).await;
    assert!(both.contains(first.trim()));
    let planned = |secret: &Secret| secret.data.as_ref().unwrap().contains_key("next-served-from");
    place.wait_secret("a plan", planned).await;
    assert_eq!(keeper.ask(&first), Answer::Trusted, "the first certificate is still served");

    keeper.clock.set(0);
    keeper.wait_for(&first, Answer::Untrusted).await;
    assert_eq!(keeper.ask(&both), Answer::Trusted, "a client that has only the earlier bundle");
    let after = place.wait_bundle("both CAs in the other order", |now| now != both).await;
    assert!(after.contains(first.trim()), "another replica may serve the first certificate for a while");

    keeper.clock.set(DAY + 60);
    let last = place.wait_bundle("one CA", |now| now.matches("BEGIN").count() == 1).await;
    assert_eq!(keeper.ask(&last), Answer::Trusted);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_that_both_write_agree_on_one_certificate() {
    let place = CertificateNamespace::new().await;
    let (one, two) = tokio::join!(Keeper::start(&place), Keeper::start(&place));
    let agree = async |what: &str| {
        for keeper in [&one, &two] {
            let is_trusted = async || keeper.ask(&place.bundle().await) == Answer::Trusted;
            assert!(testbed::eventually(harness::DEADLINE, is_trusted).await, "{what}");
        }
    };
    agree("after the start").await;
    let bundle = place.bundle().await;
    for _ in 0..3 {
        place.secrets.delete(&place.name, &DeleteParams::default()).await.unwrap();
        place.wait_secret("the Secret", |_| true).await;
        assert_eq!((one.ask(&bundle), two.ask(&bundle)), (Answer::Trusted, Answer::Trusted));
    }
    agree("after the Secret was deleted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_somebody_else_is_left_alone() {
    let place = CertificateNamespace::new().await;
    let theirs = Secret {
        metadata: ObjectMeta { name: Some(place.name.clone()), ..ObjectMeta::default() },
        data: Some(BTreeMap::from([("password".to_owned(), ByteString(b"theirs".to_vec()))])),
        ..Secret::default()
    };
    let theirs = place.secrets.create(&PostParams::default(), &theirs).await.unwrap();
    let keeper = Keeper::begin(&place, 0).await;
    place.wait_looks(5).await;
    assert_eq!(place.secret().await, theirs);
    assert!(place.config_map().await.is_none());
    place.secrets.delete(&place.name, &DeleteParams::default()).await.unwrap();
    let bundle = place.wait_bundle("a CA", |now| !now.is_empty()).await;
    keeper.wait_for(&bundle, Answer::Trusted).await;
}
