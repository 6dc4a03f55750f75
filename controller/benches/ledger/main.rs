//! Files per second through the ledger, on SQLite and on MariaDB, with every
//! commit flushed, beside the same tables written row by row with autocommit.
//! How many times faster the one is than the other depends on what a flush
//! costs, which is told as well.
//!
//! `cargo bench -p cofi-controller --bench ledger -- [--slower-flush MS] [FILES
//! [ROW_BY_ROW]]` takes the number of files (10,000), and how many of them are
//! also written row by row (all). The grouped times are told for each tenth of
//! the batch: they show whether the time per recording stays flat as the batch
//! grows. With `--slower-flush` each flush takes so many milliseconds more than
//! the disk needs, by way of `strace`.
#![allow(clippy::print_stdout, reason = "prints its figures")]

mod alone;
mod grouped;
mod slow_disk;

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::Write,
    path::Path,
    str::FromStr,
    time::{Duration, Instant},
};

use anyhow::Context;
use cofi_controller::ledger::{DatabaseUrl, migrate, plan_migration};
use cofi_mariadb::{PASSWORD, Server};
use sqlx::{ConnectOptions, Executor};

fn main() -> anyhow::Result<()> {
    // cargo passes --bench to a benchmark without a harness.
    let mut arguments: Vec<OsString> =
        std::env::args_os().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|first| first == "--slower-flush") {
        arguments.remove(0);
        anyhow::ensure!(!arguments.is_empty(), "--slower-flush needs its milliseconds");
        let millis = number(&arguments.remove(0))?;
        return slow_disk::run(millis, arguments);
    }
    let numbers = arguments.iter().map(|argument| number(argument)).collect::<Result<_, _>>()?;
    tokio::runtime::Runtime::new()?.block_on(run(numbers))
}

fn number<N: FromStr>(argument: &OsStr) -> anyhow::Result<N> {
    argument
        .to_str()
        .and_then(|it| it.parse().ok())
        .with_context(|| format!("{} is no number", argument.display()))
}

async fn run(numbers: Vec<usize>) -> anyhow::Result<()> {
    let files = numbers.first().copied().unwrap_or(10_000);
    let row_by_row = numbers.get(1).copied().unwrap_or(files);
    anyhow::ensure!(files > 0 && row_by_row <= files, "FILES and ROW_BY_ROW: at least 1 and at most FILES");
    // The target folder is on a disk; a temporary one may be memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let flush = flush(&folder.path().join("flush"))?;
    println!("a flush takes {:.2} ms on this disk", flush.as_secs_f64() * 1e3);

    let sqlite = |name: &str| {
        let url = format!("sqlite:{}/{name}.db", folder.path().display());
        DatabaseUrl { url, password: None }
    };
    compare("SQLite", sqlite("grouped"), &sqlite("alone"), files, row_by_row).await?;
    // Flushes at each commit and keeps a binary log of none, as it comes.
    let server = Server::start_in(folder.path().join("mariadb"), &[])?;
    let grouped = mariadb(&server, "grouped").await?;
    compare("MariaDB", grouped, &mariadb(&server, "alone").await?, files, row_by_row).await
}

/// A new database on a server.
async fn mariadb(server: &Server, name: &str) -> anyhow::Result<DatabaseUrl> {
    let database = DatabaseUrl { url: server.url(name), password: Some(PASSWORD.to_owned()) };
    let mut connection = server.options().connect().await?;
    connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"))).await?;
    let plan = plan_migration(&database, true).await?;
    migrate(&database, &plan, |_| ()).await?;
    Ok(database)
}

async fn compare(
    what: &str,
    grouped: DatabaseUrl,
    alone: &DatabaseUrl,
    files: usize,
    row_by_row: usize,
) -> anyhow::Result<()> {
    println!("\n{what}");
    let grouped = grouped::grouped(grouped, files).await?;
    if row_by_row == 0 {
        return Ok(());
    }
    let alone = alone::alone(alone, row_by_row).await?;
    println!(
        "row by row: {row_by_row} files in {:.1} s, {:.0} files/s; grouped is {:.0} times as fast",
        alone.as_secs_f64(),
        rate(row_by_row, alone),
        rate(files, grouped) / rate(row_by_row, alone),
    );
    Ok(())
}

fn rate(files: usize, time: Duration) -> f64 {
    u32::try_from(files).map_or(f64::INFINITY, f64::from) / time.as_secs_f64()
}

fn micros(files: usize, time: Duration) -> f64 {
    1e6 / rate(files, time)
}

fn name(file: usize) -> String {
    format!("agent_7_2025-02-01_call-{file:07}.wav")
}

/// How long the disk takes to make a page durable: what a commit costs at
/// least. The median of a few hundred.
fn flush(path: &Path) -> std::io::Result<Duration> {
    let mut file = File::create(path)?;
    let mut times = Vec::new();
    for _ in 0..301 {
        file.write_all(&[1; 4_096])?;
        let begun = Instant::now();
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
