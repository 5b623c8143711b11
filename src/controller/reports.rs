//! Statuses that were written and that the watch has not shown yet.
//!
//! Without them a pass that comes before the watch's echo would report against an old
//! status: a second event, a transition time that moves twice.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::object::LeanPresignedUrl;
use crate::crd::PresignedUrlStatus;
use crate::domain::stored::resource_version;

/// The statuses by the UID of their object.
#[derive(Debug, Default)]
pub struct Reports {
    written: Mutex<HashMap<String, (u64, PresignedUrlStatus)>>,
}

impl Reports {
    /// The latest status of an object: what the watch shows, or what was written since.
    #[must_use]
    pub fn latest(&self, object: &LeanPresignedUrl) -> PresignedUrlStatus {
        let mut written = self.lock();
        let Some(uid) = object.metadata.uid.as_deref() else {
            return object.status.clone();
        };
        match written.get(uid) {
            Some((version, status)) if *version > version_of(object) => status.clone(),
            Some(_) => {
                written.remove(uid);
                object.status.clone()
            }
            None => object.status.clone(),
        }
    }

    /// Notes what the API server returned for a status that was written.
    pub fn wrote(&self, answer: LeanPresignedUrl) {
        let version = version_of(&answer);
        if let Some(uid) = answer.metadata.uid {
            self.lock().insert(uid, (version, answer.status));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (u64, PresignedUrlStatus)>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn version_of(object: &LeanPresignedUrl) -> u64 {
    resource_version(object.metadata.resource_version.as_deref())
}
