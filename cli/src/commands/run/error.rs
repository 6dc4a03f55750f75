//! Why `cofi run` cannot begin, or cannot go on.

use std::{io, path::PathBuf};

use crate::exit::Exit;

/// Why `cofi run` cannot begin, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("open the folder {}", path.display())]
    NoFolder { path: PathBuf, source: io::Error },
    #[error("the path {path:?} is not UTF-8")]
    NotUtf8 { path: PathBuf },
    #[error("the data folder {} lies in the folder of recordings {}", data.display(), folder.display())]
    DataInside { data: PathBuf, folder: PathBuf },
    #[error("use the data folder {}", path.display())]
    DataFolder { path: PathBuf, source: io::Error },
    #[error("another `cofi run` uses the data folder {}", path.display())]
    Busy { path: PathBuf },
    #[error("there is no model in {}", path.display())]
    NoModel { path: PathBuf },
    #[error("forbid core files")]
    Dumps(#[source] io::Error),
    #[error("find this program's own file")]
    OwnProgram(#[source] io::Error),
    #[error("write the log {}", path.display())]
    Log { path: PathBuf, source: io::Error },
    #[error("wait for signals")]
    Signals(#[source] io::Error),
    #[error("listen on loopback")]
    Listen(#[source] io::Error),
    #[error("the controller failed")]
    Controller(#[source] Cause),
    #[error("the agent failed")]
    Agent(#[source] Cause),
}

/// What a part of the program that ran in this process ended with.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

impl RunError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::NoFolder { .. } | Self::NoModel { .. } => Exit::NotFound,
            Self::NotUtf8 { .. } | Self::DataInside { .. } => Exit::Refused,
            Self::Busy { .. } => Exit::Temporary,
            Self::DataFolder { .. }
            | Self::Dumps(_)
            | Self::OwnProgram(_)
            | Self::Log { .. }
            | Self::Signals(_)
            | Self::Listen(_)
            | Self::Controller(_)
            | Self::Agent(_) => Exit::Internal,
        }
    }

    pub(crate) fn advice(&self) -> Option<&'static str> {
        match self {
            Self::NotUtf8 { .. } => Some("rename it"),
            Self::DataInside { .. } => {
                Some("name another place with --data-dir: copies of the recordings are kept there")
            }
            Self::DataFolder { .. } => Some("name another place with --data-dir"),
            Self::Busy { .. } => Some("wait until it ends, or name another place with --data-dir"),
            Self::NoModel { .. } => Some(
                "make it with tools/make-model, name another with --model, or another engine with --engine-command",
            ),
            Self::Controller(_) | Self::Agent(_) => Some("the log in the data folder, cofi.log, says more"),
            Self::NoFolder { .. }
            | Self::Dumps(_)
            | Self::OwnProgram(_)
            | Self::Log { .. }
            | Self::Signals(_)
            | Self::Listen(_) => None,
        }
    }
}
