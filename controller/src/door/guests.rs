//! How many connections there are, and which of them have to go when there are
//! too many.
//!
//! A connection counts from the moment it was accepted. Until it is known whose
//! it is, it may have to make room for another one, the oldest first: whoever
//! opens many and says nothing is shut out by that, and nobody else.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cofi_proto::AgentName;
use tokio_util::sync::CancellationToken;

/// How many connections a listener has at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of all.
    pub connections: usize,
    /// Of those of which is not known whose they are.
    pub unknown: usize,
    /// Of one agent.
    pub per_agent: usize,
}

/// The connections of one listener.
#[derive(Debug, Clone)]
pub(super) struct Guests(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: Limits,
    /// Not a task: places are given back where connections are dropped, which
    /// cannot wait.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// By age.
    places: BTreeMap<u64, Entry>,
    /// Those of which is not known whose they are.
    unknown: BTreeSet<u64>,
    /// Those of each agent, by age.
    agents: HashMap<AgentName, BTreeSet<u64>>,
}

#[derive(Debug)]
struct Entry {
    agent: Option<AgentName>,
    evicted: CancellationToken,
}

impl Guests {
    pub(super) fn new(limits: Limits) -> Self {
        Self(Arc::new(Shared { limits, state: Mutex::default() }))
    }

    /// A place for one more connection; none if all are taken by ones that are
    /// known.
    pub(super) fn admit(&self) -> Option<Place> {
        let mut state = self.0.lock();
        let Limits { connections, unknown, .. } = self.0.limits;
        let full = state.places.len() >= connections || state.unknown.len() >= unknown;
        if full && !state.evict() {
            return None;
        }
        let (number, evicted) = (state.next, CancellationToken::new());
        state.next += 1;
        state.places.insert(number, Entry { agent: None, evicted: evicted.clone() });
        state.unknown.insert(number);
        Some(Place { shared: self.0.clone(), number, evicted })
    }

    /// Has one connection go whose owner is not known; false if there is none.
    pub(super) fn evict(&self) -> bool {
        self.0.lock().evict()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics in between that would leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn evict(&mut self) -> bool {
        let Some(oldest) = self.unknown.first().copied() else { return false };
        self.remove(oldest);
        true
    }

    /// Takes a connection out, and tells it so.
    fn remove(&mut self, number: u64) {
        let Some(Entry { agent, evicted }) = self.places.remove(&number) else { return };
        evicted.cancel();
        self.unknown.remove(&number);
        let Some(agent) = agent else { return };
        if let Some(connections) = self.agents.get_mut(&agent) {
            connections.remove(&number);
            if connections.is_empty() {
                self.agents.remove(&agent);
            }
        }
    }
}

/// One connection among the others, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    number: u64,
    evicted: CancellationToken,
}

impl Place {
    /// Cancelled when the connection has to make room.
    pub(super) fn evicted(&self) -> CancellationToken {
        self.evicted.clone()
    }

    /// It is known now whose it is: an agent's, or somebody's with a good
    /// token. An agent with too many loses its oldest, of which it most likely
    /// knows nothing any more. True if it did.
    pub(super) fn know(&self, agent: Option<&AgentName>) -> bool {
        let mut state = self.shared.lock();
        if !state.unknown.remove(&self.number) {
            // Known already, or evicted a moment ago.
            return false;
        }
        let Some(agent) = agent else { return false };
        if let Some(entry) = state.places.get_mut(&self.number) {
            entry.agent = Some(agent.clone());
        }
        let connections = state.agents.entry(agent.clone()).or_default();
        connections.insert(self.number);
        let too_many = connections.len() > self.shared.limits.per_agent;
        if too_many && let Some(oldest) = connections.first().copied() {
            state.remove(oldest);
        }
        too_many
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.lock().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guests(connections: usize, unknown: usize, per_agent: usize) -> Guests {
        Guests::new(Limits { connections, unknown, per_agent })
    }

    fn gone(place: &Place) -> bool {
        place.evicted().is_cancelled()
    }

    #[test]
    fn who_says_nothing_makes_room_for_the_next() {
        let guests = guests(10, 2, 8);
        let [first, second, third] = std::array::from_fn(|_| guests.admit().unwrap());
        assert!(gone(&first) && !gone(&second) && !gone(&third));
        second.know(None);
        let fourth = guests.admit().unwrap();
        assert!(!gone(&third), "only two of three are unknown");
        drop(guests.admit().unwrap());
        assert!(gone(&third) && !gone(&second) && !gone(&fourth));
    }

    #[test]
    fn the_known_are_not_sent_away_and_fill_the_house() {
        let guests = guests(2, 2, 8);
        let places: [Place; 2] = std::array::from_fn(|_| guests.admit().unwrap());
        assert!(places.iter().all(|place| !place.know(None)));
        assert!(guests.admit().is_none());
        assert!(!guests.evict());
        let [one, other] = places;
        drop(one);
        assert!(guests.admit().is_some() && !gone(&other));
    }

    #[test]
    fn an_agent_with_too_many_loses_its_oldest_and_nobody_elses() {
        let guests = guests(100, 100, 2);
        let (one, other): (AgentName, AgentName) = ("one".parse().unwrap(), "other".parse().unwrap());
        let bystander = guests.admit().unwrap();
        bystander.know(Some(&other));
        let [first, second, third] = std::array::from_fn(|_| guests.admit().unwrap());
        assert!(!first.know(Some(&one)) && !second.know(Some(&one)) && third.know(Some(&one)));
        assert!(gone(&first) && !gone(&second) && !gone(&third) && !gone(&bystander));
        drop(second);
        let fourth = guests.admit().unwrap();
        assert!(!fourth.know(Some(&one)), "a connection that ended does not count");
    }

    #[test]
    fn places_are_given_back_however_a_connection_ended() {
        let guests = guests(50, 20, 3);
        let agent: AgentName = "one".parse().unwrap();
        for round in 0..500 {
            let place = guests.admit().unwrap();
            match round % 3 {
                0 => drop(place.know(Some(&agent)).then_some(())),
                1 => drop(place.know(None).then_some(())),
                _ => drop(guests.evict().then_some(())),
            }
        }
        let state = guests.0.lock();
        assert!(state.places.is_empty() && state.unknown.is_empty() && state.agents.is_empty());
    }
}
