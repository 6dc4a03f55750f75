//! Running the built program.

use std::{
    net::SocketAddr,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

use crate::{fake::Fake, home::Home};

/// What a run of `cofi` left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The one JSON document on stdout.
    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The JSON objects on stdout, one a line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        self.stdout.lines().map(read).collect()
    }
}

/// `cofi ARGS` against this controller, whose state directory is there. Calls are bounded, so that a test that
/// goes wrong ends.
pub(crate) fn start(controller: SocketAddr, home: &Home, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_cofi"))
        .env("COFI_CONTROL", format!("https://{controller}"))
        .env("COFI_STATE_DIR", home.state_dir())
        .env_remove("COFI_CA")
        .env_remove("COFI_TOKEN_FILE")
        .args(["--timeout", "20s"])
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start cofi")
}

pub(crate) fn finish(child: Child) -> Ran {
    let Output { status, stdout, stderr } = child.wait_with_output().expect("wait for cofi");
    let text = |bytes| String::from_utf8(bytes).expect("cofi prints UTF-8");
    Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

pub(crate) fn cofi(controller: &Fake, args: &[&str]) -> Ran {
    finish(start(controller.address, &controller.home, args))
}
