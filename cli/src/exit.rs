//! What the process ends with. The numbers are a promise to scripts: they
//! follow `sysexits.h` where it has a word for the case.

use std::process::ExitCode;

/// Shown under `cofi --help` and by the commands that finish work.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
    0  done; a batch that was waited for has every recording identified
    1  finished, and not everything went well: the batch was rejected, or
       recordings of it failed or were cancelled, or a check found something
    2  the command line is wrong
   64  an argument cannot be used, or the state of things forbids the request
   66  there is no such batch, agent, folder or model
   69  no controller answers, or not in time
   70  internal error
   75  try again: something is busy, full, or made no headway
   76  what answers there is not trusted, or speaks no TLS
   77  not allowed: there is no token, or not one that may do this
  130  interrupted";

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    /// The work came to rest, but not all of it went well.
    WithFailures,
    Refused,
    NotFound,
    Unavailable,
    Internal,
    Temporary,
    Distrusted,
    NotAllowed,
    Interrupted,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::WithFailures => 1,
            Self::Refused => 64,
            Self::NotFound => 66,
            Self::Unavailable => 69,
            Self::Internal => 70,
            Self::Temporary => 75,
            Self::Distrusted => 76,
            Self::NotAllowed => 77,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
