//! The state of all workers, and what it makes of the engine.

use cofi_lid::protocol::Ready;
use cofi_proto::{
    limits::cut_reason,
    session::{Engine, EngineState},
};

/// The state of one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Worker {
    /// Its process is coming up for the first time.
    Starting,
    /// It works, or is replaced after a recording killed it.
    Ready(Ready),
    /// Its process does not come up.
    Failed(String),
}

/// The state of all workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// What the engine is called if it does not say so.
    fallback_name: String,
    workers: Vec<Worker>,
}

impl Board {
    /// No worker has come up yet.
    #[must_use]
    pub fn new(fallback_name: String) -> Self {
        Self { fallback_name, workers: vec![Worker::Starting] }
    }

    /// Notes the state of a worker. Tells whether the engine's state changed.
    pub fn note(&mut self, slot: usize, worker: Worker) -> bool {
        let before = self.engine();
        if self.workers.len() <= slot {
            self.workers.resize(slot + 1, Worker::Starting);
        }
        self.workers[slot] = worker;
        self.engine() != before
    }

    /// The first worker that is ready.
    pub(super) fn ready(&self) -> Option<&Ready> {
        self.workers.iter().find_map(|worker| match worker {
            Worker::Ready(ready) => Some(ready),
            Worker::Starting | Worker::Failed(_) => None,
        })
    }

    /// The engine is ready when one worker is, and failed when one failed and
    /// none is ready.
    #[must_use]
    pub fn engine(&self) -> Engine {
        if let Some(ready) = self.ready() {
            let name = [ready.engine.as_deref(), ready.model.as_deref()];
            let name = name.iter().flatten().copied().collect::<Vec<_>>().join(" ");
            return Engine {
                state: EngineState::Ready,
                reason: cut_reason(ready.note.clone().unwrap_or_default()),
                name: cut_reason(if name.is_empty() { self.fallback_name.clone() } else { name }),
                device: cut_reason(ready.device.clone().unwrap_or_default()),
            };
        }
        let failure = self.workers.iter().find_map(|worker| match worker {
            Worker::Failed(reason) => Some(reason.clone()),
            Worker::Starting | Worker::Ready(_) => None,
        });
        let state = if failure.is_some() { EngineState::Failed } else { EngineState::Starting };
        let reason = cut_reason(failure.unwrap_or_default());
        Engine { state, reason, name: self.fallback_name.clone(), device: String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_ready_worker_makes_the_engine_ready() {
        let mut board = Board::new("worker.py".to_owned());
        assert_eq!(board.engine().state, EngineState::Starting);
        assert!(board.note(1, Worker::Failed("no model".to_owned())));
        assert_eq!(board.engine().state, EngineState::Failed);
        assert_eq!(board.engine().reason, "no model");
        let ready = Ready { device: Some("cpu".to_owned()), ..Ready::default() };
        assert!(board.note(0, Worker::Ready(ready.clone())));
        assert_eq!(board.engine().state, EngineState::Ready);
        assert_eq!((board.engine().name.as_str(), board.engine().device.as_str()), ("worker.py", "cpu"));
        assert!(!board.note(1, Worker::Ready(ready)));
    }
}
