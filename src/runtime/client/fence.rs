//! The fence: no write is sent unless this process leads. It is checked last, before a request is sent.
//!
//! `leadership.rs` knows whether this process leads. The caller decides what a refusal means.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tower::BoxError;

use crate::runtime::leader::Leadership;

/// This process does not lead, or no longer leads. The write was not sent, or its answer was not waited
/// for.
#[derive(Debug, thiserror::Error)]
#[error("this process does not lead, so nothing is written")]
pub struct NotLeading;

impl NotLeading {
    /// Whether a call failed for this reason.
    #[must_use]
    pub fn is_cause_of(error: &kube::Error) -> bool {
        matches!(error, kube::Error::Service(error) if error.is::<Self>())
    }
}

/// Sends a write while this process leads. Waits for the answer until the deadline or the end of the
/// term, whichever is earlier. A term that is renewed meanwhile ends later.
///
/// # Guarantees
/// - The leadership is checked before every step of the write. A process that was suspended while it
///   connected therefore sends nothing when it continues too late.
/// - A write that is under way at the end of the term is cancelled. Its connection is closed, so that the
///   API server drops what it has not done yet.
/// - A write that began in one term takes no step in a later one.
///
/// # Errors
/// `late` when the deadline came first and this process still leads: a failure, to be tried again.
/// [`NotLeading`] otherwise: the next term reconciles every object.
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
        // The term comes first: if both have ended, as after a suspended process, it decides.
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
            // Both times pass at once, as for a process that is stopped here.
            ender.resign();
            let _ = connected.send(());
        });
        assert_eq!(outcome(&leadership, write).await, "refused");
        assert!(!sent.load(Ordering::Relaxed));
    }

    /// Renews the lease `times` times, every 3 s, which is the default.
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
        // This is just before a renewal, when the lease has the least time left.
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
