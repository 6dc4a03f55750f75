//! Why the engine cannot work.

use std::path::PathBuf;

use crate::audio::AudioError;

/// Why the engine cannot work, or not on this recording.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// ONNX Runtime does not load.
    #[error("load ONNX Runtime from {}", path.display())]
    Library {
        /// Where it was expected.
        path: PathBuf,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A graph does not load.
    #[error("load the graph {}", path.display())]
    Graph {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: ort::Error,
    },
    /// A graph is not what this engine expects.
    #[error("{0}")]
    Contract(&'static str),
    /// The model says a language that no table has.
    #[error("the model's language {0:?} is no language code")]
    Language(String),
    /// A graph failed on an input.
    #[error("run the model")]
    Run(#[from] ort::Error),
    /// The features could not be computed.
    #[error("compute the features")]
    Features(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The request restricts the answer to languages that the model does not know.
    #[error("none of the candidate languages {0} is known to the model")]
    Candidates(String),
    /// The recording yields no sound.
    #[error(transparent)]
    Audio(#[from] AudioError),
}
