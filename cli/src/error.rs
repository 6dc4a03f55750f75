//! Why a command failed, what its process exits with, and what to do about it.

use std::{io, path::PathBuf, time::Duration};

use cofi_identity::tls::{self, Fault};

use crate::{
    client::{ClientError, Refusal},
    commands::RunError,
    credentials::CredentialsError,
    exit::Exit,
};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error("not the id of a token")]
    NotATokenId,
    #[error("make the file {} for the token", path.display())]
    SecretFile { path: PathBuf, source: io::Error },
    #[error("hand over the secret of token {token_id}, which is made and now of no use")]
    SecretLost { token_id: String, source: io::Error },
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
            Self::Credentials(error) => error.exit(),
            // A reader that has seen enough is no failure (`cofi ... | head`).
            Self::Output(_) if self.is_quiet() => Exit::Done,
            Self::Output(_)
            | Self::Runtime(_)
            | Self::CurrentFolder { .. }
            | Self::SecretLost { .. }
            | Self::Log(_) => Exit::Internal,
            Self::Run(error) => error.exit(),
            Self::NoHeadway { .. } => Exit::Temporary,
            Self::NotUtf8 { .. } | Self::NotATokenId | Self::SecretFile { .. } => Exit::Refused,
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
            Self::Credentials(error) => error.advice(),
            Self::NotATokenId => Some(
                "it is 16 hexadecimal digits, as `cofi token list` shows them; if that was a secret, others may have \
                 seen it: revoke its token",
            ),
            Self::SecretFile { .. } => {
                Some("name a file with --out that does not exist yet, in a folder that does")
            }
            Self::SecretLost { .. } => Some("revoke it with `cofi token revoke`, and make another"),
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
        ClientError::Distrusted { .. } => Exit::Distrusted,
        ClientError::Tls(_) | ClientError::Malformed(_) => Exit::Internal,
        ClientError::Refused { refusal, .. } => match refusal {
            Refusal::Request => Exit::Refused,
            Refusal::NotFound => Exit::NotFound,
            Refusal::Unavailable => Exit::Unavailable,
            Refusal::Temporary => Exit::Temporary,
            Refusal::NotAccepted | Refusal::NotAllowed => Exit::NotAllowed,
            Refusal::Unknown | Refusal::Internal => Exit::Internal,
        },
    }
}

fn client_advice(error: &ClientError) -> Option<&'static str> {
    match error {
        ClientError::Unreachable { .. } => {
            Some("start one with `cofi-controller`, or name another with --controller or COFI_CONTROL")
        }
        ClientError::Distrusted { refusal, .. } => Some(distrust_advice(*refusal)),
        ClientError::TimedOut { .. } => Some(
            "it may have done all the same what it was asked: look before you ask again, or wait longer with --timeout",
        ),
        ClientError::GaveUp { .. } | ClientError::WatchEnded { .. } => {
            Some("the batch goes on when the controller does: watch it again with `cofi batch watch`")
        }
        ClientError::CheckEnded { .. } => Some("try again in a moment"),
        ClientError::Refused { refusal, .. } => match refusal {
            Refusal::Temporary | Refusal::Unavailable => Some("try again in a moment"),
            Refusal::NotAccepted => Some(
                "have an operator make another with `cofi token create --role operator` (or viewer), and name its file \
                 with --token-file or COFI_TOKEN_FILE",
            ),
            Refusal::NotAllowed => Some(
                "an operator may: name the file of an operator's token with --token-file or COFI_TOKEN_FILE",
            ),
            Refusal::Request | Refusal::NotFound | Refusal::Unknown | Refusal::Internal => None,
        },
        ClientError::Tls(_) | ClientError::Malformed(_) => None,
    }
}

/// What mends that one side does not want the other.
fn distrust_advice(refusal: tls::Refusal) -> &'static str {
    match refusal {
        tls::Refusal::Peer(Fault::UnknownAuthority | Fault::OtherAuthority) => {
            "if it is the right controller, copy identity/ca.pem out of its state directory, and name it with --ca or \
             COFI_CA"
        }
        tls::Refusal::Peer(Fault::OtherName) => {
            "dial a name or address that its certificate is for, or add this one to server_names in the controller's \
             configuration and restart it"
        }
        tls::Refusal::Peer(Fault::Expired | Fault::NotYetValid) => {
            "look at the clocks of both machines; a controller that runs renews its certificate by itself"
        }
        // Only the listener for agents asks for a certificate.
        tls::Refusal::Own(_) => {
            "this is where agents are answered: operators are at another port, 7400 unless configured otherwise"
        }
        tls::Refusal::NotTls | tls::Refusal::Incompatible => {
            "another program answers there, or a Cofi older than this one: name the controller with --controller"
        }
        tls::Refusal::Peer(Fault::Revoked | Fault::Missing | Fault::Unfit) => {
            "another program answers there: name the controller with --controller"
        }
    }
}
