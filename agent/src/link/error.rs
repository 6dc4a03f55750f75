//! Why a session ends.

use cofi_proto::Malformed;
use tonic::{Code, Status};

use super::{
    dial::{DialError, Dialled},
    refused::Refused,
};
use crate::holdings::HoldingsError;

/// Why a session ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The controller cannot be reached.
    #[error(transparent)]
    Dial(DialError),
    /// One of the two sides does not accept the other.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// What the agent dialled with is not good any more.
    #[error("the certificate of this agent was replaced or has expired")]
    Renewed,
    /// The controller took the connection and said nothing.
    #[error("the controller did not answer {0} in time")]
    Silent(&'static str),
    /// The controller ended a stream with an error.
    #[error("{0} stream")]
    Status(&'static str, #[source] Box<Status>),
    /// The controller ended a stream.
    #[error("the controller ended the {0} stream")]
    Ended(&'static str),
    /// The journal did not take what the controller said.
    #[error("write down what the controller said")]
    Behind,
    /// The controller said what it cannot say.
    #[error("understand the controller")]
    Malformed(#[from] Malformed),
    /// What is held cannot be used.
    #[error(transparent)]
    Holdings(#[from] HoldingsError),
    /// A receive stream's task has panicked.
    #[error("receive stream")]
    Task(#[from] tokio::task::JoinError),
}

impl LinkError {
    pub(super) fn status(stream: &'static str) -> impl Fn(Status) -> Self {
        move |status| Self::Status(stream, Box::new(status))
    }

    /// What ended the use of a connection, given what it ended with: the one
    /// is the cause of the other.
    pub(super) fn on(dialled: &Dialled) -> impl Fn(Self) -> Self + '_ {
        |lost| dialled.refused().map_or(lost, Self::Refused)
    }

    /// Whether dialling again will not help by itself.
    pub(super) fn needs_a_person(&self) -> bool {
        match self {
            Self::Status(_, status) => matches!(
                status.code(),
                Code::InvalidArgument
                    | Code::AlreadyExists
                    | Code::FailedPrecondition
                    | Code::PermissionDenied
                    | Code::Unauthenticated
                    | Code::Unimplemented
            ),
            Self::Malformed(_) | Self::Refused(_) => true,
            Self::Dial(_)
            | Self::Renewed
            | Self::Silent(_)
            | Self::Ended(_)
            | Self::Behind
            | Self::Holdings(_)
            | Self::Task(_) => false,
        }
    }
}

impl From<DialError> for LinkError {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Refused(refused) => Self::Refused(refused),
            other @ (DialError::Io(..) | DialError::Silent(_) | DialError::Http(_)) => Self::Dial(other),
        }
    }
}
