//! Sees everything that happens, holds it against the promises, and keeps a
//! digest of it: the same seed must give the same one.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cofi_proto::{AgentName, Digest, RecordingId, digest::Hasher};
use serde::{Deserialize, Serialize};

/// Lines of the story that are kept for who asks after a failure.
const KEPT: usize = 400;

/// A recording that one store holds.
type Kept = (String, RecordingId);

/// How much of everything happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Recordings that arrived whole at an agent.
    pub arrived: u64,
    /// Times an engine began with a recording.
    pub begun: u64,
    /// Results that were written down.
    pub finished: u64,
    /// Recordings that hosts removed because they were told to.
    pub released: u64,
    /// Recordings that were planned again, since their host was given up.
    pub given_up: u64,
    /// Recordings that were sent again to a host that came back after it had
    /// been given up.
    pub came_back: u64,
    /// Crashes of the controller.
    pub controller_crashes: u64,
    /// Crashes of agents.
    pub agent_crashes: u64,
    /// Disks that were lost.
    pub lost_disks: u64,
    /// Times that a link was cut, held or made slow.
    pub link_faults: u64,
    /// Times that the ledger did not answer, or answered too late.
    pub ledger_faults: u64,
}

impl Tally {
    /// Adds what happened elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.arrived += other.arrived;
        self.begun += other.begun;
        self.finished += other.finished;
        self.released += other.released;
        self.given_up += other.given_up;
        self.came_back += other.came_back;
        self.controller_crashes += other.controller_crashes;
        self.agent_crashes += other.agent_crashes;
        self.lost_disks += other.lost_disks;
        self.link_faults += other.link_faults;
        self.ledger_faults += other.ledger_faults;
    }
}

#[derive(Debug, Default)]
struct Seen {
    at: Duration,
    aloud: bool,
    hasher: Hasher0,
    story: VecDeque<String>,
    broken: Vec<String>,
    tally: Tally,
    /// What was ever durable on the disk of an agent, with its content.
    durable: BTreeSet<(AgentName, RecordingId, Digest)>,
    /// What has its row, since when, and at which agent.
    rows: BTreeMap<RecordingId, (Duration, AgentName)>,
    /// Rows that were ever there.
    rows_ever: BTreeSet<(AgentName, RecordingId)>,
    /// Rows that were taken from agents.
    given_up: BTreeSet<(AgentName, RecordingId)>,
    /// Rounds that were settled.
    settled: BTreeSet<(RecordingId, i32)>,
    /// Results that were written down in a store.
    finished: BTreeSet<(Kept, i32)>,
}

/// A hasher that can be shown.
#[derive(Default)]
struct Hasher0(Hasher);

impl fmt::Debug for Hasher0 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.finish(), f)
    }
}

/// Sees everything. A lock and no task: one thread runs the simulation, and
/// everything in it tells what it does.
#[derive(Debug, Clone, Default)]
pub struct Witness(Arc<Mutex<Seen>>);

/// After so long a recording that has its row is not under way to anybody else
/// any more: longer than links are held.
const UNDER_WAY: Duration = Duration::from_mins(1);

impl Witness {
    /// One that says aloud what it sees.
    #[must_use]
    pub fn aloud() -> Self {
        let witness = Self::default();
        witness.seen().aloud = true;
        witness
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time from now on.
    pub fn time_is(&self, now: Duration) {
        self.seen().at = now;
    }

    /// The time, since the simulation began.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.seen().at
    }

    /// Something happened.
    pub fn tell(&self, line: impl fmt::Display) {
        self.seen().tell(&line.to_string());
    }

    /// A promise is broken.
    pub fn broken(&self, promise: impl fmt::Display) {
        let mut seen = self.seen();
        let line = format!("BROKEN: {promise}");
        seen.tell(&line);
        let at = seen.at.as_secs_f64();
        seen.broken.push(format!("{at:.3} s: {promise}"));
    }

    /// Counts something.
    pub fn count(&self, what: impl FnOnce(&mut Tally)) {
        what(&mut self.seen().tally);
    }

    /// What was counted.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.seen().tally
    }

    /// The promises that were broken.
    #[must_use]
    pub fn broken_promises(&self) -> Vec<String> {
        self.seen().broken.clone()
    }

    /// The last lines of the story.
    #[must_use]
    pub fn end_of_the_story(&self) -> Vec<String> {
        self.seen().story.iter().cloned().collect()
    }

    /// Of everything that was seen.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.seen().hasher.0.finish()
    }
}

impl Seen {
    fn tell(&mut self, line: &str) {
        let line = format!("{:9.3} {line}", self.at.as_secs_f64());
        self.hasher.0.update(line.as_bytes());
        if self.aloud {
            say(&line);
        }
        if self.story.len() == KEPT {
            self.story.pop_front();
        }
        self.story.push_back(line);
    }
}

#[allow(clippy::print_stdout, reason = "telling the story is what it was asked for")]
fn say(line: &str) {
    println!("{line}");
}

/// What agents do.
impl Witness {
    /// The first piece of a recording is there.
    pub fn arrives(&self, agent: &AgentName, recording: RecordingId) {
        let seen = self.seen();
        let late = seen
            .rows
            .get(&recording)
            .filter(|(since, holder)| holder != agent && seen.at.saturating_sub(*since) > UNDER_WAY)
            .map(|(_, holder)| holder.clone());
        drop(seen);
        self.tell(format_args!("{agent}: {recording} arrives"));
        if let Some(holder) = late {
            self.broken(format_args!("{recording} is sent to {agent} long after {holder} had its row"));
        }
    }

    /// A recording is whole, and what its sender said.
    pub fn arrived(&self, agent: &AgentName, recording: RecordingId) {
        self.count(|tally| tally.arrived += 1);
        self.tell(format_args!("{agent}: {recording} is whole"));
    }

    /// A recording came although this store holds it: only one that was planned
    /// again, since its host was away for too long, and came back.
    pub fn again(&self, agent: &AgentName, recording: RecordingId) {
        if self.seen().given_up.contains(&(agent.clone(), recording)) {
            self.count(|tally| tally.came_back += 1);
            self.tell(format_args!("{agent}: {recording} came again, after it was given up"));
        } else {
            self.broken(format_args!("{recording} was sent again to {agent}, which holds it"));
        }
    }

    /// A recording is durable in its place.
    pub fn durable(&self, agent: &AgentName, recording: RecordingId, digest: Digest) {
        self.tell(format_args!("{agent}: {recording} is durable"));
        self.seen().durable.insert((agent.clone(), recording, digest));
    }

    /// A store has removed a recording.
    pub fn removed(&self, agent: &AgentName, storage: &str, recording: RecordingId) {
        self.count(|tally| tally.released += 1);
        self.tell(format_args!("{agent}: {recording} is removed"));
        // What comes back later is identified anew.
        self.seen().finished.retain(|((store, id), _)| store != storage || *id != recording);
    }

    /// An engine begins with a recording.
    pub fn begins(&self, agent: &AgentName, storage: &str, recording: RecordingId, round: i32) {
        self.count(|tally| tally.begun += 1);
        self.tell(format_args!("{agent}: identifies {recording}, round {round}"));
        if self.seen().finished.contains(&((storage.to_owned(), recording), round)) {
            self.broken(format_args!("{agent} identifies {recording} again, in round {round}"));
        }
    }

    /// A result is in the journal.
    pub fn finished(&self, agent: &AgentName, storage: &str, recording: RecordingId, round: i32) {
        self.count(|tally| tally.finished += 1);
        self.tell(format_args!("{agent}: has a result of {recording}, round {round}"));
        self.seen().finished.insert(((storage.to_owned(), recording), round));
    }

    /// An agent hears that a recording has its row.
    pub fn hears_recorded(&self, agent: &AgentName, recording: RecordingId) {
        self.tell(format_args!("{agent}: hears that {recording} has its row"));
        if !self.seen().rows_ever.contains(&(agent.clone(), recording)) {
            self.broken(format_args!("{agent} hears of a row of {recording} that was never committed"));
        }
    }

    /// An agent hears that a result is settled.
    pub fn hears_settled(&self, agent: &AgentName, recording: RecordingId, round: i32) {
        self.tell(format_args!("{agent}: hears that {recording}, round {round}, is settled"));
        if !self.seen().settled.contains(&(recording, round)) {
            self.broken(format_args!("{agent} has a receipt of {recording} that was never committed"));
        }
    }
}

/// What the ledger does.
impl Witness {
    /// A row says that a recording is stored.
    pub fn has_row(&self, agent: &AgentName, recording: RecordingId, digest: Digest) {
        self.tell(format_args!("ledger: {recording} is stored at {agent}"));
        let mut seen = self.seen();
        let (at, agent) = (seen.at, agent.clone());
        let held = seen.durable.contains(&(agent.clone(), recording, digest));
        seen.rows.insert(recording, (at, agent.clone()));
        seen.rows_ever.insert((agent.clone(), recording));
        drop(seen);
        if !held {
            self.broken(format_args!("a row says that {agent} holds {recording}, which it never did"));
        }
    }

    /// A recording is planned again.
    pub fn planned_again(&self, agent: &AgentName, recording: RecordingId) {
        self.count(|tally| tally.given_up += 1);
        self.tell(format_args!("ledger: {recording} is planned again, {agent} is given up"));
        let mut seen = self.seen();
        seen.rows.remove(&recording);
        seen.given_up.insert((agent.clone(), recording));
    }

    /// A round of identification is settled.
    pub fn has_result(&self, recording: RecordingId, round: i32, outcome: &str) {
        self.tell(format_args!("ledger: {recording}, round {round}: {outcome}"));
        self.seen().settled.insert((recording, round));
    }
}
