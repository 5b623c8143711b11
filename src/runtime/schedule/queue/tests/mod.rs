//! What the queue promises, case by case and between threads; `model.rs` has random histories.

mod model;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::Instant;

use super::state::{KeyState, Since};
use super::*;
use crate::runtime::schedule::Cause;
use crate::runtime::schedule::test_key::NamedKey;

const WIDTH: usize = 100;
const HOUR: Duration = Duration::from_secs(3600);

fn unranked() -> Queue<NamedKey> {
    Queue::new(|_| Rank { urgent_at: None, expires: 0 })
}

fn take(queue: &Queue<NamedKey>) -> Option<Job<NamedKey>> {
    queue.next(WIDTH).now_or_never()
}

fn job(key: NamedKey, cause: Cause) -> Job<NamedKey> {
    Job { key, cause }
}

#[test]
fn a_place_takes_two_words() {
    assert!(size_of::<KeyState>() <= 16);
}

#[tokio::test(start_paused = true)]
async fn waits_for_its_time_unless_it_is_woken() {
    let (queue, begun) = (unranked(), Instant::now());
    let (early, late) = (NamedKey("n", 1), NamedKey("n", 2));
    for (key, seconds, cause) in [(late, 3600, Cause::SafetyNet), (early, 2, Cause::Timer)] {
        queue.wake(&key);
        assert_eq!(take(&queue), Some(job(key, Cause::Woken)));
        queue.done(&key, NextRun::after(Duration::from_secs(seconds), cause));
    }
    assert_eq!(queue.next(WIDTH).await, Job { key: early, cause: Cause::Timer });
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    queue.wake(&late);
    assert_eq!(take(&queue), Some(job(late, Cause::Woken)));
}

#[tokio::test(start_paused = true)]
async fn a_wake_ends_the_wait_for_a_time() {
    let queue = Arc::new(unranked());
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.next(WIDTH).await }
    });
    tokio::task::yield_now().await;
    queue.wake(&NamedKey("n", 1));
    assert_eq!(waiting.await.unwrap().key, NamedKey("n", 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_in_hand_comes_back_only_if_it_is_woken_after() {
    let (queue, key) = (unranked(), NamedKey("n", 1));
    let now = || NextRun::after(Duration::ZERO, Cause::Timer);
    queue.wake(&key);
    take(&queue).unwrap();
    queue.wake(&key);
    queue.remove(&key);
    queue.done(&key, now());
    assert_eq!(take(&queue), None);
    queue.wake(&key);
    take(&queue).unwrap();
    queue.remove(&key);
    queue.wake(&key);
    queue.remove_unless_woken(&key);
    queue.done(&key, now());
    assert_eq!(take(&queue), Some(job(key, Cause::Woken)));
    queue.remove_unless_woken(&key);
    queue.done(&key, now());
    assert_eq!(take(&queue), None);
}

#[tokio::test(start_paused = true)]
async fn the_safety_net_is_not_lost_by_a_wake() {
    let (queue, key) = (unranked(), NamedKey("n", 1));
    queue.wake(&key);
    take(&queue).unwrap();
    queue.done(&key, NextRun::after(HOUR, Cause::SafetyNet));
    tokio::time::advance(HOUR).await;
    queue.wake(&key);
    assert_eq!(take(&queue), Some(job(key, Cause::SafetyNet)), "its time had come");
    queue.wake(&key);
    queue.done(&key, NextRun::after(Duration::ZERO, Cause::SafetyNet));
    assert_eq!(take(&queue), Some(job(key, Cause::SafetyNet)), "its time has passed");
}

/// A change that comes between the question for the rank and its answer.
#[tokio::test(start_paused = true)]
async fn a_wake_while_the_rank_is_asked_for_asks_again() {
    let expires = Arc::new(AtomicI64::new(9));
    let queue: Arc<std::sync::OnceLock<Queue<NamedKey>>> = Arc::default();
    let rank = {
        let (expires, queue) = (expires.clone(), queue.clone());
        move |key: &NamedKey| {
            let before = if key.1 == 1 { expires.swap(1, Ordering::SeqCst) } else { 5 };
            if before == 9 {
                queue.get().unwrap().wake(key);
            }
            Rank { urgent_at: None, expires: before }
        }
    };
    let queue = queue.get_or_init(|| Queue::new(rank));
    queue.wake(&NamedKey("n", 2));
    queue.wake(&NamedKey("n", 1));
    assert_eq!(take(queue), Some(job(NamedKey("n", 1), Cause::Woken)), "it expires first by now");
    expires.store(9, Ordering::SeqCst);
    queue.done(&NamedKey("n", 1), NextRun::after(Duration::ZERO, Cause::Timer));
    assert_eq!(take(queue), Some(job(NamedKey("n", 1), Cause::Woken)), "also when it was due already");
}

#[test]
fn between_threads_every_wake_is_followed_by_a_start() {
    let (queue, keys) = (unranked(), 50);
    let versions: Vec<AtomicU64> = (0..keys).map(|_| AtomicU64::default()).collect();
    let (mut seen, is_over) = (vec![0; versions.len()], AtomicBool::new(false));
    std::thread::scope(|scope| {
        let wakers: Vec<_> = (0..3_usize)
            .map(|waker| {
                let (queue, versions) = (&queue, &versions);
                scope.spawn(move || {
                    for round in 0..20_000 {
                        let number = (round * 7 + waker * 13) % versions.len();
                        versions[number].fetch_add(1, Ordering::SeqCst);
                        queue.wake(&NamedKey("n", u32::try_from(number).unwrap()));
                    }
                })
            })
            .collect();
        let consumer = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                loop {
                    let was_over = is_over.load(Ordering::SeqCst);
                    match tokio::time::timeout(Duration::from_millis(1), queue.next(1)).await {
                        Ok(Job { key, .. }) => {
                            seen[key.1 as usize] = versions[key.1 as usize].load(Ordering::SeqCst);
                            queue.done(&key, NextRun::after(HOUR, Cause::Timer));
                        }
                        Err(_) if was_over => return,
                        Err(_) => {}
                    }
                }
            });
        });
        for waker in wakers {
            waker.join().unwrap();
        }
        is_over.store(true, Ordering::SeqCst);
        consumer.join().unwrap();
    });
    let versions: Vec<_> = versions.iter().map(|version| version.load(Ordering::SeqCst)).collect();
    assert_eq!(seen, versions);
}
