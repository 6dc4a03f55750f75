//! What the programs logged.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// The whole log.
pub fn read(log: &Path) -> Result<String> {
    fs::read_to_string(log).with_context(|| format!("read the log {}", log.display()))
}

/// The lines that a person must look at: those at ERROR, and those that are no
/// log lines at all, such as the words of a panic.
#[must_use]
pub fn alarming(log: &str) -> Vec<&str> {
    let level = |line: &str| Some(serde_json::from_str::<Value>(line).ok()?["level"].as_str()?.to_owned());
    log.lines()
        .filter(|line| level(line).is_none_or(|level| !["INFO", "WARN", "DEBUG", "TRACE"].contains(&&*level)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_panics_are_alarming_and_nothing_else() {
        let log = "{\"level\":\"INFO\",\"fields\":{\"message\":\"ERROR is a word\"}}\n\
                   {\"level\":\"ERROR\",\"fields\":{}}\n\
                   thread 'main' panicked at x.rs:1\n\
                   {\"level\":\"WARN\"}\n";
        assert_eq!(
            alarming(log),
            ["{\"level\":\"ERROR\",\"fields\":{}}", "thread 'main' panicked at x.rs:1"]
        );
    }
}
