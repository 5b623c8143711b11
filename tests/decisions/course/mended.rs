//! Sequences that a reader of the first version found, each the shortest that showed a fault.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use super::happenings::{Happening, Keys, Word};
use super::{Course, Start};
use crate::arbitrary::{Edit, Idle, Touch};
use crate::crd::{Method, SignerKind};
use crate::domain::history::{History, Inputs};
use crate::domain::policy::Requester;
use crate::domain::resolve::{ConnectionSettings, Permission, ResolveContext, resolve};
use crate::domain::signer::{ParsedSigner, SignerId};
use crate::model::{THEM, World, at};

/// A link of an hour, signed only once, whose credentials are those of a signer or its own.
fn link(has_signer: bool) -> Course {
    Course::begin(Start { seed: 0, expires_in: 3600, is_once: true, ttl: None, has_signer })
}

/// The URL in the Secret, empty if it ended.
fn url(course: &Course) -> String {
    let data = course.world.server.get().unwrap().data.unwrap();
    String::from_utf8(data["url"].0.clone()).unwrap()
}

fn say(course: &mut Course, word: Word) {
    course.happen(&Happening::Say(word));
}

/// The emptied Secret remembers what `resolve` makes up for a namespace that is not served.
#[test]
fn a_link_that_was_withdrawn_from_its_namespace_is_not_signed_again_when_the_namespace_is_back() {
    for word in [Word::Denied { is_withdrawn: true }, Word::Unserved { is_withdrawn: true }] {
        let mut course = link(true);
        say(&mut course, word);
        assert_eq!(url(&course), "");
        say(&mut course, Word::Allowed(None));
        assert_eq!(url(&course), "", "signed again after {word:?}");
    }
}

/// A longer lifetime looks like that of the other credentials.
#[test]
fn a_longer_life_signs_a_link_again_after_a_rotation() {
    for is_rotated in [false, true] {
        let mut course = link(false);
        let before = url(&course);
        course.idle(Idle::Seconds(600));
        if is_rotated {
            course.happen(&Happening::Rotate(Keys::Lasting(0, 0)));
        }
        course.happen(&Happening::Edit(Edit::ExpiresIn(7200)));
        assert_ne!(url(&course), before, "rotated: {is_rotated}");
    }
}

/// Without credentials, a longer lifetime is not seen, and the end remembers the edited spec.
#[test]
fn a_longer_life_that_was_asked_for_without_credentials_is_signed_when_they_are_back() {
    let mut course = link(false);
    course.happen(&Happening::Rotate(Keys::Missing));
    course.happen(&Happening::Edit(Edit::ExpiresIn(7200)));
    course.idle(Idle::Expiration(10));
    course.happen(&Happening::Rotate(Keys::Lasting(0, 0)));
    assert_ne!(url(&course), "");
}

/// What the URL was for is told by the keys beside it, which may be somebody else's for a while.
#[test]
fn another_method_signs_a_link_again_though_somebody_changed_the_keys_beside_the_url() {
    for is_touched in [false, true] {
        let mut course = link(false);
        let before = url(&course);
        course.happen(&Happening::Suspend(true));
        if is_touched {
            course.happen(&Happening::Touch(Touch::EditSideKeys));
        }
        course.happen(&Happening::Edit(Edit::Method(Method::Head)));
        course.happen(&Happening::Suspend(false));
        assert_ne!(url(&course), before, "touched: {is_touched}");
    }
}

/// The bucket does not fit the connection that is made up for a namespace that is not served.
#[test]
fn a_url_for_an_access_point_is_withdrawn_too() {
    for bucket in ["reports", "arn:aws:s3:eu-west-1:123456789012:accesspoint/media"] {
        let signer = json!({
            "s3": {"region": "eu-west-1", "credentials": {"secretRef": {"name": "media-key"}}},
            "allowedNamespaces": {"from": "Names", "names": ["team-b"]},
            "policy": {"whenDenied": "Withdraw", "rules": [{
                "name": "all", "methods": ["GET"], "buckets": [bucket], "keyPrefixes": ["a/"],
            }]},
        });
        let (kind, name) = (SignerKind::ClusterSigner, "media".to_owned());
        let id = SignerId { kind, namespace: String::new(), name };
        let signer = serde_json::from_value(signer).unwrap();
        let signer = ParsedSigner::of_cluster(id, "u-signer".to_owned(), 1, &signer, "platform").unwrap();
        let reference = json!({"kind": "ClusterSigner", "name": "media"});
        let spec = json!({"bucket": bucket, "key": "a/b", "signerRef": reference});
        let spec = serde_json::from_value(spec).unwrap();
        let settings = ConnectionSettings::default();
        let context = ResolveContext { settings: &settings, signer: Some(Ok(&signer)), labels: None };
        let resolved = resolve(Requester::new("team-a", "report"), &spec, None, &context);
        let is_withdrawn = resolved
            .as_ref()
            .is_ok_and(|it| matches!(it.permission, Permission::Denied { is_withdrawn: true, .. }));
        assert!(is_withdrawn, "{bucket}: {resolved:?}");
    }
}

/// A Secret of an earlier name still holds the URL.
#[test]
fn a_target_that_cannot_be_written_keeps_no_other_secret_from_being_withdrawn() {
    let foreign = |secret: &mut Secret| {
        secret.data = Some([("url".to_owned(), ByteString(b"theirs".to_vec()))].into());
    };
    let fixed = |secret: &mut Secret| secret.immutable = Some(true);
    for (name, is_ours, edit) in [
        ("foreign", false, &foreign as &dyn Fn(&mut Secret)),
        ("immutable", true, &fixed as &dyn Fn(&mut Secret)),
    ] {
        let mut world = World::new();
        if is_ours {
            world.act(world.decide());
        }
        world.server.update(THEM, at(1), edit);
        world.permission = Word::Denied { is_withdrawn: true }.permission();
        let plan = world.plan(&History::default(), &Inputs::default(), true);
        assert!(plan.withdraws, "{name}: {plan:?}");
    }
}

/// Where the record of who wrote what is reset, any client could have written the time.
#[test]
fn a_time_that_is_not_known_to_be_ours_deletes_no_object() {
    let start = Start { seed: 0, expires_in: 60, is_once: true, ttl: Some(1181), has_signer: true };
    let mut course = Course::begin(start);
    for (happening, idle) in [
        (Happening::Edit(Edit::UrlKey(1)), Idle::Seconds(59)),
        (Happening::Touch(Touch::ResetRecord), Idle::Lifetimes(2)),
        (Happening::Say(Word::Denied { is_withdrawn: false }), Idle::Credentials(0)),
        (Happening::Edit(Edit::Bucket(0)), Idle::Seconds(0)),
        (Happening::Say(Word::Allowed(None)), Idle::Seconds(1)),
        (Happening::Rotate(Keys::Missing), Idle::Reconcile(-1)),
        (Happening::Edit(Edit::Bucket(0)), Idle::Seconds(0)),
    ] {
        course.idle(idle);
        course.happen(&happening);
    }
    course.idle(Idle::Seconds(10_000));
    assert!(course.next.is_some(), "it was deleted");
}
