//! Requests that are being planned at this moment. A batch that was begun and
//! whose request is not among them is a leftover: of a controller that died,
//! or of a plan that could not be cleaned up because the database was away.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

/// The keys of the requests that are being planned.
#[derive(Debug, Clone, Default)]
pub(super) struct Underway {
    /// A lock and no task: it is held for one look-up.
    keys: Arc<Mutex<HashSet<String>>>,
}

/// A request that is being planned, until this is dropped.
#[derive(Debug)]
pub(super) struct Planning {
    underway: Underway,
    key: String,
}

impl Underway {
    /// Begins to plan a request; none if it is being planned already.
    pub(super) fn begin(&self, key: &str) -> Option<Planning> {
        let fresh = self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned());
        fresh.then(|| Planning { underway: self.clone(), key: key.to_owned() })
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).contains(key)
    }
}

impl Drop for Planning {
    fn drop(&mut self) {
        self.underway.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_planned_once_at_a_time_and_may_be_planned_again() {
        let underway = Underway::default();
        let planning = underway.begin("morning");
        assert!(planning.is_some() && underway.has("morning"));
        assert!(underway.clone().begin("morning").is_none());
        assert!(underway.begin("evening").is_some());
        drop(planning);
        assert!(!underway.has("morning") && underway.begin("morning").is_some());
    }
}
