//! Why a command failed, what its process exits with, and what to do about it.

use std::{io, path::PathBuf, time::Duration};

use crate::{
    client::{ClientError, Refusal},
    commands::RunError,
    exit::Exit,
};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("write the result")]
    Output(#[from] io::Error),
    #[error("start the runtime")]
    Runtime(#[source] io::Error),
    #[error("find the current folder, to make {path:?} absolute")]
    CurrentFolder { path: PathBuf, source: io::Error },
    #[error("the path {path:?} is not UTF-8, and cannot be sent to the controller")]
    NotUtf8 { path: PathBuf },
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("nothing has changed for {limit:?}, the batch waits: {reason}")]
    NoHeadway { limit: Duration, reason: String },
    #[error("start to log")]
    Log(#[source] anyhow::Error),
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Client(error) => client_exit(error),
            // A reader that has seen enough is no failure (`cofi ... | head`).
            Self::Output(_) if self.is_quiet() => Exit::Done,
            Self::Output(_) | Self::Runtime(_) | Self::CurrentFolder { .. } | Self::Log(_) => Exit::Internal,
            Self::Run(error) => error.exit(),
            Self::NoHeadway { .. } => Exit::Temporary,
            Self::NotUtf8 { .. } => Exit::Refused,
            Self::Interrupted => Exit::Interrupted,
        }
    }

    /// Nothing needs to be said about it.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What would mend it, where that is known.
    pub(crate) fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Client(error) => client_advice(error),
            Self::NotUtf8 { .. } => Some("rename it"),
            Self::Run(error) => error.advice(),
            Self::NoHeadway { .. } => Some("mend that, and the same command goes on from here"),
            Self::Output(_)
            | Self::Runtime(_)
            | Self::CurrentFolder { .. }
            | Self::Log(_)
            | Self::Interrupted => None,
        }
    }
}

fn client_exit(error: &ClientError) -> Exit {
    match error {
        ClientError::Unreachable { .. }
        | ClientError::TimedOut { .. }
        | ClientError::WatchEnded { .. }
        | ClientError::CheckEnded { .. }
        | ClientError::GaveUp { .. } => Exit::Unavailable,
        ClientError::Malformed(_) => Exit::Internal,
        ClientError::Refused { refusal, .. } => match refusal {
            Refusal::Request => Exit::Refused,
            Refusal::NotFound => Exit::NotFound,
            Refusal::Unavailable => Exit::Unavailable,
            Refusal::Temporary => Exit::Temporary,
            Refusal::NotAllowed => Exit::NotAllowed,
            Refusal::Unknown | Refusal::Internal => Exit::Internal,
        },
    }
}

fn client_advice(error: &ClientError) -> Option<&'static str> {
    match error {
        ClientError::Unreachable { .. } => {
            Some("start one with `cofi-controller`, or name another with --controller or COFI_CONTROL")
        }
        ClientError::TimedOut { .. } => Some(
            "it may have done all the same what it was asked: look before you ask again, or wait longer with --timeout",
        ),
        ClientError::GaveUp { .. } | ClientError::WatchEnded { .. } => {
            Some("the batch goes on when the controller does: watch it again with `cofi batch watch`")
        }
        ClientError::CheckEnded { .. } => Some("try again in a moment"),
        ClientError::Refused { refusal, .. } => match refusal {
            Refusal::Temporary | Refusal::Unavailable => Some("try again in a moment"),
            Refusal::Request
            | Refusal::NotFound
            | Refusal::NotAllowed
            | Refusal::Unknown
            | Refusal::Internal => None,
        },
        ClientError::Malformed(_) => None,
    }
}
