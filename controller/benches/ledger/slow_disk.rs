//! A disk whose flushes take longer than this machine's: what grouping saves
//! is flushes, so that its worth is told for a stated price of one.

use std::{env::current_exe, ffi::OsString, process::Command};

use anyhow::{Context, ensure};

/// Runs this program again, and the database server that it starts, with
/// `millis` milliseconds added to each flush.
pub(crate) fn run(millis: u32, arguments: Vec<OsString>) -> anyhow::Result<()> {
    let micros = u64::from(millis) * 1_000;
    // Only the flushes stop for the tracer.
    let status = Command::new("strace")
        .args(["-f", "--seccomp-bpf", "-qqq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"])
        .args(["-e", &format!("inject=fsync,fdatasync:delay_exit={micros}")])
        .arg(current_exe().context("find this program")?)
        .args(arguments)
        .status()
        .context("start strace")?;
    ensure!(status.success(), "the benchmark ended with {status}");
    Ok(())
}
