//! What goes wrong in a short run: each fault once, in any order, so that none is missed.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::ListParams;
use testbed::{Chance, Chances};

use crate::Chaos;
use crate::faults::{cut, kill, pause};
use crate::history::EVERYWHERE;
use crate::random::Random;
use crate::replica::{HOME, LEASE};

/// What happens to the replicas in a short run.
#[derive(Clone, Copy)]
pub enum ShortFault {
    KillLeader,
    KillOther,
    /// Longer than it may be silent and still lead.
    PauseLeader,
    CutWatches,
    ExpireWatches,
    Disturb,
}

/// Each of them once, in any order.
pub fn each_once(random: &mut Random) -> [ShortFault; 6] {
    use ShortFault::{CutWatches, Disturb, ExpireWatches, KillLeader, KillOther, PauseLeader};
    let mut all = [KillLeader, KillOther, PauseLeader, CutWatches, ExpireWatches, Disturb];
    random.shuffle(&mut all);
    all
}

/// Lets these faults happen, whatever time they take.
pub async fn happen_each(chaos: &Chaos, random: &mut Random, faults: &[ShortFault]) {
    for fault in faults {
        let leader = leader(chaos).await;
        match fault {
            ShortFault::KillLeader => kill(chaos, random, leader).await,
            ShortFault::KillOther => kill(chaos, random, 1 - leader).await,
            ShortFault::PauseLeader => pause(chaos, leader, LEASE + Duration::from_secs(1)).await,
            ShortFault::CutWatches => cut(chaos, leader, false).await,
            ShortFault::ExpireWatches => cut(chaos, leader, true).await,
            ShortFault::Disturb => disturb_both(chaos, random).await,
        }
        tokio::time::sleep(Duration::from_millis(300 + random.below(700))).await;
    }
}

/// The replica that leads, or that was the last to.
async fn leader(chaos: &Chaos) -> usize {
    let leases = Api::<Lease>::namespaced(chaos.client.clone(), HOME);
    let leases = leases.list(&ListParams::default()).await.map(|list| list.items).unwrap_or_default();
    let holder = leases.into_iter().find_map(|lease| lease.spec?.holder_identity);
    usize::from(holder.is_some_and(|holder| holder.starts_with("replica-1-")))
}

/// Everything by chance on the ways of both replicas, once a write has failed.
async fn disturb_both(chaos: &Chaos, random: &mut Random) {
    let replicas = chaos.replicas.lock().await;
    let milliseconds = Duration::from_millis;
    let hanging_writes = Chance::new(1000, milliseconds(100), milliseconds(300));
    let all_fail = Chances { seed: random.number(), hanging_writes, ..Chances::default() };
    let writes = || {
        let seen = replicas.iter().flat_map(|replica| replica.proxy.seen());
        seen.filter(|line| !line.starts_with("GET ")).count()
    };
    chaos.history.note(EVERYWHERE, "on the way of both replicas: everything");
    for replica in replicas.iter() {
        replica.proxy.set_chances(Some(all_fail.clone()));
    }
    let before = writes();
    testbed::eventually(Duration::from_secs(60), async || writes() > before).await;
    for replica in replicas.iter() {
        replica.proxy.set_chances(Some(Chances {
            seed: random.number(),
            late_events: Chance::new(300, milliseconds(100), milliseconds(3000)),
            late_answers: Chance::new(300, milliseconds(100), milliseconds(5000)),
            late_requests: Chance::new(200, milliseconds(100), milliseconds(3000)),
            hanging_writes: Chance::new(100, milliseconds(1000), milliseconds(20_000)),
            refused: 200,
            failed: 100,
        }));
    }
    for what in ["late events", "late answers", "late requests", "hanging writes", "429", "500"] {
        chaos.history.count(what);
    }
}
