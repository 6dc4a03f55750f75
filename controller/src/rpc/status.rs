//! What callers are told when something goes wrong: the one place where errors
//! become status codes.

use cofi_proto::{AgentName, Malformed};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{chain::error_chain, dispatch::JoinRefused, ledger::LedgerError, plan::PlanError};

/// Why a call fails.
#[derive(Debug, thiserror::Error)]
pub(super) enum RpcError {
    /// A field holds what it may not hold.
    #[error("{field}: {reason}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A message cannot be understood.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A batch cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// An agent gets no session.
    #[error(transparent)]
    Join(#[from] JoinRefused),
    /// An agent speaks another protocol.
    #[error(
        "this controller speaks agent protocol {ours}, the agent {theirs}: install the same version on both"
    )]
    Protocol {
        /// The controller's.
        ours: u32,
        /// The agent's.
        theirs: u32,
    },
    /// An agent stores the recordings of another database.
    #[error(
        "the agent's data_dir belongs to database {theirs}, this controller works on {ours}: give the agent another data_dir"
    )]
    OtherDatabase {
        /// The controller's.
        ours: String,
        /// The agent's.
        theirs: String,
    },
    /// A stream belongs to no live session.
    #[error("the session that this stream belongs to has ended, or has as many streams as it announced")]
    StaleSession,
    /// The first message of a stream is late, or another one than it must be.
    #[error("the stream does not begin with {0}")]
    NoBeginning(&'static str),
    /// More machines want to join at this moment than are let in at a time.
    #[error("too many machines join at this moment; ask again")]
    Crowded,
    /// A call that goes by a certificate came without one.
    #[error("this call goes by the certificate of its connection, which has none")]
    NoCertificate,
    /// An agent speaks for another one.
    #[error(
        "this connection is that of agent {shown} by its certificate, and speaks for {said}: give the agent its own name, or have this machine join as {said}"
    )]
    OtherAgent {
        /// Whose it is by its certificate.
        shown: AgentName,
        /// For whom it speaks.
        said: AgentName,
    },
    /// An agent wants more streams than it may have connections for.
    #[error(
        "{wanted} receive_connections, of which this controller has room for {most}: lower them on the agent, or raise connections_per_agent on the controller"
    )]
    TooManyStreams {
        /// What the agent wants.
        wanted: u32,
        /// What it may have.
        most: u32,
    },
    /// The controller is ending.
    #[error("the controller is stopping")]
    Stopping,
    /// Something that should not happen.
    #[error("{0}")]
    Internal(String),
}

impl RpcError {
    pub(super) fn field(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Field { field, reason: reason.into() }
    }

    fn code(&self) -> Code {
        match self {
            Self::Field { .. }
            | Self::Malformed(_)
            | Self::NoBeginning(_)
            | Self::Plan(PlanError::Invalid { .. }) => Code::InvalidArgument,
            Self::Plan(PlanError::BeingPlanned) | Self::StaleSession => Code::Aborted,
            Self::Plan(PlanError::Ledger(error)) | Self::Ledger(error) => ledger_code(error),
            Self::Join(JoinRefused::NameInUse(_) | JoinRefused::Removed(_))
            | Self::Protocol { .. }
            | Self::TooManyStreams { .. }
            | Self::OtherDatabase { .. } => Code::FailedPrecondition,
            Self::Crowded => Code::ResourceExhausted,
            Self::NoCertificate => Code::Unauthenticated,
            Self::OtherAgent { .. } => Code::PermissionDenied,
            Self::Stopping => Code::Unavailable,
            Self::Internal(_) => Code::Internal,
        }
    }

    /// The field that is to blame, if one is.
    fn blamed(&self) -> Option<&'static str> {
        match self {
            Self::Field { field, .. }
            | Self::Plan(PlanError::Invalid { field, .. })
            | Self::Malformed(Malformed::Missing(field) | Malformed::Invalid { field, .. }) => Some(field),
            Self::Plan(PlanError::Ledger(error)) | Self::Ledger(error) => match error {
                LedgerError::NoSuchRow { table: "process", .. } => Some("process_id"),
                LedgerError::NoSuchRow { table: "categoryMapping", .. } => Some("category_mapping_id"),
                LedgerError::KeyTaken(..) => Some("idempotency_key"),
                LedgerError::NoSuchBatch(_) => Some("batch_id"),
                LedgerError::NoSuchAgent(_) => Some("name"),
                LedgerError::NoSuchRecording(..) => Some("recording"),
                LedgerError::Released(..) => Some("ordinals"),
                LedgerError::NoSuchToken(_) => Some("token_id"),
                LedgerError::NoSuchRow { .. }
                | LedgerError::Join(_)
                | LedgerError::AgentRemoved(_)
                | LedgerError::CertificateRevoked(_)
                | LedgerError::TooManyCertificates(..)
                | LedgerError::Issue(..)
                | LedgerError::BatchCancelled(_)
                | LedgerError::EarlierBatch(_)
                | LedgerError::NothingToCancel(_)
                | LedgerError::Claimed
                | LedgerError::Guard { .. }
                | LedgerError::Corrupt { .. }
                | LedgerError::Busy(_)
                | LedgerError::Unavailable(_)
                | LedgerError::OutcomeUnknown(_)
                | LedgerError::Database(_)
                | LedgerError::NotMigrated
                | LedgerError::NewerSchema
                | LedgerError::Unfit(_)
                | LedgerError::Migrating
                | LedgerError::Step { .. }
                | LedgerError::Migrate(_) => None,
            },
            Self::Plan(PlanError::BeingPlanned)
            | Self::Join(_)
            | Self::Protocol { .. }
            | Self::OtherDatabase { .. }
            | Self::StaleSession
            | Self::NoBeginning(_)
            | Self::Crowded
            | Self::NoCertificate
            | Self::OtherAgent { .. }
            | Self::TooManyStreams { .. }
            | Self::Stopping
            | Self::Internal(_) => None,
        }
    }
}

fn ledger_code(error: &LedgerError) -> Code {
    match error {
        LedgerError::NoSuchBatch(_)
        | LedgerError::NoSuchAgent(_)
        | LedgerError::NoSuchRecording(..)
        | LedgerError::NoSuchToken(_) => Code::NotFound,
        LedgerError::Join(_) | LedgerError::CertificateRevoked(_) => Code::PermissionDenied,
        LedgerError::NoSuchRow { .. } => Code::InvalidArgument,
        LedgerError::KeyTaken(..) => Code::AlreadyExists,
        LedgerError::BatchCancelled(_)
        | LedgerError::EarlierBatch(_)
        | LedgerError::NothingToCancel(_)
        | LedgerError::AgentRemoved(_)
        | LedgerError::Released(..) => Code::FailedPrecondition,
        LedgerError::TooManyCertificates(..) => Code::ResourceExhausted,
        LedgerError::Busy(_) => Code::Aborted,
        LedgerError::Unavailable(_) | LedgerError::OutcomeUnknown(_) => Code::Unavailable,
        LedgerError::Guard { .. }
        | LedgerError::Corrupt { .. }
        | LedgerError::Claimed
        | LedgerError::Issue(..)
        | LedgerError::Database(_)
        | LedgerError::NotMigrated
        | LedgerError::NewerSchema
        | LedgerError::Unfit(_)
        | LedgerError::Migrating
        | LedgerError::Step { .. }
        | LedgerError::Migrate(_) => Code::Internal,
    }
}

impl From<RpcError> for Status {
    fn from(error: RpcError) -> Self {
        let code = error.code();
        if code == Code::Internal {
            let correlation = format!("{:016x}", rand::random::<u64>());
            tracing::error!(error = error_chain(&error), correlation, "internal error");
            return Self::internal(format!("internal error {correlation}"));
        }
        match error.blamed() {
            Some(field) => {
                let details = ErrorDetails::with_bad_request_violation(field, error.to_string());
                Self::with_error_details(code, error.to_string(), details)
            }
            None => Self::new(code, error.to_string()),
        }
    }
}
