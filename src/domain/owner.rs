//! The owner of a Secret.

use super::stored::Stored;

/// The `PresignedUrl` that a Secret is written for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Owner {
    /// Namespace of the object, which is also that of its Secret.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// UID of the object, which distinguishes it from a deleted object of the same name.
    pub uid: String,
}

/// Whether a Secret may be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ownership {
    /// The Secret belongs to this owner.
    Ours,
    /// The Secret belongs to a deleted `PresignedUrl` of the same name, and will be garbage-collected.
    Predecessors,
    /// The Secret was not written for this owner, and is never touched.
    Foreign,
}

impl Ownership {
    /// A Secret is ours when its controller has the UID of this object. A Secret without a controller is
    /// ours when it carries our label and its annotation names this object, as a retained or an orphaned
    /// Secret does. Both proofs count under both deletion policies.
    #[must_use]
    pub fn of(stored: &Stored, owner: &Owner) -> Self {
        let proven = match &stored.controller {
            Some(controller) if *controller.uid == *owner.uid => true,
            Some(controller) if controller.is_presigned_url && *controller.name == *owner.name => {
                return Self::Predecessors;
            }
            Some(_) => false,
            None => stored.is_managed && stored.owner.as_deref() == Some(owner.name.as_str()),
        };
        if proven { Self::Ours } else { Self::Foreign }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
    use kube::ResourceExt as _;

    use super::*;
    use crate::crd::names::{ANNOTATION_OWNER, LABEL_MANAGED};
    use crate::domain::model::{THEM, World, at, owner};

    type Edit = fn(&mut k8s_openapi::api::core::v1::Secret);

    /// The ownership of our Secret after another client edited it.
    fn ownership(edit: Edit) -> Ownership {
        let mut world = World::new();
        world.act(world.decide());
        world.server.update(THEM, at(9), edit);
        Ownership::of(&world.stored().unwrap(), &owner())
    }

    fn controller(secret: &mut k8s_openapi::api::core::v1::Secret) -> &mut OwnerReference {
        &mut secret.owner_references_mut()[0]
    }

    fn release(secret: &mut k8s_openapi::api::core::v1::Secret) {
        secret.owner_references_mut().clear();
    }

    #[test]
    fn either_proof_is_enough() {
        let cases: [(&str, Edit); 5] = [
            ("as we wrote it", |_| {}),
            ("our controller reference alone", |s| {
                s.labels_mut().clear();
                s.annotations_mut().clear();
            }),
            ("our controller reference and another's name", |s| {
                s.annotations_mut().insert(ANNOTATION_OWNER.to_owned(), "other".to_owned());
            }),
            ("our label and name without a controller", release),
            ("our label and name with an owner that controls nothing", |s| {
                (controller(s).uid, controller(s).controller) = ("u-9".to_owned(), None);
            }),
        ];
        for (name, edit) in cases {
            assert_eq!(ownership(edit), Ownership::Ours, "{name}");
        }
    }

    #[test]
    fn each_way_to_be_foreign() {
        let cases: [(&str, Edit); 9] = [
            ("no mark at all", |s| {
                release(s);
                s.labels_mut().clear();
                s.annotations_mut().clear();
            }),
            ("no label", |s| {
                release(s);
                s.labels_mut().remove(LABEL_MANAGED);
            }),
            ("another value of the label", |s| {
                release(s);
                s.labels_mut().insert(LABEL_MANAGED.to_owned(), "false".to_owned());
            }),
            ("no name", |s| {
                release(s);
                s.annotations_mut().remove(ANNOTATION_OWNER);
            }),
            ("the name of another PresignedUrl", |s| {
                release(s);
                s.annotations_mut().insert(ANNOTATION_OWNER.to_owned(), "reports".to_owned());
            }),
            ("controlled by another PresignedUrl", |s| {
                (controller(s).uid, controller(s).name) = ("u-2".to_owned(), "other".to_owned());
            }),
            ("controlled by another kind of that name", |s| {
                (controller(s).uid, controller(s).kind) = ("u-2".to_owned(), "Deployment".to_owned());
            }),
            ("controlled by that kind of another group", |s| {
                let api_version = "presign.developers.example/v1alpha1".to_owned();
                (controller(s).uid, controller(s).api_version) = ("u-2".to_owned(), api_version);
            }),
            ("controlled by that kind of no group", |s| {
                (controller(s).uid, controller(s).api_version) = ("u-2".to_owned(), "v1".to_owned());
            }),
        ];
        for (name, edit) in cases {
            assert_eq!(ownership(edit), Ownership::Foreign, "{name}");
        }
    }

    #[test]
    fn the_secret_of_a_deleted_namesake_is_its_predecessors() {
        let cases: [Edit; 2] = [
            |s| controller(s).uid = "u-0".to_owned(),
            |s| {
                let api_version = "presign.dev/v1".to_owned();
                (controller(s).uid, controller(s).api_version) = ("u-0".to_owned(), api_version);
            },
        ];
        for edit in cases {
            assert_eq!(ownership(edit), Ownership::Predecessors);
        }
    }
}
