//! What happens to leaders, and the work that goes on meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kube::Api;
use kube::api::{Patch, PatchParams};
use presign_operator::crd::PresignedUrl;
use serde_json::json;

use super::super::harness::{DEADLINE, Space};
use super::judge::Judge;
use super::replica::Replicas;
use super::{LEASE, handled};

/// The leader is told to stop, as by a rollout; a standby leads within two seconds.
pub async fn roll_out(judge: &Judge, replicas: &mut Replicas<'_>) {
    let old = judge.holder().await;
    let leader = replicas.take(&old);
    let told = Instant::now();
    leader.signal("TERM");
    judge.another_than(&old, Duration::from_secs(2)).await;
    println!("after SIGTERM another leads in {:?}", told.elapsed());
    replicas.add().await;
}

/// The leader is killed; a standby leads when its lease is over.
pub async fn kill(judge: &Judge, replicas: &mut Replicas<'_>) {
    let old = judge.holder().await;
    let leader = replicas.take(&old);
    let killed = Instant::now();
    leader.kill();
    // A standby may have seen the last renewal one look late.
    judge.another_than(&old, LEASE + LEASE / 4).await;
    println!("after SIGKILL another leads in {:?}, the lease being {LEASE:?}", killed.elapsed());
    replicas.add().await;
}

/// The leader stands still for longer than its lease, and then goes on.
pub async fn pause(judge: &Judge, replicas: &mut Replicas<'_>) {
    let old = judge.holder().await;
    replicas.leader(&old).signal("STOP");
    judge.another_than(&old, LEASE + LEASE / 4).await;
    tokio::time::sleep(LEASE / 4).await;
    replicas.leader(&old).signal("CONT");
    is_a_standby(replicas, &old).await;
}

/// The leader is cut off for longer than its lease.
pub async fn partition(judge: &Judge, replicas: &mut Replicas<'_>) {
    let old = judge.holder().await;
    replicas.leader(&old).cut_off();
    judge.another_than(&old, LEASE + LEASE / 4).await;
    tokio::time::sleep(LEASE / 4).await;
    replicas.leader(&old).heal();
    is_a_standby(replicas, &old).await;
}

/// Waits until an old leader knows that it is none; it goes on running, and is ready.
async fn is_a_standby(replicas: &Replicas<'_>, identity: &str) {
    let replica = replicas.leader(identity);
    let deadline = Instant::now() + DEADLINE;
    while !(replica.page("/metrics").contains("presign_leader 0\n") && replica.page("/readyz").trim() == "ok")
    {
        assert!(Instant::now() < deadline, "no standby:\n{}", replica.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Objects that are renewed often by themselves, and by request all the time.
pub struct Work {
    objects: usize,
    is_over: Arc<AtomicBool>,
    asking: tokio::task::JoinHandle<usize>,
}

impl Work {
    pub async fn begin(space: &Space, objects: usize) -> Self {
        for number in 0..objects {
            let spec = space.spec(json!({"expiresIn": "1m", "renewal": {"before": "50s"}}));
            space.apply(&name(number), spec).await;
        }
        let is_over = Arc::new(AtomicBool::new(false));
        let asking = tokio::spawn(ask(space.presigned_urls(), objects, is_over.clone()));
        Self { objects, is_over, asking }
    }

    /// Ends it, and looks at what came of it: each request was answered, each URL works.
    pub async fn end(self, space: &Space) {
        self.is_over.store(true, Ordering::Relaxed);
        let asked = self.asking.await.unwrap();
        for number in 0..self.objects {
            let name = name(number);
            let last = space.presigned_urls().get(&name).await.unwrap();
            let token =
                last.metadata.annotations.as_ref().and_then(|all| all.get("presign.dev/renew")).cloned();
            space.wait(&name, "its last renewal", |object| handled(object) == token.as_deref()).await;
            space.wait_ready(&name, "True", "Issued").await;
            assert_eq!(space.download(&name).await.unwrap(), "content", "{name}");
        }
        println!("{asked} renewals were asked for");
    }
}

/// Asks for a new URL of one object after the other.
async fn ask(objects: Api<PresignedUrl>, count: usize, is_over: Arc<AtomicBool>) -> usize {
    let mut asked = 0;
    while !is_over.load(Ordering::Relaxed) {
        let patch = json!({"metadata": {"annotations": {"presign.dev/renew": asked.to_string()}}});
        objects.patch(&name(asked % count), &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        asked += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    asked
}

fn name(number: usize) -> String {
    format!("r{number}")
}
