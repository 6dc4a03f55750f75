//! Questions to agents that wait for their answers.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use cofi_proto::{
    AgentName,
    verify::{HeldList, Verified},
};
use tokio::sync::mpsc;

/// Answers that may wait for the checker: the groups of a question come seconds
/// apart, unless it does not listen.
const WAITING: usize = 64;

/// What an agent answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Some of the recordings that it was asked for.
    Verified(Vec<Verified>),
    /// A page of what it holds.
    Held(HeldList),
}

type Waiting = HashMap<u64, (AgentName, mpsc::Sender<Answer>)>;

/// The questions that are open.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers {
    next: Arc<AtomicU64>,
    /// A lock and no task: it is held for one look-up, by sessions that bring
    /// answers and must not wait.
    waiting: Arc<Mutex<Waiting>>,
}

/// A question that is open until it is dropped.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) request: u64,
    answers: Answers,
    heard: mpsc::Receiver<Answer>,
}

impl Answers {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a question to an agent.
    pub(super) fn open(&self, agent: AgentName) -> Question {
        let request = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, heard) = mpsc::channel(WAITING);
        self.lock().insert(request, (agent, sender));
        Question { request, answers: self.clone(), heard }
    }

    /// An agent answers; what nobody waits for is dropped.
    pub(crate) fn heard(&self, agent: &AgentName, request: u64, answer: Answer) {
        let waiting = self.lock();
        let question = waiting.get(&request).filter(|(asked, _)| asked == agent);
        if question.is_none_or(|(_, waits)| waits.try_send(answer).is_err()) {
            tracing::debug!(%agent, request, "an answer that nobody waits for");
        }
    }

    /// An agent's session has ended, and with it what it was asked.
    pub(crate) fn left(&self, agent: &AgentName) {
        self.lock().retain(|_, (asked, _)| asked != agent);
    }
}

impl Question {
    /// The next part of the answer; none if the session has ended.
    pub(super) async fn next(&mut self) -> Option<Answer> {
        self.heard.recv().await
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.answers.lock().remove(&self.request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str) -> AgentName {
        name.parse().unwrap()
    }

    #[tokio::test]
    async fn answers_reach_the_question_of_their_agent_and_nobody_else() {
        let answers = Answers::default();
        let mut question = answers.open(agent("a"));
        let empty = || Answer::Verified(Vec::new());
        answers.heard(&agent("b"), question.request, empty());
        answers.heard(&agent("a"), question.request + 1, empty());
        answers.heard(&agent("a"), question.request, empty());
        assert_eq!(question.next().await, Some(empty()));
        answers.left(&agent("b"));
        assert!(question.heard.is_empty() && !question.heard.is_closed());
        answers.left(&agent("a"));
        assert_eq!(question.next().await, None);
        drop(question);
        assert!(answers.lock().is_empty());
    }
}
