//! A recording on its way to a host, as types: each state is a struct, each
//! step consumes the one before.
//!
//! ```text
//! Sent --acknowledge--> StoredRecording      sent by this controller
//! Offered --verify----> StoredRecording      held by the agent since earlier
//! ```
//!
//! Only these two steps make a [`StoredRecording`], and only that can be
//! recorded: the ledger cannot write a row for bytes that nobody compared.
//!
//! ```compile_fail
//! # use cofi_controller::delivery::StoredRecording;
//! fn skip_the_check(digest: cofi_proto::Digest) -> StoredRecording {
//!     StoredRecording { digest, ..todo!() } // its fields are private
//! }
//! ```

use cofi_proto::{AgentName, Digest, RecordingId};

/// A host: the agent's name and what the tables call ip.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Host {
    /// Name of the agent.
    pub agent: AgentName,
    /// What the tables call ip.
    pub address: String,
}

/// A recording whose last piece was handed to the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The recording.
    pub recording: RecordingId,
    /// Bytes that were read and sent.
    pub size: u64,
    /// Of the bytes that were read and sent.
    pub digest: Digest,
}

/// A recording that an agent says it holds since before this session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// The recording.
    pub recording: RecordingId,
    /// Bytes that the agent holds.
    pub size: u64,
    /// Of the bytes that the agent holds.
    pub digest: Digest,
}

/// What the agent holds is not what the source holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the host holds {held_bytes} bytes with digest {held}, the source has {size} bytes with digest {digest}"
)]
pub struct Mismatch {
    held_bytes: u64,
    held: Digest,
    size: u64,
    digest: Digest,
}

/// A recording that is durable on a host and was compared with its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecording {
    recording: RecordingId,
    host: Host,
    digest: Digest,
}

impl Sent {
    /// Compares what the agent says it wrote with what was sent.
    pub fn acknowledge(self, host: Host, size: u64, digest: Digest) -> Result<StoredRecording, Mismatch> {
        compare(self.recording, host, (size, digest), (self.size, self.digest))
    }
}

impl Offered {
    /// Compares what the agent holds with what was just read from the source.
    pub fn verify(self, host: Host, size: u64, digest: Digest) -> Result<StoredRecording, Mismatch> {
        compare(self.recording, host, (self.size, self.digest), (size, digest))
    }
}

fn compare(
    recording: RecordingId,
    host: Host,
    (held_bytes, held): (u64, Digest),
    (size, digest): (u64, Digest),
) -> Result<StoredRecording, Mismatch> {
    if held_bytes == size && held == digest {
        Ok(StoredRecording { recording, host, digest })
    } else {
        Err(Mismatch { held_bytes, held, size, digest })
    }
}

impl StoredRecording {
    /// The recording.
    #[must_use]
    pub fn recording(&self) -> RecordingId {
        self.recording
    }

    /// Who holds it.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Of its content.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

#[cfg(test)]
mod tests {
    use cofi_proto::BatchId;

    use super::*;

    #[test]
    fn acknowledgement_of_other_bytes_proves_nothing() {
        let recording = RecordingId { batch: BatchId(1), ordinal: 0 };
        let host = Host { agent: "a".parse().unwrap(), address: "127.0.0.1".to_owned() };
        let sent = Sent { recording, size: 3, digest: Digest::of(b"abc") };
        assert!(sent.clone().acknowledge(host.clone(), 3, Digest::of(b"abd")).is_err());
        assert!(sent.clone().acknowledge(host.clone(), 2, Digest::of(b"abc")).is_err());
        let stored = sent.acknowledge(host.clone(), 3, Digest::of(b"abc")).unwrap();
        assert_eq!(stored.host(), &host);
        assert_eq!(stored.digest(), Digest::of(b"abc"));
    }
}
