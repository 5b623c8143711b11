//! A fair queue of calls to servers. Flows take turns, and a server that never answers does not hold up
//! calls to others.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// A call that waits.
pub trait WaitingCall {
    /// What tells servers apart.
    type Server: Clone + Eq + Hash;

    /// The flow of the call. Flows take turns.
    fn flow(&self) -> &str;

    /// Whose call it is. Calls of one owner may be of different flows, and do not take all places at a server.
    fn owner(&self) -> &str {
        self.flow()
    }

    /// The server that is called.
    fn server(&self) -> &Self::Server;

    /// Whether a call that waits in the same flow need not be made, because this one takes its place.
    fn replaces(&self, waiting: &Self) -> bool;
}

/// How many calls run at a time.
#[derive(Clone, Copy, Debug)]
pub struct CallLimits {
    /// Of all.
    pub at_once: usize,
    /// To one server.
    pub per_server: usize,
    /// Of one flow.
    pub per_flow: usize,
    /// Of the same owner to one server. If it is less than the others, a server that never answers one owner leaves room
    /// for other owners.
    pub per_owner: usize,
}

/// The calls that wait, by flow.
#[derive(Debug)]
pub struct CallQueue<C: WaitingCall> {
    limits: CallLimits,
    flows: VecDeque<(String, VecDeque<C>)>,
    running: HashMap<String, usize>,
    /// How many run at each server, by owner.
    by_server: HashMap<C::Server, HashMap<String, usize>>,
}

impl<C: WaitingCall> CallQueue<C> {
    /// An empty queue.
    #[must_use]
    pub fn new(limits: CallLimits) -> Self {
        Self { limits, flows: VecDeque::new(), running: HashMap::new(), by_server: HashMap::new() }
    }

    /// How many calls wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flows.iter().map(|(_, queue)| queue.len()).sum()
    }

    /// Whether no call waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// Adds a call, at the place of the one that it replaces.
    pub fn push(&mut self, call: C) {
        match self.flows.iter_mut().find(|(flow, _)| *flow == call.flow()) {
            Some((_, queue)) => match queue.iter_mut().find(|waiting| call.replaces(waiting)) {
                Some(waiting) => *waiting = call,
                None => queue.push_back(call),
            },
            None => self.flows.push_back((call.flow().to_owned(), VecDeque::from([call]))),
        }
    }

    /// Adds calls of one flow that replace none, without a comparison with those that wait.
    pub fn append(&mut self, flow: &str, calls: VecDeque<C>) {
        match self.flows.iter_mut().find(|(name, _)| name == flow) {
            Some((_, queue)) => queue.extend(calls),
            None if calls.is_empty() => {}
            None => self.flows.push_back((flow.to_owned(), calls)),
        }
    }

    /// Removes the calls of a flow that are not to be made any more.
    pub fn remove(&mut self, flow: &str, is_over: impl Fn(&C) -> bool) {
        if let Some(index) = self.flows.iter().position(|(name, _)| name == flow) {
            self.flows[index].1.retain(|call| !is_over(call));
            if self.flows[index].1.is_empty() {
                self.flows.remove(index);
            }
        }
    }

    /// Takes the next call among those that `may_start` permits; `None` if none may start now.
    pub fn pop(&mut self, may_start: impl Fn(&C) -> bool) -> Option<C> {
        let Self { limits, flows, running, by_server } = self;
        if running.values().sum::<usize>() >= limits.at_once {
            return None;
        }
        let has_capacity = |call: &C| {
            by_server.get(call.server()).is_none_or(|owners| {
                owners.values().sum::<usize>() < limits.per_server
                    && owners.get(call.owner()).is_none_or(|count| *count < limits.per_owner)
            }) && may_start(call)
        };
        // Of each flow the first that may start, so that a busy server holds up no other.
        let first = |(flow, queue): &(String, VecDeque<C>)| {
            let is_free = running.get(flow).is_none_or(|count| *count < limits.per_flow);
            if is_free { queue.iter().position(has_capacity) } else { None }
        };
        let (index, at) = flows.iter().enumerate().find_map(|(index, flow)| Some((index, first(flow)?)))?;
        let (flow, mut queue) = flows.remove(index)?;
        let call = queue.remove(at)?;
        if !queue.is_empty() {
            flows.push_back((flow.clone(), queue));
        }
        *running.entry(flow).or_default() += 1;
        let owners = by_server.entry(call.server().clone()).or_default();
        *owners.entry(call.owner().to_owned()).or_default() += 1;
        Some(call)
    }

    /// Notes that a call ended.
    pub fn ended(&mut self, call: &C) {
        count_down(&mut self.running, call.flow());
        if let Some(owners) = self.by_server.get_mut(call.server()) {
            count_down(owners, call.owner());
            if owners.is_empty() {
                self.by_server.remove(call.server());
            }
        }
    }
}

fn count_down(counts: &mut HashMap<String, usize>, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        *count -= 1;
        if *count == 0 {
            counts.remove(name);
        }
    }
}
