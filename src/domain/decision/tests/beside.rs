//! What differs beside the URL: repaired, left to others, or another format's own.

use kube::ResourceExt as _;

use super::*;
use crate::crd::DeletionPolicy;
use crate::crd::names::{ANNOTATION_FORMAT, ANNOTATION_OWNER, LABEL_MANAGED};
use crate::domain::model::US;

/// Changes that leave the URL alone.
const BESIDE: [(&str, Act); 13] = [
    ("a label of the spec", |w| drop(w.request.target.labels.insert("team".to_owned(), "b".to_owned()))),
    ("an annotation of the spec", |w| w.request.target.annotations.clear()),
    ("key of the URL", |w| w.request.target.url_key = "link".to_owned()),
    ("policy", |w| w.request.target.deletion_policy = DeletionPolicy::Retain),
    ("their value of our label", |w| {
        them(w, |s| drop(s.labels_mut().insert(LABEL_MANAGED.into(), "no".into())));
    }),
    ("our label gone", |w| them(w, |s| drop(s.labels_mut().remove("team")))),
    ("our annotation gone", |w| them(w, |s| drop(s.annotations_mut().remove(ANNOTATION_OWNER)))),
    ("their format", |w| them(w, |s| drop(s.annotations_mut().insert(ANNOTATION_FORMAT.into(), "9".into())))),
    ("owner reference gone", |w| them(w, |s| s.owner_references_mut().clear())),
    ("method edited", |w| them(w, |s| put(s, "method", b"PUT"))),
    ("method gone", |w| them(w, |s| drop(take(s, "method")))),
    ("headers edited", |w| them(w, |s| put(s, "headers", b"X: y\n"))),
    ("expiry edited", |w| them(w, |s| put(s, "expires-at", b"2040-01-01T00:00:00Z"))),
];

/// An hour's URL with labels and annotations, signed by a session that ends with it.
fn adorned() -> World {
    issued(|world| {
        world.credentials = Some(credentials("ASIA", Some(at(3600))));
        world.request.target.labels.insert("team".to_owned(), "a".to_owned());
        world.request.target.annotations.insert("note".to_owned(), "a".to_owned());
    })
}

#[test]
fn what_differs_beside_the_url_is_repaired_with_the_same_url() {
    for (name, change) in BESIDE {
        let mut world = adorned();
        let url = text(&world, "url");
        change(&mut world);
        assert_eq!(world.decide(), Decision::Repair, "{name}");
        world.act(Decision::Repair);
        assert_eq!(world.decide(), keep(2400), "{name}");
        assert_eq!(text(&world, &world.request.target.url_key), url, "{name}");
    }
}

#[test]
fn a_renewal_that_waits_keeps_nothing_from_being_repaired() {
    for renew in [None, Some("please".to_owned())] {
        for (name, change) in BESIDE {
            let mut world = adorned();
            world.now = at(3591);
            let waiting = world.decide();
            change(&mut world);
            world.request.renew.clone_from(&renew);
            assert_eq!(world.decide(), Decision::Repair, "{name}");
            world.act(Decision::Repair);
            world.request.renew = None;
            assert_eq!(world.decide(), waiting, "{name}");
        }
    }
}

#[test]
fn what_others_add_is_theirs() {
    let additions: [(&str, Act); 5] = [
        ("label", |w| them(w, |s| drop(s.labels_mut().insert("their".into(), "x".into())))),
        ("annotation", |w| them(w, |s| drop(s.annotations_mut().insert("their".into(), "x".into())))),
        ("data", |w| them(w, |s| put(s, "aaa", b"https://a"))),
        ("a URL of theirs", |w| {
            let url = text(w, "url");
            them(w, |s| put(s, "aaa", url.as_bytes()));
        }),
        ("owner", |w| {
            let mut other = w.server.get().unwrap().owner_references()[0].clone();
            (other.uid, other.controller) = ("u-9".to_owned(), None);
            them(w, |s| s.owner_references_mut().push(other));
        }),
    ];
    for (name, add) in additions {
        let mut world = adorned();
        add(&mut world);
        assert_eq!(world.decide(), keep(2400), "{name}");
        world.request.target.labels.clear();
        world.act(world.decide());
        assert_eq!(world.decide(), keep(2400), "still kept after a repair: {name}");
    }
}

/// Renewed once: the record names our apply beside our create.
fn renewed() -> World {
    let mut world = adorned();
    world.credentials = Some(credentials("AKIA", None));
    world.act(world.decide());
    world
}

#[test]
fn what_we_render_no_more_goes_whoever_owns_it_too() {
    let owners: [(&str, Act); 4] = [
        ("our create", |_| {}),
        ("a backup's apply", |w| {
            let copy = w.server.get().unwrap();
            drop(w.server.apply(("backup", "Apply"), &copy, w.now));
        }),
        ("nobody, after a reset", |w| w.server.reset_managed_fields()),
        ("before-first-apply", |w| {
            w.server.reset_managed_fields();
            w.act(w.decide());
        }),
    ];
    for (name, co_own) in owners {
        for world in [adorned(), renewed()] {
            let mut world = world;
            co_own(&mut world);
            world.request.target.deletion_policy = DeletionPolicy::Retain;
            world.request.target.url_key = "link".to_owned();
            assert_eq!(world.decide(), Decision::Repair, "{name}");
            world.act(Decision::Repair);
            let secret = world.server.get().unwrap();
            assert_eq!(secret.owner_references().len(), 0, "{name}");
            // Without a record the first write begins none: an apply follows.
            (0..2).for_each(|_| world.act(world.decide()));
            assert!(matches!(world.decide(), Decision::Keep { .. }), "{name}: {:?}", world.decide());
        }
    }
}

#[test]
fn a_label_that_somebody_else_applies_stays_and_one_that_a_create_of_ours_wrote_goes() {
    for (is_declared, expected) in [(true, Some("a")), (false, None)] {
        for world in [adorned(), renewed()] {
            let mut world = world;
            if is_declared {
                let copy = world.server.get().unwrap();
                drop(world.server.apply(("backup", "Apply"), &copy, world.now));
            }
            world.request.target.labels.clear();
            (0..2).for_each(|_| world.act(world.decide()));
            assert!(matches!(world.decide(), Decision::Keep { .. }), "{:?}", world.decide());
            let secret = world.server.get().unwrap();
            assert_eq!(secret.labels().get("team").map(String::as_str), expected);
        }
    }
}

/// Writes the Secret as a release with another format would.
fn with_format(world: &mut World, format: &str, edit: impl FnOnce(&mut Secret)) {
    let mut secret = world.rendered().unwrap().into_secret();
    secret.annotations_mut().insert(ANNOTATION_FORMAT.to_owned(), format.to_owned());
    edit(&mut secret);
    secret.metadata.uid = None;
    secret.metadata.resource_version = None;
    world.server.apply(US, &secret, world.now).unwrap();
}

#[test]
fn another_format_is_replaced_at_its_renewal() {
    let edits: [(&str, fn(&mut Secret)); 5] = [
        ("nothing", |_| {}),
        ("labels", |s| drop(s.labels_mut().insert("new".into(), "x".into()))),
        ("headers", |s| put(s, "headers", b"A: b\r\n")),
        ("another key", |s| put(s, "curl", b"curl -fsS ...")),
        ("signature", |s| {
            let url = take(s, "url").replace("Signature=", "Signature=0");
            put(s, "url", url.as_bytes());
        }),
    ];
    for (name, edit) in edits {
        for format in ["0", "2"] {
            let mut world = settled();
            with_format(&mut world, format, edit);
            assert_eq!(world.decide(), keep(2400), "{name}");
            world.now = at(2400);
            assert_eq!(reason(&world), Some(IssueReason::RenewalDue), "{name}");
            world.act(world.decide());
            assert_eq!(world.decide(), keep(4800), "{name}");
        }
    }
}

#[test]
fn another_format_hides_no_edit_of_the_address_and_no_other_key() {
    for (expected, change) in [
        (IssueReason::SpecChanged, (|w| w.request.key.push('x')) as Act),
        (IssueReason::SpecChanged, |w| w.request.expires_in = 60),
        (IssueReason::CredentialsChanged, |w| w.credentials = Some(credentials("OTHER", None))),
        (IssueReason::Requested, |w| w.request.renew = Some("please".to_owned())),
    ] {
        let mut world = settled();
        with_format(&mut world, "2", |_| {});
        change(&mut world);
        assert_eq!(reason(&world), Some(expected));
    }
}
