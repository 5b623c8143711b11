//! The certificates that waiting requests need to reach their STS: each is kept once, and not too many.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use crate::domain::stored::Digest;

/// How many different certificates the requests of one flow may need at a time. Each can have 16 KiB.
pub(super) const MAX_CERTIFICATES: usize = 200;

/// The certificates of the requests of one flow that wait or run.
#[derive(Debug, Default)]
pub(super) struct SharedCertificates(HashMap<Digest, Weak<str>>);

impl SharedCertificates {
    /// The certificates with this digest; `None` if there are too many others.
    pub(super) fn share(&mut self, digest: &Digest, text: &str) -> Option<Arc<str>> {
        if let Some(known) = self.0.get(digest).and_then(Weak::upgrade) {
            return Some(known);
        }
        if self.0.len() >= MAX_CERTIFICATES {
            self.0.retain(|_, text| text.strong_count() > 0);
        }
        if self.0.len() >= MAX_CERTIFICATES {
            return None;
        }
        let shared = Arc::from(text);
        self.0.insert(*digest, Arc::downgrade(&shared));
        Some(shared)
    }

    /// Drops those that no request needs but the one that ended, and returns whether none is left.
    pub(super) fn ended(&mut self, digest: Option<&Digest>) -> bool {
        self.0.retain(|known, text| text.strong_count() > usize::from(Some(known) == digest));
        self.0.is_empty()
    }
}
