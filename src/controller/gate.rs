//! The way to the API server: a bounded number of calls at a time, the URL that expires
//! soonest first.
//!
//! kube's queue has no order; after a rotation of a shared key, or at a start after a
//! long stop, the order is what keeps the promise.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::runtime::NotLeading;

/// A semaphore whose waiters are served by urgency.
#[derive(Clone, Debug)]
pub struct Gate {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    free: usize,
    is_closed: bool,
    arrivals: u64,
    waiting: BinaryHeap<Reverse<Waiter>>,
}

#[derive(Debug)]
struct Waiter {
    urgency: i64,
    arrival: u64,
    is_last_word: bool,
    opened: oneshot::Sender<Pass>,
}

impl PartialEq for Waiter {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiter {}

impl PartialOrd for Waiter {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiter {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.urgency, self.arrival).cmp(&(other.urgency, other.arrival))
    }
}

/// The right to call the API server; ends when dropped.
#[derive(Debug)]
pub struct Pass {
    gate: Option<Gate>,
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(gate) = &self.gate {
            gate.release();
        }
    }
}

impl Gate {
    /// A gate for `width` calls at a time, at least one.
    #[must_use]
    pub fn new(width: usize) -> Self {
        let state = State { free: width.max(1), is_closed: false, arrivals: 0, waiting: BinaryHeap::new() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Waits for a turn. `urgency` is the second at which the stored URL expires; smaller
    /// goes first.
    ///
    /// # Errors
    /// When the gate is closed, or is closed meanwhile.
    pub async fn enter(&self, urgency: i64) -> Result<Pass, NotLeading> {
        self.queue(urgency, false)?.await.map_err(|_| NotLeading)
    }

    /// The same for what has to be said after something was done: a closed gate lets it in.
    pub async fn enter_last(&self, urgency: i64) -> Pass {
        match self.queue(urgency, true) {
            Ok(turn) => match turn.await {
                Ok(pass) => pass,
                // The sender is only dropped with the heap, which this gate keeps alive.
                Err(_) => std::future::pending().await,
            },
            Err(NotLeading) => std::future::pending().await,
        }
    }

    /// Lets nobody begin anything any more.
    pub fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.waiting.retain(|Reverse(waiter)| waiter.is_last_word);
    }

    fn queue(&self, urgency: i64, is_last_word: bool) -> Result<oneshot::Receiver<Pass>, NotLeading> {
        let (opened, waiting) = oneshot::channel();
        let mut state = self.lock();
        if state.is_closed && !is_last_word {
            return Err(NotLeading);
        }
        if state.free > 0 {
            state.free -= 1;
            drop(state);
            // It goes back through the gate if the receiver is not polled.
            let _ = opened.send(Pass { gate: Some(self.clone()) });
            return Ok(waiting);
        }
        state.arrivals += 1;
        let arrival = state.arrivals;
        state.waiting.push(Reverse(Waiter { urgency, arrival, is_last_word, opened }));
        Ok(waiting)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands the turn to the most urgent waiter that is still there.
    fn release(&self) {
        loop {
            let next = {
                let mut state = self.lock();
                let next = state.waiting.pop();
                if next.is_none() {
                    state.free += 1;
                }
                next
            };
            let Some(Reverse(waiter)) = next else { return };
            match waiter.opened.send(Pass { gate: Some(self.clone()) }) {
                Ok(()) => return,
                // Dropped whole it would come here again, once for every waiter that left.
                Err(mut unused) => unused.gate = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn serves_the_most_urgent_first_and_skips_who_left() {
        let gate = Gate::new(1);
        let held = gate.enter(0).await.unwrap();
        let (order, mut served) = tokio::sync::mpsc::unbounded_channel();
        let mut tasks = Vec::new();
        for urgency in [30, 10, 20, 5] {
            let (gate, order) = (gate.clone(), order.clone());
            tasks.push(tokio::spawn(async move {
                let pass = gate.enter(urgency).await.unwrap();
                order.send(urgency).unwrap();
                drop(pass);
            }));
            tokio::task::yield_now().await;
        }
        tasks.pop().unwrap().abort();
        tokio::task::yield_now().await;
        drop(held);
        drop(order);
        let mut seen = Vec::new();
        while let Some(urgency) = served.recv().await {
            seen.push(urgency);
        }
        assert_eq!(seen, [10, 20, 30]);
        drop(gate.enter(0).await.unwrap());
    }

    #[tokio::test]
    async fn closed_it_lets_in_only_the_last_word() {
        let gate = Gate::new(1);
        let held = gate.enter(0).await.unwrap();
        let enter = |is_last: bool| {
            let gate = gate.clone();
            tokio::spawn(
                async move { if is_last { Ok(gate.enter_last(9).await) } else { gate.enter(1).await } },
            )
        };
        let (first, last) = (enter(false), enter(true));
        tokio::task::yield_now().await;
        gate.close();
        assert!(first.await.unwrap().is_err());
        assert!(gate.enter(0).await.is_err());
        drop(held);
        drop(last.await.unwrap().unwrap());
        drop(gate.enter_last(0).await);
    }
}
