//! Asking agents whether they have what the rows give to them.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use cofi_proto::{
    AgentName, RecordingId,
    verify::{ListHeld, Verified, VerifiedState, Verify},
};
use futures_util::future::try_join_all;
use tokio::time::{sleep, timeout};

use super::{
    CheckError,
    answers::{Answer, Answers},
    looks::patiently,
    report::{AgentLook, AgentState},
};
use crate::{
    dispatch::{Dispatch, Down},
    ledger::{Flaw, FlawKind, HeldRecording, Ledger, LedgerError},
};

/// How long an agent may say nothing.
const SILENCE: Duration = Duration::from_secs(30);
/// What an agent that reads files again manages at least, in bytes a second:
/// while it reads a large one it says nothing.
const SLOWEST: u64 = 8 * 1024 * 1024;
/// Before what was not there is asked for again: it may have been placed
/// elsewhere just now.
const PAUSE: Duration = Duration::from_secs(1);

/// What agents were asked.
pub(super) struct Files<'a> {
    ledger: &'a Ledger,
    dispatch: &'a Dispatch,
    answers: &'a Answers,
    digests: bool,
    agents: BTreeMap<AgentName, AgentLook>,
}

/// What came of asking one agent.
type Seen = Result<Vec<(HeldRecording, VerifiedState)>, AgentState>;

impl<'a> Files<'a> {
    pub(super) fn new(
        ledger: &'a Ledger,
        dispatch: &'a Dispatch,
        answers: &'a Answers,
        digests: bool,
    ) -> Self {
        Self { ledger, dispatch, answers, digests, agents: BTreeMap::new() }
    }

    /// Asks for a page of recordings, all their agents at the same time.
    pub(super) async fn check(&mut self, held: Vec<HeldRecording>) -> Result<Vec<Flaw>, CheckError> {
        let mut by_agent: BTreeMap<AgentName, Vec<HeldRecording>> = BTreeMap::new();
        for held in held {
            by_agent.entry(held.agent.clone()).or_default().push(held);
        }
        let states = self.states().await;
        let mut asking = Vec::with_capacity(by_agent.len());
        for (agent, held) in by_agent {
            let state = self.state(&states, &agent);
            asking.push(self.ask(agent, state, held));
        }
        let asked = try_join_all(asking).await?;
        let mut flaws = Vec::new();
        for (agent, count, seen) in asked {
            let look = self.agents.entry(agent).or_default();
            match seen {
                Ok(seen) => {
                    look.looked_at += count;
                    flaws.extend(seen.iter().filter_map(|(held, state)| flaw(held, state)));
                }
                Err(state) => {
                    look.not_looked_at += count;
                    look.state = state;
                }
            }
        }
        Ok(flaws)
    }

    /// What agents say that they hold in all, with `all` batches looked at; what
    /// came of every agent.
    pub(super) async fn end(mut self, all: bool) -> Result<BTreeMap<AgentName, AgentLook>, CheckError> {
        let states = self.states().await;
        for agent in states.keys() {
            let state = self.state(&states, agent);
            self.agents.entry(agent.clone()).or_default().state = state;
        }
        if !all {
            return Ok(self.agents);
        }
        let present: Vec<AgentName> = self
            .agents
            .iter()
            .filter(|(_, look)| look.state == AgentState::LookedAt)
            .map(|(agent, _)| agent.clone())
            .collect();
        let mut asking = Vec::with_capacity(present.len());
        for agent in &present {
            asking.push(self.inventory(agent));
        }
        let held = try_join_all(asking).await?;
        for (agent, held) in present.into_iter().zip(held) {
            let look = self.agents.entry(agent).or_default();
            match held {
                Some((not_its_own, unknown_files)) => {
                    look.not_its_own = Some(not_its_own);
                    look.unknown_files = Some(unknown_files);
                }
                None => look.state = AgentState::Silent,
            }
        }
        Ok(self.agents)
    }

    /// The agents that have a session, and whether they can be asked.
    async fn states(&self) -> HashMap<AgentName, AgentState> {
        let agents = self.dispatch.agents().await.into_iter();
        let state = |verifies| if verifies { AgentState::LookedAt } else { AgentState::CannotBeAsked };
        agents.map(|(agent, status)| (agent, state(status.verifies))).collect()
    }

    /// One that was silent once is not waited for again.
    fn state(&self, states: &HashMap<AgentName, AgentState>, agent: &AgentName) -> AgentState {
        let before = self.agents.get(agent).map(|look| look.state);
        if before == Some(AgentState::Silent) {
            return AgentState::Silent;
        }
        states.get(agent).copied().unwrap_or(AgentState::Away)
    }

    async fn ask(
        &self,
        agent: AgentName,
        state: AgentState,
        held: Vec<HeldRecording>,
    ) -> Result<(AgentName, u64, Seen), LedgerError> {
        let count = u64::try_from(held.len()).unwrap_or(u64::MAX);
        let seen = match state {
            AgentState::LookedAt => self.look_twice(&agent, held).await?,
            AgentState::Away | AgentState::CannotBeAsked | AgentState::Silent => Err(state),
        };
        Ok((agent, count, seen))
    }

    /// Asks, and asks again for what is not as it must be and still the
    /// agent's.
    async fn look_twice(&self, agent: &AgentName, held: Vec<HeldRecording>) -> Result<Seen, LedgerError> {
        let wrong: Vec<HeldRecording> = match self.look(agent, held).await {
            Ok(seen) => seen
                .into_iter()
                .filter(|(held, state)| flaw(held, state).is_some())
                .map(|(held, _)| held)
                .collect(),
            Err(state) => return Ok(Err(state)),
        };
        if wrong.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        sleep(PAUSE).await;
        let ids: Vec<RecordingId> = wrong.iter().map(|held| held.recording).collect();
        let gone = patiently(|| self.ledger.not_held_by(agent, &ids)).await?;
        let wrong = wrong.into_iter().filter(|held| !gone.contains(&held.recording)).collect();
        Ok(self.look(agent, wrong).await)
    }

    async fn look(&self, agent: &AgentName, held: Vec<HeldRecording>) -> Seen {
        let mut question = self.answers.open(agent.clone());
        let largest = held.iter().map(|held| held.size).max().unwrap_or_default();
        let patience = if self.digests { SILENCE + Duration::from_secs(largest / SLOWEST) } else { SILENCE };
        let verify = Verify {
            request: question.request,
            recordings: held.iter().map(|held| held.recording).collect(),
            digests: self.digests,
        };
        if held.is_empty() {
            return Ok(Vec::new());
        }
        if !self.dispatch.ask_agent(agent.clone(), Down::Verify(verify)).await {
            return Err(AgentState::Silent);
        }
        let mut open: HashMap<RecordingId, HeldRecording> =
            held.into_iter().map(|held| (held.recording, held)).collect();
        let mut seen = Vec::with_capacity(open.len());
        while !open.is_empty() {
            let answer = timeout(patience, question.next()).await;
            let Ok(Some(Answer::Verified(verified))) = answer else { return Err(AgentState::Silent) };
            for Verified { recording, state } in verified {
                seen.extend(open.remove(&recording).map(|held| (held, state)));
            }
        }
        Ok(seen)
    }

    /// How many recordings an agent holds that no row gives to it, and how many
    /// files it does not know of itself; none if it does not answer.
    async fn inventory(&self, agent: &AgentName) -> Result<Option<(u64, u64)>, LedgerError> {
        let (mut not_its_own, mut after) = (0, None);
        loop {
            let mut question = self.answers.open(agent.clone());
            let list = ListHeld { request: question.request, after };
            if !self.dispatch.ask_agent(agent.clone(), Down::ListHeld(list)).await {
                return Ok(None);
            }
            let Ok(Some(Answer::Held(page))) = timeout(SILENCE, question.next()).await else {
                return Ok(None);
            };
            let mut strange = patiently(|| self.ledger.not_held_by(agent, &page.recordings)).await?;
            if !strange.is_empty() {
                // What was stored just now has its row in a moment.
                sleep(PAUSE).await;
                strange = patiently(|| self.ledger.not_held_by(agent, &strange)).await?;
            }
            not_its_own += u64::try_from(strange.len()).unwrap_or(u64::MAX);
            after = page.recordings.last().copied();
            if page.last || after.is_none() {
                return Ok(Some((not_its_own, page.unknown_files)));
            }
        }
    }
}

/// What is wrong with a recording on its agent, if anything.
fn flaw(held: &HeldRecording, state: &VerifiedState) -> Option<Flaw> {
    let (kind, words) = match state {
        VerifiedState::Absent => (FlawKind::HeldAbsent, "and is not there".to_owned()),
        VerifiedState::Unreadable(reason) => {
            (FlawKind::HeldUnreadable, format!("and cannot be read: {reason}"))
        }
        VerifiedState::Present { size_bytes, .. } if *size_bytes != held.size => {
            (FlawKind::HeldSize, format!("with {} bytes, its file has {size_bytes}", held.size))
        }
        VerifiedState::Present { digest: Some(digest), .. } if *digest != held.digest => {
            (FlawKind::HeldDigest, format!("with the digest {}, its file has {digest}", held.digest))
        }
        VerifiedState::Present { .. } => return None,
    };
    let HeldRecording { recording, audio_name, agent, .. } = held;
    let words = format!("{recording} {audio_name:?} is stored on {agent} {words}");
    Some(Flaw {
        ordinal: Some(recording.ordinal),
        audio_name: Some(audio_name.clone()),
        agent: Some(agent.clone()),
        ..Flaw::of_batch(kind, recording.batch, words)
    })
}
