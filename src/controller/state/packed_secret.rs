//! A Secret as the cache keeps it. Most names in it equal the name of the Secret, and are not stored.

use crate::domain::Stored;
use crate::domain::ended::Ended;
use crate::domain::stored::{Content, ControllerRef, Digest};
use crate::runtime::cache::Versioned;
use crate::runtime::key::{Key, Uid};

/// A Secret as the cache keeps it.
#[allow(clippy::struct_excessive_bools, reason = "each is one independent observation")]
#[derive(Debug)]
pub struct PackedSecret {
    pub resource_version: u64,
    uid: Uid,
    content: Content,
    controller: Option<Owned>,
    owner: Option<Name>,
    handled_renew: Option<Box<str>>,
    requested: Option<u32>,
    source: Option<Box<Digest>>,
    ended: Option<Box<Ended>>,
    is_managed: bool,
    is_label_ours: bool,
    is_url_ours: bool,
    is_other_format: bool,
    is_shared: bool,
    is_fixed: bool,
}

/// A name; `None` inside when it equals the name of the Secret.
#[derive(Debug)]
struct Name(Option<Box<str>>);

#[derive(Debug)]
struct Owned {
    uid: Uid,
    name: Name,
    is_presigned_url: bool,
}

impl Name {
    fn pack(name: Box<str>, key: &Key) -> Self {
        Self((*name != *key.name()).then_some(name))
    }

    fn get<'a>(&'a self, key: &'a Key) -> &'a str {
        self.0.as_deref().unwrap_or(key.name())
    }
}

impl Versioned for PackedSecret {
    fn version(&self) -> u64 {
        self.resource_version
    }
}

impl PackedSecret {
    /// Packs the Secret `key`.
    #[must_use]
    pub fn pack(stored: Stored, key: &Key) -> Self {
        let Stored { uid, resource_version, content, controller, owner, handled_renew, ended, .. } = stored;
        Self {
            resource_version,
            uid: Uid::from(&*uid),
            content,
            controller: controller.map(|controller| Owned {
                uid: Uid::from(&*controller.uid),
                name: Name::pack(controller.name, key),
                is_presigned_url: controller.is_presigned_url,
            }),
            owner: owner.map(|owner| Name::pack(owner, key)),
            handled_renew,
            requested: stored.requested,
            source: stored.source.map(Box::new),
            ended,
            is_managed: stored.is_managed,
            is_label_ours: stored.is_label_ours,
            is_url_ours: stored.is_url_ours,
            is_other_format: stored.is_other_format,
            is_shared: stored.is_shared,
            is_fixed: stored.is_fixed,
        }
    }

    /// Unpacks the Secret; the result equals what was packed.
    #[must_use]
    pub fn unpack(&self, key: &Key) -> Stored {
        Stored {
            uid: self.uid.to_string().into(),
            resource_version: self.resource_version,
            content: self.content,
            controller: self.controller.as_ref().map(|controller| ControllerRef {
                is_presigned_url: controller.is_presigned_url,
                name: controller.name.get(key).into(),
                uid: controller.uid.to_string().into(),
            }),
            is_managed: self.is_managed,
            owner: self.owner(key).map(Into::into),
            handled_renew: self.handled_renew.clone(),
            requested: self.requested,
            source: self.source.as_deref().copied(),
            ended: self.ended.clone(),
            is_label_ours: self.is_label_ours,
            is_url_ours: self.is_url_ours,
            is_other_format: self.is_other_format,
            is_shared: self.is_shared,
            is_fixed: self.is_fixed,
        }
    }

    /// When the URL in the Secret expires, in seconds since the epoch.
    #[must_use]
    pub fn expiration(&self) -> Option<i64> {
        self.content.url.map(|url| url.validity.expiration_time().as_second())
    }

    /// The `PresignedUrl` that the annotation of the Secret names.
    #[must_use]
    pub fn owner<'a>(&'a self, key: &'a Key) -> Option<&'a str> {
        self.owner.as_ref().map(|owner| owner.get(key))
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Secret;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_comes_back_as_it_was() {
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {
                "name": "a", "namespace": "n", "uid": "0b1f9c3e-6d2a-4f58-9e07-a1b2c3d4e5f6",
                "resourceVersion": "77", "labels": {"presign.dev/managed": "true"},
                "annotations": {"presign.dev/owner": "a", "presign.dev/renew": "t"},
                "ownerReferences": [{
                    "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl", "name": "a", "uid": "u-1",
                    "controller": true,
                }],
            },
        }))
        .unwrap();
        let usual = Stored::read(&secret);
        assert!(usual.controller.is_some() && usual.owner.is_some() && usual.handled_renew.is_some());
        let bare = Stored { owner: None, controller: None, handled_renew: None, ..usual.clone() };
        for stored in [usual, bare] {
            for key in [Key::new("n", "a"), Key::new("n", "another")] {
                assert_eq!(PackedSecret::pack(stored.clone(), &key).unpack(&key), stored);
            }
        }
    }
}
