//! The way to the API server: a bounded number of calls at a time, the URL that expires
//! soonest first.
//!
//! kube's queue has no order; after a rotation of a shared key, or at a start after a
//! long stop, the order is what keeps the promise.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// A semaphore whose waiters are served by urgency.
#[derive(Clone, Debug)]
pub struct Gate {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    free: usize,
    arrivals: u64,
    waiting: BinaryHeap<Reverse<Waiter>>,
}

#[derive(Debug)]
struct Waiter {
    urgency: i64,
    arrival: u64,
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
        let state = State { free: width.max(1), arrivals: 0, waiting: BinaryHeap::new() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Waits for a turn. `urgency` is the second at which the stored URL expires; smaller
    /// goes first.
    pub async fn enter(&self, urgency: i64) -> Pass {
        let waiting = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.free > 0 {
                state.free -= 1;
                return Pass { gate: Some(self.clone()) };
            }
            let (opened, waiting) = oneshot::channel();
            state.arrivals += 1;
            let arrival = state.arrivals;
            state.waiting.push(Reverse(Waiter { urgency, arrival, opened }));
            waiting
        };
        match waiting.await {
            Ok(pass) => pass,
            // The sender is only dropped with the heap, which this gate keeps alive.
            Err(_) => std::future::pending().await,
        }
    }

    /// Hands the turn to the most urgent waiter that is still there.
    fn release(&self) {
        loop {
            let next = {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
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
        let held = gate.enter(0).await;
        let (order, mut served) = tokio::sync::mpsc::unbounded_channel();
        let mut tasks = Vec::new();
        for urgency in [30, 10, 20, 5] {
            let (gate, order) = (gate.clone(), order.clone());
            tasks.push(tokio::spawn(async move {
                let pass = gate.enter(urgency).await;
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
        drop(gate.enter(0).await);
    }
}
