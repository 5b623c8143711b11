//! No write without the right to write: the last look before a request goes out.
//!
//! Whose the right is, is `leadership.rs`; what a refusal means is decided by who writes.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Duration;

use tower::BoxError;

use crate::runtime::leader::Leadership;

/// This process does not lead, or no longer: what was to be written is not sent, or not
/// waited for.
#[derive(Debug, thiserror::Error)]
#[error("this process does not lead, so nothing is written")]
pub struct NotLeading;

/// Runs a write for as long as this process leads, and for `deadline` at most.
///
/// # Guarantees
/// The right is looked at whenever the write could take a step, before it takes it. So a
/// process that was stopped while it connected sends nothing after it woke up too late.
/// What is under way at the end of the term is given up: its connection is closed, which
/// tells the API server to drop what it has not done yet.
///
/// # Errors
/// [`NotLeading`], or `late` when the deadline came first.
pub(super) async fn fenced<T>(
    leadership: &Leadership,
    deadline: Duration,
    write: impl Future<Output = Result<T, BoxError>>,
    late: impl FnOnce() -> BoxError,
) -> Result<T, BoxError> {
    let left = leadership.left().ok_or(NotLeading)?;
    let mut write = pin!(write);
    let guarded = poll_fn(|context| {
        if leadership.left().is_none() {
            return std::task::Poll::Ready(Err(NotLeading.into()));
        }
        write.as_mut().poll(context)
    });
    match tokio::time::timeout(deadline.min(left), guarded).await {
        Ok(answer) => answer,
        Err(_) if left <= deadline => Err(NotLeading.into()),
        Err(_) => Err(late()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::runtime::clock::Clock;
    use crate::runtime::leader::leadership::Moment;

    const SECOND: Duration = Duration::from_secs(1);

    fn leading(term: Duration) -> Leadership {
        let clock = Clock::system();
        let leadership = Leadership::none(clock.clone());
        leadership.grant(Moment::now(&clock).plus(term));
        leadership
    }

    async fn outcome<T>(leadership: &Leadership, write: impl Future<Output = T>) -> String {
        let write = async { Ok::<_, BoxError>(write.await) };
        match fenced(leadership, 2 * SECOND, write, || "late".into()).await {
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
}
