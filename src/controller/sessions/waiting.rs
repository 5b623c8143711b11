//! The sessions that were asked for and not requested yet. Namespaces take turns, so that one with many
//! broken roles does not keep the others from their sessions.

use std::collections::{HashMap, VecDeque};

use super::WantedSession;
use crate::domain::session::StsAddress;

/// How many sessions are requested at a time.
const AT_ONCE: usize = 32;
/// How many of them from one STS, so that one that never answers does not hold up the others.
const PER_STS: usize = 8;
/// How many of them have the same turn.
const PER_TURN: usize = 4;

/// The sessions that were asked for, by whose turn they have.
#[derive(Default)]
pub(super) struct SessionQueue {
    turns: VecDeque<(String, VecDeque<WantedSession>)>,
    running: HashMap<String, usize>,
    by_sts: HashMap<StsAddress, usize>,
}

impl SessionQueue {
    /// Adds a session.
    pub(super) fn push(&mut self, wanted: WantedSession) {
        match self.turns.iter_mut().find(|(turn, _)| *turn == wanted.turn) {
            Some((_, queue)) => queue.push_back(wanted),
            None => self.turns.push_back((wanted.turn.clone(), VecDeque::from([wanted]))),
        }
    }

    /// Takes the next session; `None` if none may be requested now.
    pub(super) fn pop(&mut self) -> Option<WantedSession> {
        if self.by_sts.values().sum::<usize>() >= AT_ONCE {
            return None;
        }
        let Self { turns, running, by_sts } = self;
        let has_room =
            |wanted: &WantedSession| by_sts.get(&wanted.key.terms.sts).is_none_or(|count| *count < PER_STS);
        // Of each turn the first that may be requested, so that a busy STS holds up no other.
        let first = |(turn, queue): &(String, VecDeque<WantedSession>)| {
            let is_free = running.get(turn).is_none_or(|count| *count < PER_TURN);
            if is_free { queue.iter().position(has_room) } else { None }
        };
        let (place, at) = turns.iter().enumerate().find_map(|(place, turn)| Some((place, first(turn)?)))?;
        let (turn, mut queue) = turns.remove(place)?;
        let wanted = queue.remove(at)?;
        if !queue.is_empty() {
            turns.push_back((turn.clone(), queue));
        }
        *running.entry(turn).or_default() += 1;
        *by_sts.entry(wanted.key.terms.sts.clone()).or_default() += 1;
        Some(wanted)
    }

    /// Notes that a request ended.
    pub(super) fn ended(&mut self, wanted: &WantedSession) {
        count_down(&mut self.running, &wanted.turn);
        count_down(&mut self.by_sts, &wanted.key.terms.sts);
    }
}

fn count_down<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
