//! What goes with an apply, what takes a patch, and what stays.

use kube::ResourceExt as _;

use super::*;
use crate::crd::DeletionPolicy;
use crate::domain::Validity;
use crate::domain::model::{THEM, US, World, at};

/// How the Secret came to be owned as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Past {
    Applied,
    Created,
    CreatedAndApplied,
    CopiedByAnotherApply,
    Edited,
    RecordReset,
    RecordResetAndApplied,
}

const PASTS: [Past; 7] = [
    Past::Applied,
    Past::Created,
    Past::CreatedAndApplied,
    Past::CopiedByAnotherApply,
    Past::Edited,
    Past::RecordReset,
    Past::RecordResetAndApplied,
];

fn validity() -> Validity {
    Validity { signing_time: at(0), lifetime: 3600 }
}

fn apply(world: &mut World) {
    let secret = world.fresh(validity()).into_secret();
    world.server.apply(US, &secret, at(1)).unwrap();
}

fn world(past: Past) -> World {
    let mut world = World::new();
    world.request.target.labels.insert("team".to_owned(), "a".to_owned());
    world.request.target.annotations.insert("note".to_owned(), "a".to_owned());
    if past == Past::Applied {
        apply(&mut world);
        return world;
    }
    world.write(world.fresh(validity()), false).unwrap();
    match past {
        Past::Applied | Past::Created => {}
        Past::CreatedAndApplied => apply(&mut world),
        Past::CopiedByAnotherApply => {
            apply(&mut world);
            let copy = world.server.get().unwrap();
            world.server.apply(("backup", "Apply"), &copy, at(2)).unwrap();
        }
        Past::Edited => world.server.update(THEM, at(2), |secret| {
            secret.labels_mut().insert("their".to_owned(), "x".to_owned());
            secret.labels_mut().insert("presign.dev/x".to_owned(), "x".to_owned());
        }),
        Past::RecordReset => world.server.reset_managed_fields(),
        Past::RecordResetAndApplied => {
            world.server.reset_managed_fields();
            apply(&mut world);
        }
    }
    world
}

/// The Secret after one write of what is rendered now, and whether that was a patch.
fn written(world: &mut World) -> (Secret, bool) {
    let rendered = world.fresh(validity());
    let removal = Removal::beside_apply(&world.server.get().unwrap(), &rendered);
    (world.write(rendered, true).unwrap(), removal.is_some())
}

#[test]
fn what_is_rendered_takes_no_removal_unless_a_reserved_name_was_added() {
    for past in PASTS {
        let mut world = world(past);
        let (secret, is_patch) = written(&mut world);
        assert_eq!(is_patch, past == Past::Edited, "{past:?}");
        assert!(!secret.labels().contains_key("presign.dev/x"));
        assert_eq!(secret.labels().contains_key("their"), past == Past::Edited, "theirs stays");
    }
}

#[test]
fn an_owner_reference_of_ours_goes_in_one_write() {
    for past in PASTS {
        let mut world = world(past);
        world.request.target.deletion_policy = DeletionPolicy::Retain;
        let (secret, is_patch) = written(&mut world);
        assert_eq!(is_patch, past != Past::Applied, "{past:?}");
        assert_eq!(secret.owner_references().len(), 0, "{past:?}");
    }
}

#[test]
fn an_owner_of_somebody_else_stays() {
    for past in PASTS {
        let mut world = world(past);
        world.server.update(THEM, at(3), |secret| {
            let mut other = secret.owner_references()[0].clone();
            (other.uid, other.controller) = ("u-9".to_owned(), None);
            secret.owner_references_mut().push(other);
        });
        world.request.target.deletion_policy = DeletionPolicy::Retain;
        let (secret, _) = written(&mut world);
        let owners: Vec<_> = secret.owner_references().iter().map(|owner| owner.uid.as_str()).collect();
        assert_eq!(owners, ["u-9"], "{past:?}");
    }
}

#[test]
fn a_renamed_url_key_goes_in_one_write_and_the_usual_one_without_any_record() {
    for past in PASTS {
        let mut world = world(past);
        world.request.target.url_key = "link".to_owned();
        let (secret, _) = written(&mut world);
        let data = secret.data.unwrap();
        assert!(data.contains_key("link") && !data.contains_key("url"), "{past:?}");
    }
}

#[test]
fn a_label_goes_unless_somebody_else_applies_it_or_nobody_knows_whose_it_is() {
    for past in PASTS {
        let mut world = world(past);
        world.request.target.labels.clear();
        world.request.target.annotations.clear();
        let (secret, _) = written(&mut world);
        let stays = [Past::CopiedByAnotherApply, Past::RecordReset].contains(&past);
        assert_eq!(secret.labels().contains_key("team"), stays, "{past:?}");
        assert_eq!(secret.annotations().contains_key("note"), stays, "{past:?}");
    }
}

#[test]
fn the_patch_names_what_goes_and_nothing_else() {
    let mut world = world(Past::Created);
    let before = world.server.get().unwrap();
    world.request.target.labels.clear();
    world.request.target.deletion_policy = DeletionPolicy::Retain;
    let rendered = world.fresh(validity());
    let removal = Removal::beside_apply(&before, &rendered).unwrap();
    let patch = removal.patch(rendered.secret());
    assert_eq!(patch["metadata"]["labels"]["team"], Value::Null);
    assert!(patch["metadata"]["labels"].as_object().unwrap().contains_key("team"));
    assert_eq!(patch["metadata"]["ownerReferences"], json!([{"$patch": "delete", "uid": "u-1"}]));
    assert!(patch["data"].as_object().unwrap().values().all(|value| !value.is_null()));
}
