//! Why a machine did not join.

use std::path::PathBuf;

use cofi_identity::{
    BundleUnusable, RequestUnwritten,
    files::{AgentFilesError, FileError},
    tls::TlsError,
    token::TokenError,
};
use cofi_proto::AgentName;
use tonic::{Code, Status};

use crate::{
    identity::moment,
    link::{Refused, dial::DialError},
};

/// Why a machine did not join. None of it shows the token.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The file with the token cannot be read.
    #[error("read the token: its file must be readable for its owner alone (chmod 600)")]
    TokenFile(#[source] FileError),
    /// What stands there is no join token.
    #[error("read the token in {file}: make one with `cofi token create --join NAME` at the controller", file = file.display())]
    Token {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: TokenError,
    },
    /// The machine is that agent already.
    #[error(
        "this machine has joined already as agent {agent}, and its certificate is good until {}, which the \
         agent renews by itself; if it was revoked, or is to be replaced, say --again", moment(*not_after_micros)
    )]
    Already {
        /// The agent.
        agent: AgentName,
        /// The last moment at which its certificate is good, in microseconds
        /// since 1970-01-01 UTC.
        not_after_micros: i64,
    },
    /// The data folder is another agent's.
    #[error(
        "this data folder is of agent {found}, not {asked}: say --name {found}, name another folder with \
         --data-dir, or say --again to join as {asked} all the same"
    )]
    OtherAgent {
        /// Whose it is.
        found: AgentName,
        /// Whose it should be.
        asked: AgentName,
    },
    /// Somebody else is at it.
    #[error("{path} is in use: this agent is renewing its certificate, or joins elsewhere; try again in a minute", path = .0.display())]
    Busy(PathBuf),
    /// The files of the identity cannot be used.
    #[error(transparent)]
    Files(#[from] AgentFilesError),
    /// No request could be made.
    #[error(transparent)]
    Request(#[from] RequestUnwritten),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The controller cannot be reached, or is not the right one. The token was
    /// not sent.
    #[error("the token was not sent: {what}")]
    Unreached {
        /// What was in the way.
        what: String,
        /// Why.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The controller, which the token names, ended the connection.
    #[error("join: {0}")]
    Dropped(String),
    /// The controller says no.
    #[error("the controller refuses: {words}{}", advice(*code))]
    Refused {
        /// The kind of refusal.
        code: Code,
        /// What the controller says.
        words: String,
    },
    /// The controller did not answer. Nothing is lost.
    #[error("no answer from {controller}: say the same again, nothing is lost", controller = .0)]
    Silent(String),
    /// The controller's answer cannot be read.
    #[error("understand the controller")]
    Answer(#[from] BundleUnusable),
    /// A thread ended unexpectedly.
    #[error("a thread ended unexpectedly")]
    Thread(#[from] tokio::task::JoinError),
}

/// What is to be done, where the controller's words do not say so.
fn advice(code: Code) -> &'static str {
    match code {
        Code::Unimplemented => {
            " (this is no control listener of a controller: check the address and the port)"
        }
        Code::Unavailable | Code::DeadlineExceeded | Code::Aborted | Code::Internal | Code::Unknown => {
            " (say the same again, nothing is lost)"
        }
        Code::ResourceExhausted => " (wait a while, and say the same again: nothing is lost)",
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::DataLoss
        | Code::Unauthenticated => "",
    }
}

impl From<DialError> for JoinError {
    fn from(error: DialError) -> Self {
        let source = std::error::Error::source(&error).map(|source| source.to_string().into());
        Self::Unreached { what: error.to_string(), source }
    }
}

impl From<Refused> for JoinError {
    fn from(refused: Refused) -> Self {
        Self::Dropped(refused.to_string())
    }
}

impl From<Status> for JoinError {
    fn from(status: Status) -> Self {
        // They are shown on a terminal.
        let words = status.message().chars().filter(|c| !c.is_control()).collect();
        Self::Refused { code: status.code(), words }
    }
}
