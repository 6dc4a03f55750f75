//! What the tests are given: folders that tools make beforehand.

use std::{env, path::PathBuf};

use anyhow::{Context as _, Result};

/// The folder that an environment variable names.
pub fn folder(variable: &str, made_by: &str) -> Result<PathBuf> {
    let path = env::var_os(variable).map(PathBuf::from).filter(|path| path.is_dir());
    path.with_context(|| {
        format!("{variable} names no folder: make one with {made_by}, or run ./test, which does")
    })
}
