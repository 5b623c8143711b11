//! Objects that nothing happens to: their URLs may not end while nothing goes wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use serde_json::json;

use crate::Chaos;
use crate::history::Violation;
use crate::read::{expires_at, now};
use crate::tenant::{Keys, STEADY, Tenant};

/// The invariant.
pub const EXPIRED: &str = "e: what no fault touches is not expired for a third of its overlap";
/// How often one of them was judged.
pub static JUDGED: AtomicUsize = AtomicUsize::new(0);
/// Seconds before the end at which their URLs are renewed.
const OVERLAP: u32 = 30;

/// Makes the object of a namespace.
pub async fn create(tenant: &Tenant) {
    tenant.write_keys("steady-keys", Keys::First).await.unwrap();
    let mut spec = tenant.spec("steady-keys");
    spec["expiresIn"] = json!("1m");
    spec["renewBefore"] = json!(format!("{OVERLAP}s"));
    tenant.apply(STEADY, &spec).await.unwrap();
}

/// Reads their Secrets every second, for ever.
pub async fn sample(chaos: Arc<Chaos>, tenants: Vec<usize>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        for tenant in &tenants {
            let tenant = &chaos.tenants[*tenant];
            let secret = tenant.secrets().get(STEADY).await;
            // Asked afterwards, since a fault may have begun meanwhile.
            let undisturbed = chaos.undisturbed();
            let Some(undisturbed) = undisturbed else { continue };
            let secret = match secret {
                Ok(secret) => secret,
                Err(kube::Error::Api(status)) if status.code == 404 => {
                    let detail = "its Secret is gone";
                    chaos.history.accuse(Violation::new(EXPIRED, &tenant.namespace, STEADY, detail));
                    continue;
                }
                Err(_) => continue,
            };
            JUDGED.fetch_add(1, Ordering::Relaxed);
            let ended = expires_at(&secret).unwrap_or(Timestamp::MIN);
            let begun = now() - SignedDuration::try_from(undisturbed.elapsed()).unwrap();
            let expired = now().duration_since(ended.max(begun));
            let lag = chaos.lag.between(undisturbed, Instant::now());
            let allowed =
                SignedDuration::try_from(Duration::from_secs(u64::from(OVERLAP / 3)) + lag).unwrap();
            if expired > allowed {
                let detail = format!("its URL ended at {ended}, and it is {}", now());
                chaos.history.accuse(Violation::new(EXPIRED, &tenant.namespace, &secret.name_any(), detail));
            }
        }
    }
}
