//! Why a recording yields no sound.

use std::io;

use crate::protocol::FailureClass;

/// Why a recording yields no sound.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AudioError {
    /// The file cannot be read at all.
    #[error("read the recording")]
    Read(#[source] io::Error),
    /// There is no sample in it.
    #[error("the recording holds no sound: {0}")]
    Empty(&'static str),
    /// It is no audio, or damaged beyond use.
    #[error("the recording cannot be decoded: {0}")]
    Undecodable(String),
    /// It is audio of a kind that only ffmpeg reads, and ffmpeg is not there.
    #[error("{codec} is not decoded here; it will be where ffmpeg is installed")]
    UnsupportedFormat {
        /// The codec or container.
        codec: String,
    },
    /// The resampler refused.
    #[error("resample the recording")]
    Resample(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// ffmpeg is there but cannot be run.
    #[error("run ffmpeg")]
    Ffmpeg(#[source] io::Error),
}

impl AudioError {
    /// The word for programs.
    #[must_use]
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Read(_) => "unreadable",
            Self::Empty(_) => "empty",
            Self::Undecodable(_) => "undecodable",
            Self::UnsupportedFormat { .. } => "unsupported_format",
            Self::Resample(_) | Self::Ffmpeg(_) => "engine_error",
        }
    }

    /// What the reason lies in.
    #[must_use]
    pub(crate) fn class(&self) -> FailureClass {
        match self {
            Self::Empty(_) | Self::Undecodable(_) | Self::UnsupportedFormat { .. } => FailureClass::Recording,
            Self::Read(_) | Self::Resample(_) | Self::Ffmpeg(_) => FailureClass::Engine,
        }
    }
}
