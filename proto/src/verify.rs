//! What the invariant checker asks of agents, as domain types.

use crate::{
    Digest, Malformed, RecordingId,
    limits::cut_reason,
    pb::agent as pb,
    session::{Group, group},
};

/// A question: are these recordings there?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verify {
    /// Names the question; answers carry it.
    pub request: u64,
    /// The recordings.
    pub recordings: Vec<RecordingId>,
    /// Whether their files are to be read and hashed.
    pub digests: bool,
}

impl TryFrom<pb::Verify> for Verify {
    type Error = Malformed;

    fn try_from(verify: pb::Verify) -> Result<Self, Malformed> {
        let recordings = group(verify.recordings, Group::Other)?;
        Ok(Self { request: verify.request, recordings, digests: verify.digests })
    }
}

impl From<Verify> for pb::Verify {
    fn from(verify: Verify) -> Self {
        let recordings = verify.recordings.into_iter().map(Into::into).collect();
        Self { request: verify.request, recordings, digests: verify.digests }
    }
}

/// What became of a recording on its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The recording.
    pub recording: RecordingId,
    /// What was seen.
    pub state: VerifiedState,
}

/// What an agent saw of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifiedState {
    /// No file of that name, or no row in the journal.
    Absent,
    /// A file.
    Present {
        /// Its size.
        size_bytes: u64,
        /// Of its content, if that was asked for.
        digest: Option<Digest>,
    },
    /// A file that cannot be read; why, in words.
    Unreadable(String),
}

impl TryFrom<pb::Verified> for Verified {
    type Error = Malformed;

    fn try_from(verified: pb::Verified) -> Result<Self, Malformed> {
        use pb::verified::State;
        let state = match verified.state.ok_or(Malformed::Missing("verified.state"))? {
            State::Absent(pb::Absent {}) => VerifiedState::Absent,
            State::Present(pb::Present { size_bytes, digest }) => {
                let digest = if digest.is_empty() { None } else { Some(Digest::try_from(&digest[..])?) };
                VerifiedState::Present { size_bytes, digest }
            }
            State::Unreadable(reason) => VerifiedState::Unreadable(cut_reason(reason)),
        };
        Ok(Self { recording: verified.recording.try_into()?, state })
    }
}

impl From<Verified> for pb::Verified {
    fn from(verified: Verified) -> Self {
        use pb::verified::State;
        let state = match verified.state {
            VerifiedState::Absent => State::Absent(pb::Absent {}),
            VerifiedState::Present { size_bytes, digest } => {
                let digest = digest.map(|digest| bytes::Bytes::copy_from_slice(digest.as_bytes()));
                State::Present(pb::Present { size_bytes, digest: digest.unwrap_or_default() })
            }
            VerifiedState::Unreadable(reason) => State::Unreadable(cut_reason(reason)),
        };
        Self { recording: Some(verified.recording.into()), state: Some(state) }
    }
}

/// Asks for a page of everything that an agent holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListHeld {
    /// Names the question; the answer carries it.
    pub request: u64,
    /// Where the page begins.
    pub after: Option<RecordingId>,
}

impl TryFrom<pb::ListHeld> for ListHeld {
    type Error = Malformed;

    fn try_from(list: pb::ListHeld) -> Result<Self, Malformed> {
        let after = list.after.map(RecordingId::try_from).transpose()?;
        Ok(Self { request: list.request, after })
    }
}

impl From<ListHeld> for pb::ListHeld {
    fn from(list: ListHeld) -> Self {
        Self { request: list.request, after: list.after.map(Into::into) }
    }
}

/// A page of what an agent holds, in the order of ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldList {
    /// The question.
    pub request: u64,
    /// What it holds.
    pub recordings: Vec<RecordingId>,
    /// No page follows.
    pub last: bool,
    /// On the last page: files that its journal does not know.
    pub unknown_files: u64,
}

impl TryFrom<pb::HeldList> for HeldList {
    type Error = Malformed;

    fn try_from(list: pb::HeldList) -> Result<Self, Malformed> {
        let recordings = group(list.recordings, Group::Other)?;
        let pb::HeldList { request, last, unknown_files, .. } = list;
        Ok(Self { request, recordings, last, unknown_files })
    }
}

impl From<HeldList> for pb::HeldList {
    fn from(list: HeldList) -> Self {
        let recordings = list.recordings.into_iter().map(Into::into).collect();
        Self { request: list.request, recordings, last: list.last, unknown_files: list.unknown_files }
    }
}
