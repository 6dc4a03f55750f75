//! Keys, certificates and tokens on disk.
//!
//! | who | file | holds |
//! |---|---|---|
//! | controller | `authority.pem` | key and certificate of the authority |
//! | | `authority.next.pem` | those of its successor, during a change |
//! | | `ca.pem` | certificates of the trusted authorities |
//! | | `server.pem` | key and certificates of the controller |
//! | | `operator.token` | the token that the command line finds by itself |
//! | agent | `identity.pem` | key and certificate of the agent |
//! | | `ca.pem` | certificates of the trusted authorities |
//! | | `pending.pem` | the key that a certificate is being asked for |
//!
//! A key and its certificate share a file, so that they change together.
//! Everything here blocks, for some milliseconds where it writes.

mod agent;
mod change;
mod controller;
mod folder;

pub use self::{
    agent::{AgentFiles, AgentFilesError, AgentIdentity, Answer, AnswerRefused},
    controller::{ControllerFiles, ControllerFilesError, ControllerIdentity},
    folder::{FileError, FolderLock, SecretFolder, read_secret},
};

/// Certificates of the trusted authorities.
const TRUST: &str = "ca.pem";

#[cfg(test)]
mod tests;
