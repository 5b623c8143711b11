//! No write without the right to write: the last look before a request goes out.
//!
//! Whose the right is, is `leadership.rs`; what a refusal means is decided by who writes.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tower::BoxError;

use crate::runtime::leader::Leadership;

/// This process does not lead, or no longer: what was to be written is not sent, or not
/// waited for.
#[derive(Debug, thiserror::Error)]
#[error("this process does not lead, so nothing is written")]
pub struct NotLeading;

/// Sends a write while this process leads, and waits for it until the earlier of its
/// deadline and the end of the term, as renewed meanwhile.
///
/// # Guarantees
/// - The right is looked at whenever the write could take a step, before it takes it. So a
///   process that was stopped while it connected sends nothing after it woke up too late.
/// - What is under way at the end of the term is given up: its connection is closed, which
///   tells the API server to drop what it has not done yet.
/// - A write that was begun in one term takes no step in a later one.
///
/// # Errors
/// `late` when the deadline came first and this process still leads: a failure, to be tried
/// again. [`NotLeading`] otherwise: the next term looks at everything.
pub(super) async fn fenced<T>(
    leadership: &Leadership,
    deadline: Duration,
    write: impl Future<Output = Result<T, BoxError>>,
    late: impl FnOnce() -> BoxError,
) -> Result<T, BoxError> {
    let term = leadership.term().ok_or(NotLeading)?;
    let mut write = pin!(write);
    let guarded = poll_fn(|context| {
        if leadership.term() != Some(term) {
            return Poll::Ready(Err(NotLeading.into()));
        }
        write.as_mut().poll(context)
    });
    tokio::select! {
        // First: where both are over, as after a pause of the process, the term decides.
        biased;
        () = leadership.ended(term) => Err(NotLeading.into()),
        answer = tokio::time::timeout(deadline, guarded) => answer.unwrap_or_else(|_| Err(late())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::time::Instant;

    use super::*;
    use crate::runtime::clock::Clock;
    use crate::runtime::leader::Moment;

    const SECOND: Duration = Duration::from_secs(1);

    fn leading(term: Duration) -> Leadership {
        let clock = Clock::system();
        let leadership = Leadership::none(clock.clone());
        leadership.grant(Moment::now(&clock).plus(term));
        leadership
    }

    async fn outcome<T>(leadership: &Leadership, write: impl Future<Output = T>) -> String {
        within(2 * SECOND, leadership, write).await
    }

    async fn within<T>(
        deadline: Duration,
        leadership: &Leadership,
        write: impl Future<Output = T>,
    ) -> String {
        let write = async { Ok::<_, BoxError>(write.await) };
        match fenced(leadership, deadline, write, || "late".into()).await {
            Ok(_) => "sent".to_owned(),
            Err(error) if error.is::<NotLeading>() => "refused".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_ends_with_the_term_or_with_its_deadline() {
        assert_eq!(outcome(&Leadership::unopposed(), async {}).await, "sent");
        assert_eq!(outcome(&Leadership::unopposed(), std::future::pending::<()>()).await, "late");
        assert_eq!(outcome(&Leadership::none(Clock::system()), async {}).await, "refused");
        assert_eq!(outcome(&leading(4 * SECOND), std::future::pending::<()>()).await, "late");
        assert_eq!(outcome(&leading(SECOND), std::future::pending::<()>()).await, "refused");
    }

    #[tokio::test(start_paused = true)]
    async fn takes_no_step_after_the_term() {
        let leadership = leading(4 * SECOND);
        let sent = Arc::new(AtomicBool::new(false));
        let (connected, connecting) = tokio::sync::oneshot::channel::<()>();
        let (ender, sends) = (leadership.clone(), sent.clone());
        let write = async move {
            let _ = connecting.await;
            sends.store(true, Ordering::Relaxed);
        };
        tokio::spawn(async move {
            tokio::time::sleep(SECOND).await;
            // Both at once, as for a process that was stopped here.
            ender.resign();
            let _ = connected.send(());
        });
        assert_eq!(outcome(&leadership, write).await, "refused");
        assert!(!sent.load(Ordering::Relaxed));
    }

    /// Renews every 3 s, as by default, and `times` times.
    fn renewed(times: u32) -> Leadership {
        let leadership = leading(10 * SECOND);
        let (renewing, clock) = (leadership.clone(), Clock::system());
        tokio::spawn(async move {
            for _ in 0..times {
                tokio::time::sleep(3 * SECOND).await;
                renewing.grant(Moment::now(&clock).plus(10 * SECOND));
            }
        });
        leadership
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_hangs_while_the_lease_is_renewed_is_late() {
        let begun = Instant::now();
        let leadership = renewed(10);
        // As in the middle between two renewals, when the least of the lease is left.
        tokio::time::sleep(Duration::from_millis(2_900)).await;
        let hanging = tokio::time::sleep(20 * SECOND);
        assert_eq!(within(15 * SECOND, &leadership, hanging).await, "late");
        assert_eq!(begun.elapsed().as_millis(), 17_900);
        let slow = tokio::time::sleep(14 * SECOND);
        assert_eq!(within(15 * SECOND, &leadership, slow).await, "sent");
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_under_way_when_the_renewals_stop_ends_with_the_lease() {
        let begun = Instant::now();
        let hanging = tokio::time::sleep(20 * SECOND);
        assert_eq!(within(15 * SECOND, &renewed(1), hanging).await, "refused");
        assert_eq!(begun.elapsed().as_secs(), 13);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_of_an_earlier_term_takes_no_step_in_a_later_one() {
        let leadership = leading(SECOND);
        let next = leadership.clone();
        let write = async move {
            tokio::time::sleep(SECOND / 2).await;
            next.resign();
            next.grant(Moment::now(&Clock::system()).plus(10 * SECOND));
            tokio::task::yield_now().await;
        };
        assert_eq!(outcome(&leadership, write).await, "refused");
    }
}
