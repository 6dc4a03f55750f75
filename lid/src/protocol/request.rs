//! The agent's side: which recording to look at.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ProtocolError, check_length, check_text, to_line};

/// One recording whose language is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the agent and repeated in the answer.
    pub id: String,
    /// Where the file lies, absolute.
    pub path: PathBuf,
    /// The canonical codes that the answer is chosen from; none means any language.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
}

impl Request {
    /// Reads a request from a line without its line feed.
    pub fn parse(line: &str) -> Result<Self, ProtocolError> {
        check_length(line)?;
        let request: Self = serde_json::from_str(line)?;
        check_text("id", &request.id, 256, "1 to 256 characters")?;
        if !request.path.is_absolute() {
            let value = request.path.display().to_string();
            return Err(ProtocolError::Value { field: "path", value, accepted: "an absolute path" });
        }
        Ok(request)
    }

    /// The request as a line without its line feed; fails if the path is not UTF-8.
    pub fn to_line(&self) -> Result<String, ProtocolError> {
        to_line(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_may_be_absent_or_empty() {
        let absent = Request::parse(r#"{"id":"1","path":"/a.wav"}"#).unwrap();
        let empty = Request::parse(r#"{"id":"1","path":"/a.wav","candidates":[]}"#).unwrap();
        assert_eq!(absent, empty);
        assert_eq!(absent.to_line().unwrap(), r#"{"id":"1","path":"/a.wav"}"#);
    }

    #[test]
    fn requests_that_name_no_file_are_refused() {
        for line in [
            "",
            "{}",
            "[]",
            r#"{"id":"1"}"#,
            r#"{"id":"","path":"/a"}"#,
            r#"{"id":"1","path":"a.wav"}"#,
            r#"{"id":"1","id":"2","path":"/a"}"#,
        ] {
            assert!(Request::parse(line).is_err(), "{line}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_utf8_is_refused_when_written() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        let path = PathBuf::from(OsStr::from_bytes(b"/\xff.wav"));
        assert!(Request { id: "1".to_owned(), path, candidates: Vec::new() }.to_line().is_err());
    }
}
