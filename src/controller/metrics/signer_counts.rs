//! Metrics about the signers. They are counted from the caches at each scrape.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;

use super::object_counts::gauge;
use crate::controller::state::signer_users::SignerUsers;
use crate::controller::state::signers::Signers;
use crate::crd::{READY, SignerKind, condition};

/// Counts the signers at each scrape.
#[derive(Debug)]
pub struct SignerInventory {
    signers: Arc<Signers>,
    users: Arc<SignerUsers>,
}

impl SignerInventory {
    /// Counts the signers in the caches.
    #[must_use]
    pub fn new(signers: Arc<Signers>, users: Arc<SignerUsers>) -> Self {
        Self { signers, users }
    }

    /// The number of signers for each kind and status of `Ready`.
    fn count(&self) -> BTreeMap<(SignerKind, String), i64> {
        let mut counts = BTreeMap::new();
        for kind in [SignerKind::Signer, SignerKind::ClusterSigner] {
            for status in ["True", "False", "Unknown"] {
                counts.insert((kind, status.to_owned()), 0);
            }
        }
        for (id, cached) in self.signers.all() {
            let ready = condition(&cached.status.conditions, READY);
            let status = ready.map_or("Unknown", |ready| ready.status.as_str());
            if let Some(count) = counts.get_mut(&(id.kind, status.to_owned())) {
                *count += 1;
            }
        }
        counts
    }
}

impl Collector for SignerInventory {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let kind = ConstGauge::new(0i64).metric_type();
        let help = "Signers by kind and by their Ready condition";
        let mut family = encoder.encode_descriptor("signers", help, None, kind)?;
        for ((kind, ready), count) in self.count() {
            let labels = [("kind", kind.to_string()), ("ready", ready)];
            ConstGauge::new(count).encode(family.encode_family(&labels)?)?;
        }
        let help = "PresignedUrls that the policy of their signer denies, or would deny if it were enforced";
        gauge(&mut encoder, "denied_objects", help, self.users.denied())
    }
}
