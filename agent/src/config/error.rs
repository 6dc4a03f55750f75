//! A configuration that cannot be used.

use std::{fmt, io, path::PathBuf};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that was named cannot be read.
    #[error("read the configuration file {}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A key is not known, or its value has the wrong type.
    #[error("{0}")]
    Layers(#[source] Box<figment::Error>),
    /// A key has a value that it cannot have.
    #[error("{key} is {value:?}, accepted is {accepted}")]
    Value {
        /// The key.
        key: &'static str,
        /// What it is set to.
        value: String,
        /// What it may be set to.
        accepted: &'static str,
    },
}

impl ConfigError {
    pub(super) fn value(key: &'static str, value: impl fmt::Display, accepted: &'static str) -> Self {
        Self::Value { key, value: value.to_string(), accepted }
    }
}
