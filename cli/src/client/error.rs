//! What can go wrong between this program and a controller. The mapping from
//! gRPC's codes stands here and nowhere else.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use cofi_identity::tls::{self, Fault, TlsError};
use cofi_proto::Malformed;
use tonic::{Code, Status};

use super::Target;

/// A call that brought no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("no controller answers at {url}")]
    Unreachable { url: String, source: tonic::transport::Error },
    #[error("no safe connection to {url}: {refusal}{}", trusting(*refusal, trust_path))]
    Distrusted { url: String, refusal: tls::Refusal, trust_path: PathBuf },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the controller at {url} did not answer within {after:?}")]
    TimedOut { url: String, after: Duration },
    #[error("the controller at {url} ended the watch before the batch came to rest")]
    WatchEnded { url: String },
    #[error("the controller at {url} ended the check before its summary")]
    CheckEnded { url: String },
    #[error("no word from the controller at {url} for {patience:?}")]
    GaveUp { url: String, patience: Duration, source: Box<ClientError> },
    #[error("{message}")]
    Refused { refusal: Refusal, message: String },
    #[error("read the controller's answer")]
    Malformed(#[from] Malformed),
}

/// Why a controller did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request is wrong, or the state of things forbids it.
    Request,
    NotFound,
    /// The controller is there, and cannot work now.
    Unavailable,
    /// Worth trying again.
    Temporary,
    /// The token is not accepted.
    NotAccepted,
    /// The token is accepted, and does not let its bearer do this.
    NotAllowed,
    /// The controller does not know this call.
    Unknown,
    Internal,
}

impl ClientError {
    pub(super) fn from_status(target: &Target, status: &Status) -> Self {
        let url = target.address.url();
        let refusal = match status.code() {
            Code::InvalidArgument | Code::OutOfRange | Code::AlreadyExists | Code::FailedPrecondition => {
                Refusal::Request
            }
            Code::NotFound => Refusal::NotFound,
            Code::Unavailable | Code::DeadlineExceeded => Refusal::Unavailable,
            Code::Aborted | Code::ResourceExhausted => Refusal::Temporary,
            Code::Unauthenticated => Refusal::NotAccepted,
            Code::PermissionDenied => Refusal::NotAllowed,
            Code::Unimplemented => Refusal::Unknown,
            // A connection that breaks under a call shows itself as one of
            // these, with the transport's error as the source.
            Code::Unknown | Code::Cancelled | Code::Internal if is_broken_connection(status) => {
                Refusal::Unavailable
            }
            Code::Ok | Code::Unknown | Code::Cancelled | Code::Internal | Code::DataLoss => Refusal::Internal,
        };
        let message = match refusal {
            Refusal::Unavailable => format!("the controller at {url} is unavailable: {}", words(status)),
            Refusal::Unknown => {
                format!("the controller at {url} does not know this call: it is older than this `cofi`")
            }
            Refusal::NotAccepted => {
                let path = target.token_path();
                format!("the controller at {url} does not accept the token in {path}: {}", words(status))
            }
            Refusal::Request
            | Refusal::NotFound
            | Refusal::Temporary
            | Refusal::NotAllowed
            | Refusal::Internal => words(status),
        };
        Self::Refused { refusal, message }
    }

    /// Whether the same call may go through later without anybody changing
    /// anything.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::WatchEnded { .. }
            | Self::CheckEnded { .. } => true,
            Self::Distrusted { .. } | Self::Tls(_) | Self::GaveUp { .. } | Self::Malformed(_) => false,
            Self::Refused { refusal, .. } => match refusal {
                Refusal::Unavailable | Refusal::Temporary | Refusal::Internal => true,
                Refusal::Request
                | Refusal::NotFound
                | Refusal::NotAccepted
                | Refusal::NotAllowed
                | Refusal::Unknown => false,
            },
        }
    }
}

/// Which authorities are trusted, where that is the question.
fn trusting(refusal: tls::Refusal, trust_path: &Path) -> String {
    match refusal {
        tls::Refusal::Peer(Fault::UnknownAuthority) => {
            format!(" (trusted are those in {})", trust_path.display())
        }
        tls::Refusal::Peer(_) | tls::Refusal::Own(_) | tls::Refusal::Incompatible | tls::Refusal::NotTls => {
            String::new()
        }
    }
}

/// Whether the call ran into the timeout that went with it, as either end
/// says it.
pub(super) fn is_timeout(status: &Status) -> bool {
    status.code() == Code::DeadlineExceeded
        || (status.code() == Code::Cancelled && status.message() == "Timeout expired")
}

pub(super) fn is_broken_connection(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

/// A status without a message still says something.
fn words(status: &Status) -> String {
    if status.message().is_empty() {
        status.code().description().to_lowercase()
    } else {
        status.message().to_owned()
    }
}
