//! How many calls everyone makes at a time.
//!
//! The limit of HTTP/2 is one of a connection, and whoever was let in may open
//! many; each call that is under way can hold a message, and rows, in memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Who;

/// Of one agent: a session, its streams to receive on, and as many again while
/// it comes back from a connection that it has lost.
const OF_AGENT: usize = 64;
/// With one token, which many people may share.
const OF_BEARER: usize = 256;
/// On one connection of nobody's: those are what a load balancer and a machine
/// that joins need.
const OF_NOBODY: usize = 8;

/// Calls that are under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls {
    /// Not a task: calls end where answers are dropped, which cannot wait.
    under_way: Arc<Mutex<HashMap<Maker, usize>>>,
}

/// Whose calls are counted as one's. Nobody is told from others by the
/// connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Maker(Who, Option<u64>);

/// A call that is under way until this is dropped.
#[derive(Debug)]
pub(super) struct Call {
    calls: Calls,
    maker: Maker,
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, HashMap<Maker, usize>> {
        // Nothing panics in between that would leave it half changed.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more call of `who` on `connection`; refused with the limit, if as many
    /// are under way.
    pub(super) fn begin(&self, who: &Who, connection: Option<u64>) -> Result<Call, usize> {
        let (connection, most) = match who {
            Who::Nobody => (connection, OF_NOBODY),
            Who::Bearer(..) => (None, OF_BEARER),
            Who::Agent(_) => (None, OF_AGENT),
        };
        let maker = Maker(who.clone(), connection);
        let mut under_way = self.lock();
        let count = under_way.entry(maker.clone()).or_default();
        if *count >= most {
            return Err(most);
        }
        *count += 1;
        Ok(Call { calls: self.clone(), maker })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut under_way = self.calls.lock();
        let Some(count) = under_way.get_mut(&self.maker) else { return };
        *count -= 1;
        if *count == 0 {
            under_way.remove(&self.maker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_who_makes_them_and_nobodys_by_connection() {
        let calls = Calls::default();
        let agent = |name: &str| Who::Agent(name.parse().unwrap());
        for (who, most) in [(agent("one"), OF_AGENT), (agent("other"), OF_AGENT), (Who::Nobody, OF_NOBODY)] {
            let mut made: Vec<Call> = (0..most).map(|_| calls.begin(&who, Some(7)).unwrap()).collect();
            assert_eq!(calls.begin(&who, Some(7)).err(), Some(most), "{who}");
            let elsewhere = calls.begin(&who, Some(8));
            assert_eq!(elsewhere.is_ok(), who == Who::Nobody, "{who}");
            made.pop();
            assert!(calls.begin(&who, Some(7)).is_ok(), "{who}");
        }
        assert!(calls.lock().is_empty(), "nothing is left of calls that ended");
    }
}
