//! How many connections there are, and which of them have to go when there are
//! too many.
//!
//! A connection counts from the moment it was accepted. Whoever has most makes
//! room for others, with the oldest first: those of whom is not known who they
//! are, all together, or somebody who has more than anybody needs. A good token
//! does not make a good guest.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

use crate::access::Who;

/// How many connections a listener has at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of all.
    pub connections: usize,
    /// Of those of which is not known whose they are.
    pub unknown: usize,
    /// Of one agent. Somebody with a token may have more of them, while there is
    /// room.
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
    /// Those of everyone who is known, by age.
    known: HashMap<Who, BTreeSet<u64>>,
}

#[derive(Debug)]
struct Entry {
    who: Who,
    evicted: CancellationToken,
}

impl Guests {
    pub(super) fn new(limits: Limits) -> Self {
        Self(Arc::new(Shared { limits, state: Mutex::default() }))
    }

    /// A place for one more connection; none if all are taken by ones that are
    /// known, of which nobody has too many.
    pub(super) fn admit(&self) -> Option<Place> {
        let mut state = self.0.lock();
        let Limits { connections, unknown, .. } = self.0.limits;
        let has_room = if state.unknown.len() >= unknown {
            state.evict_unknown()
        } else {
            state.places.len() < connections || state.evict(self.0.limits)
        };
        if !has_room {
            return None;
        }
        let (number, evicted) = (state.next, CancellationToken::new());
        state.next += 1;
        state.places.insert(number, Entry { who: Who::Nobody, evicted: evicted.clone() });
        state.unknown.insert(number);
        Some(Place { shared: self.0.clone(), number, evicted })
    }

    /// Has one connection go whose owner is not known, or has too many; false if
    /// there is none.
    pub(super) fn evict(&self) -> bool {
        self.0.lock().evict(self.0.limits)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics in between that would leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn evict(&mut self, limits: Limits) -> bool {
        let Some(oldest) = self.oldest_of_greediest(limits) else { return self.evict_unknown() };
        self.remove(oldest);
        true
    }

    fn evict_unknown(&mut self) -> bool {
        let Some(oldest) = self.unknown.first().copied() else { return false };
        self.remove(oldest);
        true
    }

    /// The oldest of whoever is known and has too many, more than strangers have.
    fn oldest_of_greediest(&self, limits: Limits) -> Option<u64> {
        let most = self.known.values().max_by_key(|connections| connections.len())?;
        let few = limits.per_agent.max(self.unknown.len());
        if most.len() > few { most.first().copied() } else { None }
    }

    /// Takes a connection out, and tells it so.
    fn remove(&mut self, number: u64) {
        let Some(Entry { who, evicted }) = self.places.remove(&number) else { return };
        evicted.cancel();
        self.unknown.remove(&number);
        if let Some(connections) = self.known.get_mut(&who) {
            connections.remove(&number);
            if connections.is_empty() {
                self.known.remove(&who);
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
    /// Tells it from all others of the listener.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Cancelled when the connection has to make room.
    pub(super) fn evicted(&self) -> CancellationToken {
        self.evicted.clone()
    }

    /// It is known now whose it is: an agent's, or somebody's with a good
    /// token. An agent with too many loses its oldest, of which it most likely
    /// knows nothing any more. True if it did.
    pub(super) fn know(&self, who: &Who) -> bool {
        let mut state = self.shared.lock();
        if *who == Who::Nobody || !state.unknown.remove(&self.number) {
            // Known already, or evicted a moment ago, or not known yet.
            return false;
        }
        if let Some(entry) = state.places.get_mut(&self.number) {
            entry.who = who.clone();
        }
        let connections = state.known.entry(who.clone()).or_default();
        connections.insert(self.number);
        let too_many = matches!(who, Who::Agent(_)) && connections.len() > self.shared.limits.per_agent;
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
    use cofi_identity::token::{AccessToken, Role};

    use super::*;

    fn agent(name: &str) -> Who {
        Who::Agent(name.parse().unwrap())
    }

    fn bearer(role: Role) -> Who {
        Who::Bearer(role, AccessToken::generate(role).unwrap().id())
    }

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
        second.know(&bearer(Role::Operator));
        let fourth = guests.admit().unwrap();
        assert!(!gone(&third), "only two of three are unknown");
        drop(guests.admit().unwrap());
        assert!(gone(&third) && !gone(&second) && !gone(&fourth));
    }

    #[test]
    fn the_known_are_not_sent_away_and_fill_the_house() {
        let guests = guests(2, 2, 8);
        let places: [Place; 2] = std::array::from_fn(|_| guests.admit().unwrap());
        assert!(places.iter().all(|place| !place.know(&bearer(Role::Operator))));
        assert!(guests.admit().is_none());
        assert!(!guests.evict());
        let [one, other] = places;
        drop(one);
        assert!(guests.admit().is_some() && !gone(&other));
    }

    #[test]
    fn an_agent_with_too_many_loses_its_oldest_and_nobody_elses() {
        let guests = guests(100, 100, 2);
        let (one, other) = (agent("one"), agent("other"));
        let bystander = guests.admit().unwrap();
        bystander.know(&other);
        let [first, second, third] = std::array::from_fn(|_| guests.admit().unwrap());
        assert!(!first.know(&one) && !second.know(&one) && third.know(&one));
        assert!(gone(&first) && !gone(&second) && !gone(&third) && !gone(&bystander));
        drop(second);
        let fourth = guests.admit().unwrap();
        assert!(!fourth.know(&one), "a connection that ended does not count");
    }

    #[test]
    fn whoever_has_most_makes_room_where_all_are_known() {
        let guests = guests(6, 6, 2);
        let (greedy, other) = (bearer(Role::Viewer), bearer(Role::Operator));
        let many: [Place; 4] = std::array::from_fn(|_| guests.admit().unwrap());
        let few: [Place; 2] = std::array::from_fn(|_| guests.admit().unwrap());
        assert!(many.iter().all(|place| !place.know(&greedy)) && few.iter().all(|place| !place.know(&other)));
        for gone_by_now in 1..=2 {
            let place = guests.admit().unwrap();
            assert!(!place.know(&bearer(Role::Operator)));
            assert_eq!(many.iter().filter(|place| gone(place)).count(), gone_by_now);
            assert!(gone(&many[0]), "the oldest first");
            std::mem::forget(place);
        }
        assert!(guests.admit().is_none(), "two are not too many");
        assert!(!few.iter().any(gone));
    }

    #[test]
    fn strangers_make_room_if_they_are_more_than_the_greediest_has() {
        let guests = guests(8, 8, 2);
        let greedy = bearer(Role::Viewer);
        let many: [Place; 4] = std::array::from_fn(|_| guests.admit().unwrap());
        assert!(many.iter().all(|place| !place.know(&greedy)));
        let strangers: [Place; 4] = std::array::from_fn(|_| guests.admit().unwrap());
        let one_more = guests.admit().unwrap();
        assert!(gone(&strangers[0]) && !many.iter().any(gone), "as many");
        drop(one_more);
        drop(strangers);
        assert!(guests.evict() && gone(&many[0]), "where files are short");
    }

    #[test]
    fn places_are_given_back_however_a_connection_ended() {
        let guests = guests(50, 20, 3);
        let (agent, bearer) = (agent("one"), bearer(Role::Viewer));
        for round in 0..500 {
            let place = guests.admit().unwrap();
            match round % 3 {
                0 => drop(place.know(&agent).then_some(())),
                1 => drop(place.know(&bearer).then_some(())),
                _ => drop(guests.evict().then_some(())),
            }
        }
        let state = guests.0.lock();
        assert!(state.places.is_empty() && state.unknown.is_empty() && state.known.is_empty());
    }
}
