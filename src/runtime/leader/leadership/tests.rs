//! When a term begins, goes on and ends, by both clocks.

use std::pin::pin;

use futures::FutureExt as _;

use super::*;

const TERM: Duration = Duration::from_secs(10);

fn begun() -> (Leadership, crate::runtime::clock::ClockOffset) {
    let (clock, offset) = Clock::adjustable();
    let leadership = Leadership::none(clock.clone());
    leadership.grant(Moment::now(&clock).plus(TERM));
    (leadership, offset)
}

#[tokio::test(start_paused = true)]
async fn ends_by_itself_and_does_not_come_back_as_the_same_term() {
    let (leadership, _) = begun();
    assert_eq!(leadership.term(), Some(1));
    tokio::time::advance(TERM / 2).await;
    leadership.grant(Moment::now(&leadership.clock).plus(TERM));
    tokio::time::advance(TERM * 99 / 100).await;
    assert_eq!(leadership.term(), Some(1), "it was continued");
    tokio::time::advance(TERM / 100).await;
    assert_eq!((leadership.term(), leadership.left()), (None, None));
    leadership.grant(Moment::now(&leadership.clock).plus(TERM));
    assert_eq!(leadership.term(), Some(2));
    leadership.resign();
    assert_eq!(leadership.term(), None);
}

#[tokio::test(start_paused = true)]
async fn ends_when_the_machine_slept_through_it() {
    let (leadership, offset) = begun();
    offset.advance(12);
    assert_eq!(leadership.left(), None);
    offset.set(-1000);
    assert!(leadership.left().unwrap() <= TERM, "a clock put back prolongs nothing");
}

#[tokio::test(start_paused = true)]
async fn tells_of_each_term_once() {
    let (leadership, _) = begun();
    let mut begins = pin!(leadership.begins());
    assert_eq!(begins.next().now_or_never(), Some(Some(())));
    leadership.grant(Moment::now(&leadership.clock).plus(TERM));
    assert_eq!(begins.next().now_or_never(), None, "a renewal is no beginning");
    leadership.resign();
    leadership.grant(Moment::now(&leadership.clock).plus(TERM));
    assert_eq!(begins.next().now_or_never(), Some(Some(())));
    assert_eq!(Leadership::unopposed().left(), Some(Duration::MAX));
}

#[tokio::test(start_paused = true)]
async fn waits_for_a_term_that_begins_in_time() {
    let (leadership, _) = begun();
    let end = Instant::now() + 3 * TERM;
    assert_eq!(leadership.leads_before(end).now_or_never(), Some(true));
    assert_eq!(leadership.leads_before(end - 3 * TERM).now_or_never(), Some(false), "it is too late");
    tokio::time::advance(TERM).await;
    let mut again = pin!(leadership.leads_before(end));
    assert_eq!((&mut again).now_or_never(), None, "the first term is over");
    leadership.grant(Moment::now(&leadership.clock).plus(TERM));
    assert!(again.await);
    leadership.resign();
    assert!(!leadership.leads_before(end).await);
    assert!(Instant::now() >= end);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_term_moves_with_each_renewal() {
    let (leadership, _) = begun();
    let mut ended = pin!(leadership.ended(1));
    for _ in 0..5 {
        tokio::time::advance(TERM * 9 / 10).await;
        assert_eq!(ended.as_mut().now_or_never(), None);
        leadership.grant(Moment::now(&leadership.clock).plus(TERM));
    }
    let renewed = Instant::now();
    ended.await;
    assert_eq!(renewed.elapsed().as_secs(), TERM.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_term_that_was_given_up_or_followed_by_another_is_over() {
    let (leadership, _) = begun();
    let mut ended = pin!(leadership.ended(1));
    assert_eq!(ended.as_mut().now_or_never(), None);
    leadership.resign();
    // Both changes are seen in one step, as by a process that was stopped meanwhile.
    leadership.grant(Moment::now(&leadership.clock).plus(TERM));
    assert_eq!(ended.now_or_never(), Some(()));
    assert_eq!(leadership.ended(2).now_or_never(), None);
    assert_eq!(Leadership::unopposed().ended(1).now_or_never(), None);
}

#[tokio::test(start_paused = true)]
async fn tells_of_each_restore_to_who_was_there() {
    let leadership = Leadership::none(Clock::system());
    leadership.note_restore();
    let mut restores = pin!(leadership.restores());
    assert_eq!(restores.next().now_or_never(), None);
    leadership.note_restore();
    assert_eq!(restores.next().now_or_never(), Some(Some(())));
    leadership.grant(Moment::now(&leadership.clock).plus(TERM));
    assert_eq!(restores.next().now_or_never(), None);
}
