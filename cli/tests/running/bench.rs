//! A folder of recordings, an engine, and a place for data.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// Answers with the first two letters of a recording's name; fails what is
/// called bad... unless there is a file `mended` beside it, and takes its time
/// while there is a file `slow`.
const ENGINE: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo '{"ready":{"engine":"lookup"}}'
while IFS= read -r line; do
    id=$(printf '%s' "$line" | sed 's/.*"id":"\([^"]*\)".*/\1/')
    name=$(printf '%s' "$line" | sed 's/.*"path":"[^"]*\/\([^"\/]*\)".*/\1/')
    if [ -e "$here/slow" ]; then sleep 0.3; fi
    case "$name" in
    bad*) [ -e "$here/mended" ] || { printf '{"id":"%s","error":"no audio stream","code":"undecodable","class":"recording"}\n' "$id"; continue; } ;;
    esac
    language=$(printf '%s' "$name" | cut -c 1-2)
    case "$language" in ba) language=en ;; esac
    printf '{"id":"%s","language":"%s","duration_seconds":12.5}\n' "$id" "$language"
done
"#;

pub(crate) struct Bench {
    home: TempDir,
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn lines(&self) -> Vec<Value> {
        let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        self.stdout.lines().map(read).collect()
    }
}

impl Bench {
    pub(crate) fn new(recordings: &[&str]) -> Self {
        let bench = Self { home: tempfile::tempdir().expect("make a folder") };
        fs::create_dir(bench.calls()).expect("make a folder");
        let engine = bench.path("engine");
        fs::write(&engine, ENGINE).expect("write the engine");
        fs::set_permissions(&engine, fs::Permissions::from_mode(0o755)).expect("let it be started");
        for name in recordings {
            bench.record(name, name);
        }
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn calls(&self) -> PathBuf {
        self.path("calls")
    }

    /// Writes a recording below the folder of calls.
    pub(crate) fn record(&self, name: &str, content: &str) {
        let path = self.calls().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("make a folder");
        fs::write(path, content).expect("write a recording");
    }

    /// Makes one of the files that the engine looks at.
    pub(crate) fn touch(&self, name: &str) {
        fs::write(self.path(name), "").expect("write a file");
    }

    pub(crate) fn start(&self, args: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_cofi"))
            .current_dir(self.home.path())
            .args(["run", "calls"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start cofi")
    }

    /// `cofi run calls --engine-command ./engine ARGS`
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        finish(self.start(&[&["--engine-command", "./engine"], args].concat()))
    }
}

pub(crate) fn finish(child: Child) -> Ran {
    let Output { status, stdout, stderr } = child.wait_with_output().expect("wait for cofi");
    let text = |bytes| String::from_utf8(bytes).expect("cofi prints UTF-8");
    Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}
