//! What is read from a Secret: whose field is whose, and which key holds the URL.

mod kept;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;

use super::*;
use crate::crd::DeletionPolicy;
use crate::domain::decision::Decision;
use crate::domain::model::server::Manager;
use crate::domain::model::{SecretServer, THEM, US, World, at, owner, sign};
use crate::domain::{Sensitive, render};

/// A world with an hour's URL.
fn issued() -> World {
    let mut world = World::new();
    world.request.target.labels.insert("team".to_owned(), "a".to_owned());
    world.request.target.annotations.insert("note".to_owned(), "a".to_owned());
    world.request.headers.push(("Content-Type".to_owned(), "text/plain".to_owned()));
    world.request.renew = Some("token".to_owned());
    world.act(world.decide());
    world
}

fn read(server: &SecretServer) -> Stored {
    Stored::read(&server.get().unwrap())
}

fn put(secret: &mut Secret, key: &str, value: &str) {
    secret.data.get_or_insert_default().insert(key.to_owned(), ByteString(value.as_bytes().to_vec()));
}

fn value(secret: &Secret, key: &str) -> String {
    String::from_utf8(secret.data.as_ref().unwrap()[key].0.clone()).unwrap()
}

#[test]
fn reads_back_what_was_rendered() {
    for (policy, key) in [(DeletionPolicy::Delete, "url"), (DeletionPolicy::Retain, "z-link")] {
        let mut world = World::new();
        world.request.target.deletion_policy = policy;
        world.request.target.url_key = key.to_owned();
        world.act(world.decide());
        let stored = world.stored().unwrap();
        assert_eq!(Some(stored.content), world.rendered().map(|secret| secret.content()), "{key}");
        assert!(stored.is_url_ours && stored.is_managed);
        assert!(!stored.is_other_format && !stored.is_fixed);
        assert!(stored.is_shared, "a create is no apply");
        assert_eq!(stored.owner.as_deref(), Some("report"));
        let controller = ControllerRef { is_presigned_url: true, name: "report".into(), uid: "u-1".into() };
        assert_eq!(stored.controller, (policy == DeletionPolicy::Delete).then_some(controller));
        assert_eq!((&*stored.uid, stored.resource_version), ("s-1", 1));
        assert_eq!(stored.content.url.unwrap().validity, Validity { signing_time: at(0), lifetime: 3600 });
    }
}

#[test]
fn additions_by_others_leave_the_content_equal() {
    let mut world = issued();
    let content = world.stored().unwrap().content;
    world.server.update(THEM, at(9), |secret| {
        secret.labels_mut().insert("their".to_owned(), "x".to_owned());
        secret.annotations_mut().insert("their".to_owned(), "x".to_owned());
        put(secret, "a-file", "x");
        put(secret, "z-file", "https://example.org");
        let mut reference = secret.owner_references()[0].clone();
        (reference.uid, reference.controller) = ("other".to_owned(), None);
        secret.owner_references_mut().insert(0, reference);
    });
    let stored = world.stored().unwrap();
    assert_eq!(stored.content, content);
    assert!(stored.is_url_ours);
    assert_eq!(&*stored.controller.unwrap().uid, "u-1");
}

#[test]
fn what_was_ours_and_changed_makes_another_frame() {
    let edits: [fn(&mut Secret); 9] = [
        |s| drop(s.labels_mut().insert("team".to_owned(), "b".to_owned())),
        |s| drop(s.labels_mut().remove("team")),
        |s| drop(s.annotations_mut().insert("note".to_owned(), "b".to_owned())),
        |s| drop(s.annotations_mut().remove("note")),
        |s| put(s, "method", "PUT"),
        |s| put(s, "headers", ""),
        |s| drop(s.data.as_mut().unwrap().remove("expires-at")),
        |s| s.owner_references_mut().clear(),
        |s| s.owner_references_mut()[0].name = "other".to_owned(),
    ];
    let content = issued().stored().unwrap().content;
    for (number, edit) in edits.into_iter().enumerate() {
        let mut world = issued();
        world.server.update(THEM, at(9), edit);
        let changed = world.stored().unwrap().content;
        assert_ne!(changed.other_fields, content.other_fields, "edit {number}");
        assert_eq!(changed.url, content.url, "edit {number}");
    }
}

#[test]
fn a_field_that_somebody_else_applies_too_stays_ours_if_we_applied_it() {
    let mut world = issued();
    world.act(Decision::Repair);
    let copy = world.server.get().unwrap();
    world.server.apply(("backup", "Apply"), &copy, at(9)).unwrap();
    let stored = world.stored().unwrap();
    assert_eq!(Some(stored.content), world.rendered().map(|secret| secret.content()));
    assert!(stored.is_url_ours);
}

#[test]
fn a_url_that_somebody_replaced_is_not_ours() {
    let mut world = issued();
    world.server.update(THEM, at(9), |secret| {
        let url = value(secret, "url").replace("Signature=", "Signature=0");
        put(secret, "url", &url);
    });
    let stored = world.stored().unwrap();
    assert!(!stored.is_url_ours);
    let (changed, fresh) = (stored.content.url.unwrap(), world.rendered().unwrap().content().url.unwrap());
    assert_ne!(changed.signature, fresh.signature);
    assert_eq!((changed.address, changed.identity), (fresh.address, fresh.identity));
}

#[test]
fn each_part_of_the_url_has_a_digest_of_its_own() {
    let world = issued();
    let signed = |from: &str, to: &str| {
        let mut signed = sign(
            &world.request,
            world.credentials.as_ref().unwrap(),
            Validity { signing_time: at(0), lifetime: 60 },
        );
        signed.url = Sensitive::new(signed.url.expose().replace(from, to));
        render(&world.request, &signed, &owner(), None).content().url.unwrap()
    };
    let before = signed("", "");
    for (from, to, changed) in [
        ("summary", "other", [true, false, false]),
        ("us-west", "us-east", [true, false, false]),
        ("AKIA", "ASIA", [false, true, false]),
        ("&X-Amz-SignedHeaders", "&X-Amz-Security-Token=t&X-Amz-SignedHeaders", [false, true, false]),
        ("Signature=", "Signature=0", [false, false, true]),
    ] {
        let after = signed(from, to);
        let differs = [
            before.address != after.address,
            before.identity != after.identity,
            before.signature != after.signature,
        ];
        assert_eq!(differs, changed, "{from} {to}");
        assert_eq!(before.validity, after.validity);
    }
}

/// What owns a data key: us, them, or both of us with the same value.
const BOTH: Manager = ("both", "");

#[test]
fn the_url_is_under_our_key_before_theirs() {
    let url =
        "https://h/b/k?X-Amz-Credential=I%2FS&X-Amz-Date=20300101T000000Z&X-Amz-Expires=60&X-Amz-Signature=s";
    let cases: [(&[(&str, &str, Manager)], Option<&str>, bool); 10] = [
        (&[], None, false),
        (&[("method", url, US)], None, false),
        (&[("link", url, US)], Some("link"), true),
        (&[("link", url, US), ("a", url, THEM), ("url", url, THEM)], Some("link"), true),
        (&[("link", url, BOTH), ("a", url, THEM)], Some("link"), true),
        (&[("a", "x", THEM), ("url", url, THEM)], Some("url"), false),
        (&[("b", url, THEM), ("a", "x", THEM)], Some("b"), false),
        (&[("b", "x", THEM), ("a", "x", THEM)], None, false),
        // A release that wrote another file beside the URL.
        (&[("curl", "curl -fsS", US), ("url", url, US)], Some("url"), true),
        (&[("curl", "curl -fsS", US), ("link", url, US)], Some("link"), true),
    ];
    for (number, (data, key, is_ours)) in cases.into_iter().enumerate() {
        let mut server = SecretServer::default();
        let mut ours = Secret { type_: Some("Opaque".to_owned()), ..Secret::default() };
        for (key, value, _) in data.iter().filter(|(.., manager)| *manager != THEM) {
            put(&mut ours, key, value);
        }
        server.apply(US, &ours, at(0)).unwrap();
        let both = data.iter().filter(|(.., manager)| *manager == BOTH);
        let mut shared = Secret::default();
        both.for_each(|(key, value, _)| put(&mut shared, key, value));
        server.apply(("backup", "Apply"), &shared, at(1)).unwrap();
        for (key, value, _) in data.iter().filter(|(.., manager)| *manager == THEM) {
            server.update(THEM, at(1), |secret| put(secret, key, value));
        }
        let secret = server.get().unwrap();
        assert_eq!(url_key(&secret, &OwnedFields::read(&secret.metadata)), key, "case {number}");
        assert_eq!(Stored::read(&secret).is_url_ours, is_ours, "case {number}");
    }
}

#[test]
fn the_format_counts_only_as_we_wrote_it() {
    let write = |server: &mut SecretServer, manager: Manager, format: Option<&str>| {
        server.update(manager, at(9), |secret| match format {
            Some(format) => {
                drop(secret.annotations_mut().insert(ANNOTATION_FORMAT.to_owned(), format.to_owned()));
            }
            None => drop(secret.annotations_mut().remove(ANNOTATION_FORMAT)),
        });
    };
    for (manager, format, is_other) in [
        (US, Some("0"), true),
        (US, Some("2"), true),
        (US, Some(FORMAT), false),
        (THEM, Some("2"), false),
        (THEM, None, false),
    ] {
        let mut server = issued().server;
        write(&mut server, manager, format);
        assert_eq!(read(&server).is_other_format, is_other, "{manager:?} {format:?}");
    }
}

#[test]
fn what_can_never_be_changed_is_recognized() {
    for (edit, is_fixed) in [
        ((|s| s.immutable = Some(true)) as fn(&mut Secret), true),
        (|s| s.immutable = Some(false), false),
        (|s| s.type_ = Some("kubernetes.io/tls".to_owned()), true),
    ] {
        let mut server = issued().server;
        server.update(THEM, at(9), edit);
        assert_eq!(read(&server).is_fixed, is_fixed);
    }
}

#[test]
fn a_token_is_no_longer_than_a_status_can_hold() {
    let mut server = issued().server;
    assert_eq!(read(&server).handled_renew.as_deref(), Some("token"));
    server.update(THEM, at(9), |secret| {
        secret.annotations_mut().insert(ANNOTATION_RENEW.to_owned(), "ü".repeat(200));
    });
    assert_eq!(read(&server).handled_renew.unwrap().chars().count(), 128);
}

#[test]
fn the_empty_secret_holds_nothing() {
    let stored = Stored::read(&Secret::default());
    assert_eq!(
        (stored.content.url, stored.controller, stored.owner, stored.handled_renew),
        (None, None, None, None)
    );
    assert!(!stored.is_managed && !stored.is_url_ours);
}

#[test]
fn resource_versions_compare_as_numbers() {
    for (text, expected) in [
        (Some("10"), 10),
        (Some("9"), 9),
        (Some("18446744073709551615"), u64::MAX),
        (Some("x"), 0),
        (None, 0),
    ] {
        assert_eq!(resource_version(text), expected, "{text:?}");
    }
}

#[test]
fn nothing_of_the_secret_can_be_printed() {
    let world = issued();
    let secret = world.server.get().unwrap();
    let url = value(&secret, "url");
    let signature = url.rsplit_once('=').unwrap().1;
    let printed = format!("{:?} {:?}", world.stored().unwrap(), world.rendered().unwrap());
    for hidden in ["AKIA", "X-Amz", "summary", signature] {
        assert!(url.contains(hidden) && !printed.contains(hidden), "{hidden}");
    }
}
