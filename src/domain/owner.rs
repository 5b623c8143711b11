//! Who a Secret belongs to.

use super::stored::Stored;

/// The `PresignedUrl` on whose behalf something is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Owner {
    /// Its namespace, which is also that of its Secret.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID: what tells it from a namesake that was deleted.
    pub uid: String,
}

/// Whether a Secret may be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ownership {
    /// It is this owner's.
    Ours,
    /// It belongs to a deleted `PresignedUrl` of the same name and will be
    /// garbage-collected.
    Predecessors,
    /// Somebody else created it and we merged into it in the same moment: to be withdrawn.
    Merged,
    /// It belongs to somebody else and is never touched.
    Foreign,
}

impl Ownership {
    /// Ours is a Secret controlled by this object's UID; or one without any controller
    /// that carries our label and this object's name (a retained one found again, or an
    /// orphaned one). Either proof counts under either deletion policy.
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
        match (proven, stored.is_created_by_another) {
            (true, false) => Self::Ours,
            (true, true) => Self::Merged,
            (false, _) => Self::Foreign,
        }
    }
}
