//! The workers and the queue together, in paused time.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::BoxFuture;
use proptest::prelude::*;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::*;
use crate::runtime::schedule::Rank;
use crate::runtime::schedule::test_key::NamedKey;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

type Log = Arc<Mutex<Vec<(NamedKey, Instant)>>>;

/// Workers that run, and what they did.
struct Running {
    queue: Arc<Queue<NamedKey>>,
    limiter: Limiter,
    started: Log,
    panics: Arc<Mutex<Vec<String>>>,
    beats: Arc<AtomicUsize>,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<bool>,
}

fn unranked() -> Queue<NamedKey> {
    Queue::new(|_| Rank { urgent_at: None, expires: 0 })
}

/// Runs `reconcile` on `width` workers. After a panic a key is due again in a second.
fn run(
    queue: Queue<NamedKey>,
    width: usize,
    reconcile: impl Fn(Job<NamedKey>) -> BoxFuture<'static, NextRun> + Send + Sync + 'static,
) -> Running {
    let (queue, limiter, started) = (Arc::new(queue), Limiter::new(1), Log::default());
    let (panics, beats) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
    let (stop, stopped) = oneshot::channel();
    let (log, texts, count) = (started.clone(), panics.clone(), beats.clone());
    let workers = Workers {
        queue: queue.clone(),
        limiter: limiter.clone(),
        width,
        reconcile: move |job: Job<NamedKey>| {
            log.lock().unwrap().push((job.key, Instant::now()));
            reconcile(job)
        },
        on_panic: move |_: &NamedKey, text: &str| {
            texts.lock().unwrap().push(text.to_owned());
            assert!(text != "worse", "the handler too");
            NextRun::after(SECOND, Cause::SafetyNet)
        },
        beat: move || {
            count.fetch_add(1, Ordering::SeqCst);
        },
    };
    let ended = tokio::spawn(workers.run(async { drop(stopped.await) }));
    Running { queue, limiter, started, panics, beats, stop, ended }
}

/// A reconcile that takes `time` and wants the next one in an hour.
fn takes(time: Duration) -> impl Fn(Job<NamedKey>) -> BoxFuture<'static, NextRun> + Send + Sync + 'static {
    move |_| {
        Box::pin(async move {
            sleep(time).await;
            NextRun::after(HOUR, Cause::Timer)
        })
    }
}

impl Running {
    fn started(&self) -> Vec<(NamedKey, Instant)> {
        self.started.lock().unwrap().clone()
    }

    fn count(&self, key: NamedKey) -> usize {
        self.started().iter().filter(|(started, _)| *started == key).count()
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_stops_nobody_else_and_loses_no_key() {
    let running = run(unranked(), 1, |job| {
        assert!(job.key.1 != 1 || job.cause == Cause::SafetyNet, "before it is polled");
        Box::pin(async move {
            sleep(SECOND).await;
            match (job.key.1, job.cause) {
                (2, Cause::Woken) => panic!("number {}", job.key.1),
                (3, Cause::Woken) => panic!("worse"),
                _ => NextRun::after(HOUR, Cause::Timer),
            }
        })
    });
    for number in 1..5 {
        running.queue.wake(&NamedKey("n", number));
    }
    sleep(CUT_OFF / 2).await;
    let counts = [1, 2, 3, 4].map(|number| running.count(NamedKey("n", number)));
    assert_eq!(counts, [2, 2, 1, 1], "it is due again when the handler says");
    sleep(CUT_OFF).await;
    assert_eq!(running.count(NamedKey("n", 3)), 2, "even when the handler panics");
    assert_eq!(*running.panics.lock().unwrap(), ["before it is polled", "number 2", "worse"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_starts_nothing_more_and_waits_for_what_is_in_hand() {
    let running = run(unranked(), 2, takes(10 * SECOND));
    for number in 0..4 {
        running.queue.wake(&NamedKey("n", number));
    }
    sleep(SECOND).await;
    let begun = Instant::now();
    running.stop.send(()).unwrap();
    assert!(running.ended.await.unwrap(), "all ended");
    assert_eq!((begun.elapsed(), running.started.lock().unwrap().len()), (9 * SECOND, 2));
}

#[tokio::test(start_paused = true)]
async fn a_stop_cuts_off_what_hangs_and_the_queue_keeps_it() {
    let running = run(unranked(), 2, takes(HOUR));
    running.queue.wake(&NamedKey("n", 1));
    sleep(SECOND).await;
    let (begun, beats) = (Instant::now(), running.beats.load(Ordering::SeqCst));
    running.stop.send(()).unwrap();
    assert!(!running.ended.await.unwrap(), "one hung");
    assert_eq!(begun.elapsed(), DRAIN_TIMEOUT);
    assert!(running.beats.load(Ordering::SeqCst) >= beats + 9, "the loop shows that it runs");
    assert_eq!(running.queue.next(1).await, Job { key: NamedKey("n", 1), cause: Cause::SafetyNet });
}

#[tokio::test(start_paused = true)]
async fn the_loop_shows_that_it_runs_also_while_all_workers_hang_or_pause() {
    let running = run(unranked(), 1, takes(HOUR));
    running.queue.wake(&NamedKey("n", 1));
    running.limiter.pause(20 * SECOND);
    sleep(40 * SECOND).await;
    assert!(running.beats.load(Ordering::SeqCst) >= 19);
}

#[tokio::test(start_paused = true)]
async fn nothing_starts_during_a_pause() {
    let running = run(unranked(), 4, takes(SECOND));
    let (key, begun) = (NamedKey("n", 1), Instant::now());
    running.queue.wake(&key);
    sleep(5 * SECOND).await;
    assert_eq!(running.count(key), 1);
    running.limiter.pause(10 * SECOND);
    running.queue.wake(&key);
    running.queue.wake(&NamedKey("n", 2));
    sleep(8 * SECOND).await;
    assert_eq!(running.started().len(), 1);
    sleep(SECOND * 3).await;
    let after: Vec<_> = running.started()[1..].iter().map(|(_, at)| at.duration_since(begun)).collect();
    assert!(after.len() == 2 && after.iter().all(|at| *at >= 15 * SECOND), "{after:?}");
}

/// How long a reconcile takes while 9,000 wait.
const SHORT: Duration = Duration::from_millis(40);

/// Makes 9,000 keys of one namespace due.
fn burst(running: &Running) {
    (0..9000).for_each(|number| running.queue.wake(&NamedKey("burst", number)));
}

/// How many starts there were between an instant and the first start of `key` after that.
fn starts_before(running: &Running, key: NamedKey, since: Instant) -> Option<usize> {
    running.started().iter().filter(|(_, at)| *at >= since).position(|(started, _)| *started == key)
}

#[tokio::test(start_paused = true)]
async fn a_renewal_starts_at_once_although_another_namespace_creates_thousands() {
    let renewal = NamedKey("other", 0);
    let rank = move |key: &NamedKey| Rank {
        urgent_at: (*key == renewal).then(Instant::now),
        expires: if *key == renewal { i64::MAX } else { 0 },
    };
    let running = run(Queue::new(rank), 4, takes(SHORT));
    running.queue.wake(&renewal);
    let due_at = Instant::now() + SHORT + HOUR;
    tokio::time::sleep_until(due_at - SHORT - SECOND).await;
    burst(&running);
    sleep(2 * SECOND).await;
    assert!(running.queue.has_backlog());
    assert!(starts_before(&running, renewal, due_at).is_some_and(|starts| starts <= 2));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_becomes_urgent_while_it_waits_starts_at_once() {
    let (last, urgent_at) = (NamedKey("burst", 8999), Instant::now() + Duration::from_millis(2010));
    let rank =
        move |key: &NamedKey| Rank { urgent_at: (*key == last).then_some(urgent_at), expires: key.1.into() };
    let running = run(Queue::new(rank), 4, takes(SHORT));
    burst(&running);
    sleep(3 * SECOND).await;
    assert!(running.queue.has_backlog());
    assert!(starts_before(&running, last, urgent_at).is_some_and(|starts| starts <= 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    /// Wakes come at random times; reconciles take a random time and want random next times.
    #[test]
    fn every_wake_and_every_time_is_followed_by_a_start(
        width in 1..5_usize,
        wakes in prop::collection::vec((0..20_u64, 0..6_u32), 1..60),
        times in prop::collection::vec((1..30_u64, 0..90_u64), 1..20),
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().unwrap().block_on(async {
            let under_way = Arc::new(Mutex::new(BTreeSet::new()));
            let planned = Arc::new(Mutex::new(HashMap::new()));
            let ends = planned.clone();
            let running = run(unranked(), width, move |job| {
                assert!(under_way.lock().unwrap().insert(job.key), "twice at once");
                assert!(under_way.lock().unwrap().len() <= width);
                let (takes, next) = times[usize::try_from(job.key.1).unwrap() % times.len()];
                let (under_way, planned) = (under_way.clone(), ends.clone());
                Box::pin(async move {
                    sleep(Duration::from_millis(takes)).await;
                    under_way.lock().unwrap().remove(&job.key);
                    let next = NextRun::after(Duration::from_millis(next), Cause::Timer);
                    planned.lock().unwrap().insert(job.key, next.at);
                    next
                })
            });
            let mut woken = Vec::new();
            for (pause, number) in wakes {
                sleep(Duration::from_millis(pause)).await;
                running.queue.wake(&NamedKey("n", number));
                woken.push((NamedKey("n", number), Instant::now()));
            }
            sleep(SECOND).await;
            assert!(running.panics.lock().unwrap().is_empty(), "{:?}", running.panics.lock().unwrap());
            // With six keys, none of which takes 30 ms, every worker comes free within 180 ms.
            let starts = running.started();
            for (key, at) in woken {
                assert!(starts.iter().any(|start| start.0 == key && start.1 >= at), "{key:?} was woken");
                let last = planned.lock().unwrap()[&key];
                assert!(last + Duration::from_millis(200) > Instant::now(), "{key:?} was forgotten");
            }
        });
    }
}
