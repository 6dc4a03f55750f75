//! The built-in engine: what language is spoken in a recording.
//!
//! ```text
//! windows (where to look) -> vad (is there speech) -> mel -> model -> verdict (sure, or look further)
//! ```

mod error;
mod identify;
mod mel;
mod model;
mod runtime;
mod speech;
mod vad;
mod verdict;
mod windows;

pub(crate) use error::EngineError;
pub(crate) use identify::{Engine, Identified};
pub use runtime::Device;
