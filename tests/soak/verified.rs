//! The objects whose URLs the store is asked about: it accepts all of them, all the time.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt as _;
use kube::api::ListParams;
use presign_operator::crd::{VERIFIED, Verify};

use crate::Soak;
use crate::harness::condition;
use crate::troubles::another_round;

/// Whether the store is asked about the URLs of an object: about those of every fourth, some of which are
/// signed with sessions.
#[must_use]
pub fn is_verified(number: usize) -> bool {
    number % 4 == 3
}

/// Notes every few seconds what the store is said to say.
pub async fn look(soak: Arc<Soak>) {
    while another_round(&soak, Duration::from_secs(3)).await {
        let Ok(objects) = soak.space.presigned_urls().list(&ListParams::default()).await else { continue };
        for object in objects {
            if object.spec.verify == Some(Verify::Always) {
                soak.report.verified(&object.name_any(), condition(&object, VERIFIED));
            }
        }
    }
}
