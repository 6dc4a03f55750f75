//! Programs that were built with failpoints, and what they are told to do at
//! which of them.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::programs;

const ORDERS: &str = "FAILPOINTS";
const LOG: &str = "FAILPOINTS_LOG";
const LIST: &str = "list";

/// What one program is told to do at its points, however often it is started.
#[derive(Debug, Clone)]
pub struct Arming {
    program: PathBuf,
    orders: String,
    log: PathBuf,
}

impl Arming {
    /// Has `program` do as it is told (`NAME=MODE@HIT`), and count in `log`.
    pub fn new(program: &str, orders: &[String], log: &Path) -> Result<Self> {
        let program = programs::with_failpoints(program)?;
        Ok(Self { program, orders: orders.join(";"), log: log.to_owned() })
    }

    /// The program that has the points.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Tells a command that starts the program.
    pub fn tell(&self, command: &mut Command) {
        command.env(ORDERS, &self.orders).env(LOG, &self.log);
    }

    /// How often a point was hit.
    pub fn hits(&self, point: &str) -> Result<usize> {
        match fs::read_to_string(&self.log) {
            Ok(log) => Ok(log.lines().filter(|line| *line == point).count()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error).with_context(|| format!("read {}", self.log.display())),
        }
    }
}

/// The points of a program, as it lists them itself.
pub async fn points_of(program: &str) -> Result<Vec<String>> {
    let path = programs::with_failpoints(program)?;
    let output = programs::command(&path).env(ORDERS, LIST).output().await.context("list the points")?;
    ensure!(output.status.success(), "{program} does not list its points: {output:?}");
    let points: Vec<String> = String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect();
    ensure!(!points.is_empty(), "{program} has no points");
    Ok(points)
}
