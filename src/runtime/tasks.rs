//! Tasks that run for as long as the process, and whose end must be noticed.

use std::future::Future;

use tokio::task::JoinSet;

/// Supervised tasks.
///
/// # Guarantees
/// [`ended`](Self::ended) reports when a task ended or panicked, because a process without one of its
/// watches must not look alive.
#[derive(Debug, Default)]
pub struct Tasks(JoinSet<&'static str>);

impl Tasks {
    /// Spawns a task that is not expected to end.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(async move {
            task.await;
            name
        });
    }

    /// Waits until a task has ended, and returns its name. The name of a task that panicked is not known.
    /// Never resolves while all tasks run.
    pub async fn ended(&mut self) -> &'static str {
        match self.0.join_next().await {
            Some(Ok(name)) => name,
            Some(Err(_)) => "a task that panicked",
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tells_of_an_end_and_of_a_panic() {
        let mut tasks = Tasks::default();
        tasks.spawn("one that runs", std::future::pending());
        tasks.spawn("one that ends", async {});
        assert_eq!(tasks.ended().await, "one that ends");
        tasks.spawn("one that panics", async { panic!("on purpose") });
        assert_eq!(tasks.ended().await, "a task that panicked");
    }
}
