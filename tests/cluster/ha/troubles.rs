//! What happens to leaders, and the work that goes on meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kube::Api;
use kube::api::{Patch, PatchParams};
use presign_operator::crd::PresignedUrl;
use serde_json::json;

use super::super::harness::{DEADLINE, Space};
use super::judge::Judge;
use super::replica::{self, Replicas};
use super::{LEASE, handled};

/// How many troubles there are.
pub const KINDS: usize = 6;

/// One trouble after the other.
pub async fn round(number: usize, judge: &Judge, replicas: &mut Replicas<'_>, work: &Work, space: &Space) {
    match number % KINDS {
        0 => hang(judge, replicas, work, space).await,
        1 => pause(judge, replicas).await,
        2 => buffer(judge, replicas).await,
        3 => partition(judge, replicas).await,
        4 => kill(judge, replicas).await,
        _ => roll_out(judge, replicas).await,
    }
}

/// The leader is told to stop, as by a rollout; a standby leads soon, which is printed.
pub async fn roll_out(judge: &Judge, replicas: &mut Replicas<'_>) {
    let old = judge.holder().await;
    let leader = replicas.take(&old);
    let begun = Instant::now();
    judge.note("SIGTERM to", leader.name());
    leader.signal("TERM");
    judge.another_than(&old, DEADLINE).await;
    println!("after SIGTERM another leads in {:?}", begun.elapsed());
    replicas.add().await;
}

/// The leader is killed; a standby leads when its lease is over.
pub async fn kill(judge: &Judge, replicas: &mut Replicas<'_>) {
    let old = judge.holder().await;
    let leader = replicas.take(&old);
    let killed = Instant::now();
    judge.note("SIGKILL to", leader.name());
    leader.kill();
    judge.another_than(&old, DEADLINE).await;
    println!("after SIGKILL another leads in {:?}, the lease being {LEASE:?}", killed.elapsed());
    replicas.add().await;
}

/// The leader stands still for longer than its lease, and then goes on.
pub async fn pause(judge: &Judge, replicas: &mut Replicas<'_>) {
    let old = judge.holder().await;
    let leader = replicas.leader(&old);
    judge.note("SIGSTOP to", leader.name());
    leader.signal("STOP");
    judge.another_than(&old, DEADLINE).await;
    tokio::time::sleep(LEASE / 4).await;
    judge.note("SIGCONT to", leader.name());
    leader.signal("CONT");
    is_a_standby(replicas, &old).await;
}

/// The leader is cut off for longer than its lease.
pub async fn partition(judge: &Judge, replicas: &mut Replicas<'_>) {
    let old = judge.holder().await;
    let leader = replicas.leader(&old);
    judge.note("cut off", leader.name());
    leader.cut_off();
    judge.another_than(&old, DEADLINE).await;
    tokio::time::sleep(LEASE / 4).await;
    judge.note("heal", leader.name());
    leader.heal();
    is_a_standby(replicas, &old).await;
}

/// What the leader writes is held up in a buffer until another leads, and arrives then.
pub async fn buffer(judge: &Judge, replicas: &mut Replicas<'_>) {
    let old = judge.holder().await;
    let leader = replicas.leader(&old);
    judge.note("buffer the writes of", leader.name());
    leader.buffer_writes();
    judge.another_than(&old, DEADLINE).await;
    tokio::time::sleep(LEASE / 4).await;
    judge.note("let them go of", leader.name());
    leader.heal();
    is_a_standby(replicas, &old).await;
}

/// How often the lead may be lost for another reason where it is to be kept: a machine that is too busy
/// to renew a lease of a few seconds.
const TRIES: usize = 5;

/// The leader is cut off until a renewal of its lease was lost, and goes on leading.
pub async fn blip(judge: &Judge, replicas: &Replicas<'_>, space: &Space) {
    for _ in 0..TRIES {
        if leads_through_a_blip(judge, replicas, space).await {
            return;
        }
    }
    panic!("{TRIES} times the lead was lost in a blip");
}

/// The same once: whether the leader went on leading.
async fn leads_through_a_blip(judge: &Judge, replicas: &Replicas<'_>, space: &Space) -> bool {
    let leader = replicas.leader(&judge.holder().await);
    let terms = || leader.log().matches("no longer leading").count();
    let (first, before) = (holder_and_transitions(space).await, terms());
    let renewals = leader.proxy().seen().iter().filter(|request| request.contains("/leases/")).count();
    leader.cut_off();
    // A request is counted before its fate is decided, so the first of two was lost.
    assert!(leader.proxy().wait_for("/leases/", renewals + 2, DEADLINE).await, "no renewal was lost");
    leader.heal();
    assert!(leader.proxy().wait_for("/leases/", renewals + 4, DEADLINE).await, "the lease is not renewed");
    holder_and_transitions(space).await == first && terms() == before
}

/// What the leader writes hangs for longer than its lease, which it renews: it gives up call
/// after call, goes on leading, and forgets none of its objects.
pub async fn hang(judge: &Judge, replicas: &mut Replicas<'_>, work: &Work, space: &Space) {
    for _ in 0..TRIES {
        if leads_through_a_hang(judge, replicas, work, space).await {
            return;
        }
    }
    panic!("{TRIES} times the lead was lost while writes hung");
}

/// The same once: whether the leader went on leading. Whoever leads in the end, nothing is forgotten.
async fn leads_through_a_hang(judge: &Judge, replicas: &Replicas<'_>, work: &Work, space: &Space) -> bool {
    let old = judge.holder().await;
    let leader = replicas.leader(&old);
    let before = holder_and_transitions(space).await;
    judge.note("hang the writes of", leader.name());
    leader.hang_writes();
    let token = work.ask_once(space).await;
    tokio::time::sleep(LEASE * 2).await;
    let answered = work.answered_so_far(space, &token).await;
    let after = holder_and_transitions(space).await;
    judge.note("let them go of", leader.name());
    leader.heal();
    let is_same = after == before && after.0.as_deref() == Some(old.as_str());
    assert!(!is_same || answered == 0, "{answered} of its writes did not hang");
    let healed = Instant::now();
    work.answered(space, &token).await;
    println!("all is done {:?} after a hang; its leader leads still: {is_same}", healed.elapsed());
    is_same
}

/// Who holds the lease, and how often it was taken, as the API server has it now.
async fn holder_and_transitions(space: &Space) -> (Option<String>, Option<i32>) {
    let lease = replica::lease_of(space).await.unwrap();
    (lease.holder_identity, lease.lease_transitions)
}

/// Waits until an old leader knows that it is none; it goes on running, and is ready.
async fn is_a_standby(replicas: &Replicas<'_>, identity: &str) {
    let replica = replicas.leader(identity);
    let is_so = async || {
        replica.page("/metrics").contains("presign_leader 0\n") && replica.page("/readyz").trim() == "ok"
    };
    assert!(testbed::eventually(DEADLINE, is_so).await, "no standby:\n{}", replica.log());
}

/// Objects that nothing brings to mind but one request for a renewal, once in a hang.
const ASKED_ONCE: [&str; 4] = ["once0", "once1", "once2", "once3"];

/// Objects that are renewed often by themselves, and by request all the time.
pub struct Work {
    objects: usize,
    asked_once: AtomicUsize,
    is_over: Arc<AtomicBool>,
    asking: tokio::task::JoinHandle<usize>,
}

impl Work {
    pub async fn begin(space: &Space, objects: usize) -> Self {
        for number in 0..objects {
            let spec = space.spec(json!({"expiresIn": "1m", "renewBefore": "50s"}));
            space.apply(&name(number), spec).await;
        }
        for name in ASKED_ONCE {
            space.apply(name, space.spec(json!({}))).await;
        }
        let is_over = Arc::new(AtomicBool::new(false));
        let asking = tokio::spawn(ask(space.presigned_urls(), objects, is_over.clone()));
        Self { objects, asked_once: AtomicUsize::new(0), is_over, asking }
    }

    /// Asks for one renewal of each object that is asked for none otherwise.
    async fn ask_once(&self, space: &Space) -> String {
        let token = format!("once-{}", self.asked_once.fetch_add(1, Ordering::Relaxed));
        for name in ASKED_ONCE {
            request(&space.presigned_urls(), name, &token).await;
        }
        token
    }

    /// How many of these have been renewed.
    async fn answered_so_far(&self, space: &Space, token: &str) -> usize {
        let objects = space.presigned_urls();
        let found = futures::future::join_all(ASKED_ONCE.map(|name| objects.get(name))).await;
        found.into_iter().filter(|object| handled(object.as_ref().unwrap()) == Some(token)).count()
    }

    /// Waits until these have been renewed.
    async fn answered(&self, space: &Space, token: &str) {
        let waits = ASKED_ONCE
            .map(|name| space.wait(name, "its one renewal", |object| handled(object) == Some(token)));
        futures::future::join_all(waits).await;
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
        for name in ASKED_ONCE {
            assert_eq!(space.download(name).await.unwrap(), "content", "{name}");
        }
        println!("{asked} renewals were asked for");
    }
}

/// Asks for a new URL of one object after the other.
async fn ask(objects: Api<PresignedUrl>, count: usize, is_over: Arc<AtomicBool>) -> usize {
    let mut asked = 0;
    while !is_over.load(Ordering::Relaxed) {
        request(&objects, &name(asked % count), &asked.to_string()).await;
        asked += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    asked
}

fn name(number: usize) -> String {
    format!("r{number}")
}

/// Asks for one renewal.
async fn request(objects: &Api<PresignedUrl>, name: &str, token: &str) {
    let patch = json!({"metadata": {"annotations": {"presign.dev/renew": token}}});
    objects.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}
