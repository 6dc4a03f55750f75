//! How an agent has fared of late, and whether it is quarantined for it.
//!
//! ```text
//!        identified, stored                 3 in a row failed there
//!   well <---------------- doubted ---------------------------------> quarantined
//!     '------ failed -------^                                          |    |
//!     ^---- identified, resumed, or others failed on those as well ----'    '- now and then one
//!                                                                               recording, as a probe
//! ```
//!
//! What fails in a row is the agent's fault: recordings that only it fails on
//! are never blamed. A recording that fails on agents that do well otherwise
//! is to blame itself, and is taken off their account.

use std::{collections::BTreeSet, time::Duration};

use cofi_proto::RecordingId;

/// Recordings that the engine fails on in a row, without one that it
/// identifies, before its agent is quarantined.
const ENGINE_FAILURES: usize = 3;
/// Refusals of the disk in a row, without a recording that it takes.
const DISK_REFUSALS: u32 = 3;
/// Until the first probe of an agent that is quarantined; it doubles.
const FIRST_PROBE: Duration = Duration::from_secs(15);
const LONGEST_PROBE: Duration = Duration::from_mins(5);

/// What an agent is quarantined for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Its engine fails on what it is given.
    Engine,
    /// Its disk refuses what it is given.
    Storage,
}

/// An agent gets nothing but probes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// What for.
    pub fault: Fault,
    /// Why, in words.
    pub reason: String,
    /// Since when.
    pub since: Duration,
    /// When the next recording is sent to see how it fares.
    pub next_probe: Duration,
    /// When the last one was.
    pub last_probe: Option<Duration>,
    probes: u32,
}

impl Quarantine {
    fn new(fault: Fault, reason: String, now: Duration) -> Self {
        Self { fault, reason, since: now, next_probe: now + FIRST_PROBE, last_probe: None, probes: 0 }
    }
}

/// What an agent is held to account for.
#[derive(Debug, Clone, Default)]
pub(super) struct Conduct {
    /// Recordings that its engine failed on since it identified one.
    engine: BTreeSet<RecordingId>,
    /// Recordings that its disk refused since it took one.
    disk: BTreeSet<RecordingId>,
    refusals: u32,
    quarantine: Option<Quarantine>,
}

impl Conduct {
    pub(super) fn quarantine(&self) -> Option<&Quarantine> {
        self.quarantine.as_ref()
    }

    /// It was quarantined before the controller or the agent started anew.
    pub(super) fn restore(&mut self, fault: Fault, reason: String, now: Duration) {
        self.quarantine.get_or_insert_with(|| Quarantine::new(fault, reason, now));
    }

    /// Whether a recording may be sent to see how it fares by now.
    pub(super) fn probe_is_due(&self, now: Duration) -> bool {
        self.quarantine.as_ref().is_some_and(|quarantine| quarantine.next_probe <= now)
    }

    /// Such a recording was sent.
    pub(super) fn probed(&mut self, now: Duration) {
        if let Some(quarantine) = &mut self.quarantine {
            quarantine.probes += 1;
            let pause = FIRST_PROBE.saturating_mul(2_u32.saturating_pow(quarantine.probes));
            quarantine.next_probe = now + pause.min(LONGEST_PROBE);
            quarantine.last_probe = Some(now);
        }
    }

    /// The engine failed on a recording that it may not be to blame for.
    pub(super) fn engine_failed(&mut self, recording: RecordingId, why: &str, now: Duration) {
        self.engine.insert(recording);
        let failed = self.engine.len();
        if failed >= ENGINE_FAILURES && self.quarantine.is_none() {
            let reason = format!("its engine failed on {failed} recordings in a row, the last time: {why}");
            self.quarantine = Some(Quarantine::new(Fault::Engine, reason, now));
        }
    }

    /// The disk refused a recording. Whether that is to be held against the
    /// recording: the agent did well right before, or this was a probe.
    pub(super) fn disk_refused(&mut self, recording: RecordingId, why: &str, now: Duration) -> bool {
        // Between two probes nothing is under way to it.
        let is_probe = self.quarantine.as_ref().is_some_and(|quarantine| quarantine.last_probe.is_some());
        let doubtful = self.disk.is_empty() || is_probe;
        self.disk.insert(recording);
        self.refusals += 1;
        if self.refusals >= DISK_REFUSALS && self.quarantine.is_none() {
            let times = self.refusals;
            let reason = format!("its disk refused recordings {times} times in a row, the last time: {why}");
            self.quarantine = Some(Quarantine::new(Fault::Storage, reason, now));
        }
        doubtful
    }

    /// It has stored a recording.
    pub(super) fn stored(&mut self) {
        self.disk.clear();
        self.refusals = 0;
    }

    /// It has identified a recording, which takes its disk and its engine.
    pub(super) fn identified(&mut self) {
        *self = Self::default();
    }

    /// The recording was to blame. An agent that is quarantined for nothing but
    /// such recordings is quarantined no more.
    pub(super) fn blamed(&mut self, recording: RecordingId) {
        let engine = self.engine.remove(&recording) && self.engine.is_empty();
        let disk = self.disk.remove(&recording) && self.disk.is_empty();
        if disk {
            self.refusals = 0;
        }
        let cleared = |quarantine: &mut Quarantine| match quarantine.fault {
            Fault::Engine => engine,
            Fault::Storage => disk,
        };
        self.quarantine.take_if(cleared);
    }
}

#[cfg(test)]
mod tests {
    use cofi_proto::BatchId;

    use super::*;

    fn recording(ordinal: i64) -> RecordingId {
        RecordingId { batch: BatchId(1), ordinal }
    }

    fn fail(conduct: &mut Conduct, ordinals: impl IntoIterator<Item = i64>) -> bool {
        for ordinal in ordinals {
            conduct.engine_failed(recording(ordinal), "out of memory", Duration::ZERO);
        }
        conduct.quarantine().is_some()
    }

    #[test]
    fn engine_that_fails_on_several_recordings_in_a_row_is_quarantined_with_its_last_words() {
        let mut conduct = Conduct::default();
        assert!(!fail(&mut conduct, [1, 2]));
        assert!(fail(&mut conduct, [3]));
        let quarantine = conduct.quarantine().unwrap();
        assert_eq!(quarantine.fault, Fault::Engine);
        let reason = "its engine failed on 3 recordings in a row, the last time: out of memory";
        assert_eq!(quarantine.reason, reason);
        conduct.identified();
        assert_eq!(conduct.quarantine(), None);
    }

    #[test]
    fn one_recording_again_and_again_says_nothing_of_the_engine() {
        let mut conduct = Conduct::default();
        assert!(!fail(&mut conduct, [1; 10]));
        assert!(!fail(&mut conduct, [2]));
        conduct.identified();
        assert!(!fail(&mut conduct, [3, 4]), "those before it did well do not count");
    }

    #[test]
    fn recordings_that_turn_out_to_be_bad_are_taken_off_the_account() {
        let mut conduct = Conduct::default();
        assert!(fail(&mut conduct, 1..=4));
        for ordinal in 1..=3 {
            conduct.blamed(recording(ordinal));
            assert!(conduct.quarantine().is_some(), "{ordinal}");
        }
        conduct.blamed(recording(9));
        assert!(conduct.quarantine().is_some());
        conduct.blamed(recording(4));
        assert_eq!(conduct.quarantine(), None);
        assert!(!fail(&mut conduct, [5, 6]), "it begins anew");
    }

    #[test]
    fn refusals_count_against_a_recording_only_where_others_were_taken() {
        let mut conduct = Conduct::default();
        let mut refused = |ordinal| conduct.disk_refused(recording(ordinal), "i/o error", Duration::ZERO);
        assert!(refused(1));
        assert!(!refused(2));
        assert!(!refused(1));
        assert!(!refused(3), "was under way already");
        assert_eq!(conduct.quarantine().unwrap().fault, Fault::Storage);
        conduct.probed(Duration::from_secs(15));
        assert!(conduct.disk_refused(recording(2), "i/o error", Duration::ZERO), "a probe");
        conduct.identified();
        conduct.stored();
        assert!(conduct.disk_refused(recording(2), "i/o error", Duration::ZERO));
    }

    #[test]
    fn probes_become_rarer_and_never_cease() {
        let mut conduct = Conduct::default();
        fail(&mut conduct, 1..=3);
        let (mut now, mut pauses) = (Duration::ZERO, Vec::new());
        for _ in 0..8 {
            let next = conduct.quarantine().unwrap().next_probe;
            assert!(!conduct.probe_is_due(next.saturating_sub(Duration::from_millis(1))));
            assert!(conduct.probe_is_due(next));
            pauses.push(next.abs_diff(now).as_secs());
            now = next;
            conduct.probed(now);
        }
        assert_eq!(pauses, [15, 30, 60, 120, 240, 300, 300, 300]);
    }
}
