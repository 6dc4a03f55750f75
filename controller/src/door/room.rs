//! How many connections the machine has room for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Limits;

/// Open files that many agents and their connections need.
const OPEN_FILES: u64 = 65_536;
/// Connections at most, unless the configuration says otherwise.
const MOST: u64 = 8_192;
/// Open files where the system has no limit, or does not tell it.
const USUAL_OPEN_FILES: u64 = 1_024;

/// Room for connections, of which each listener gets a part: agents three
/// quarters, operators the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    connections: usize,
    per_agent: usize,
}

impl Room {
    /// As configured, or half of what the limit on open files allows: the other
    /// half is for files and the database.
    pub(crate) fn new(configured: Option<u32>, per_agent: u32) -> Self {
        let most = configured.map_or_else(|| (raise_open_files() / 2).min(MOST), u64::from);
        Self {
            connections: usize::try_from(most).unwrap_or(usize::MAX),
            per_agent: usize::try_from(per_agent).unwrap_or(usize::MAX),
        }
    }

    /// For the listener of the agents.
    pub(crate) fn for_agents(self) -> Limits {
        self.part(self.connections - self.connections / 4)
    }

    /// For the control listener.
    pub(crate) fn for_control(self) -> Limits {
        self.part(self.connections / 4)
    }

    /// Half of a part can be taken by those who have not said who they are.
    fn part(self, connections: usize) -> Limits {
        let connections = connections.max(2);
        Limits { connections, unknown: connections / 2, per_agent: self.per_agent }
    }
}

/// The soft limit on open files is often 1,024, far less than the hard one:
/// raises it, and says what it is then.
fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(OPEN_FILES, |most| most.min(OPEN_FILES));
    let current = limit.current.unwrap_or(USUAL_OPEN_FILES);
    if current >= wanted {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }) {
        Ok(()) => wanted,
        Err(error) => {
            tracing::debug!(%error, "the limit on open files stays as it is");
            current
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_and_operators_share_the_room() {
        let room = Room::new(Some(1_000), 8);
        assert_eq!(room.for_agents(), Limits { connections: 750, unknown: 375, per_agent: 8 });
        assert_eq!(room.for_control(), Limits { connections: 250, unknown: 125, per_agent: 8 });
        let by_itself = Room::new(None, 8);
        assert!(by_itself.connections >= 256 && by_itself.connections <= 8_192, "{by_itself:?}");
    }
}
