//! Files per second through the ledger on the embedded database, with every
//! commit flushed, beside the same tables written row by row with autocommit.
//! How many times faster the one is than the other depends on what a flush
//! costs, which is told as well.
//!
//! `cargo bench -p cofi-controller --bench ledger -- [FILES [ROW_BY_ROW]]`
//! takes the number of files (10,000), and how many of them are also written
//! row by row (all). The grouped times are told for each tenth of the batch:
//! they show whether the time per recording stays flat as the batch grows.
#![allow(clippy::print_stdout, reason = "prints its figures")]

use std::{
    fs::File,
    io::Write,
    path::Path,
    str::FromStr,
    time::{Duration, Instant},
};

use anyhow::Context;
use cofi_controller::{
    delivery::{Host, Sent, StoredRecording},
    ledger::{Begun, Ledger, ManifestEntry, NewBatch, ReportedResult},
    name::name_key,
};
use cofi_proto::{
    AgentName, BatchId, Digest, RecordingId,
    session::{Identified, LidOutcome},
};
use sqlx::{
    Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

/// What the controller commits at a time.
const GROUP: usize = 1_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // cargo passes --bench to a benchmark without a harness.
    let numbers = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let numbers: Vec<usize> = numbers
        .map(|number| number.parse().with_context(|| format!("{number} is no number")))
        .collect::<Result<_, _>>()?;
    let files = numbers.first().copied().unwrap_or(10_000);
    let row_by_row = numbers.get(1).copied().unwrap_or(files);
    anyhow::ensure!(files > 0 && row_by_row <= files, "FILES and ROW_BY_ROW: at least 1 and at most FILES");
    // The target folder is on a disk; a temporary one may be memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;

    let flush = flush(&folder.path().join("flush"))?;
    println!("a flush takes {:.2} ms on this disk", flush.as_secs_f64() * 1e3);
    let grouped = grouped(&folder.path().join("grouped.db"), files).await?;
    if row_by_row > 0 {
        let alone = alone(&folder.path().join("alone.db"), row_by_row).await?;
        println!(
            "row by row: {row_by_row} files in {:.1} s, {:.0} files/s; grouped is {:.0} times as fast",
            alone.as_secs_f64(),
            rate(row_by_row, alone),
            rate(files, grouped) / rate(row_by_row, alone),
        );
    }
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

/// Plans, records and applies in groups: the time of the last two.
async fn grouped(path: &Path, files: usize) -> anyhow::Result<Duration> {
    let url = format!("sqlite:{}", path.display());
    let ledger = Ledger::open(url.as_str()).await?;
    let begun = Instant::now();
    let batch = plan(&ledger, files).await?;
    println!("planning: {files} files in {:.2} s", begun.elapsed().as_secs_f64());

    let ordinals: Vec<usize> = (0..files).collect();
    let mut total = Duration::ZERO;
    for tenth in ordinals.chunks(files.div_ceil(10)) {
        let begun = Instant::now();
        for group in tenth.chunks(GROUP) {
            let group: Vec<StoredRecording> =
                group.iter().map(|file| stored(batch, *file)).collect::<Result<_, _>>()?;
            ledger.record_stored(&group, 1).await?;
        }
        let recording = begun.elapsed();
        let begun = Instant::now();
        for group in tenth.chunks(GROUP) {
            let group: Vec<ReportedResult> =
                group.iter().map(|file| identified(batch, *file)).collect::<Result<_, _>>()?;
            ledger.apply_results(&group, 1).await?;
        }
        let applying = begun.elapsed();
        let begun = Instant::now();
        let counts = ledger.batch(batch).await?.counts;
        println!(
            "{:>8} identified: recording {:5.1} us a file, applying {:5.1} us a file, counting the batch {:.1} ms",
            counts.identified,
            micros(tenth.len(), recording),
            micros(tenth.len(), applying),
            begun.elapsed().as_secs_f64() * 1e3,
        );
        total += recording + applying;
    }
    println!("grouped: {files} files in {:.2} s, {:.0} files/s", total.as_secs_f64(), rate(files, total));
    ledger.close().await;
    Ok(total)
}

async fn plan(ledger: &Ledger, files: usize) -> anyhow::Result<BatchId> {
    let new = NewBatch {
        source: "/srv/calls".to_owned(),
        batch_date: "01-02-2025".to_owned(),
        process: 1,
        category_mapping: 1,
        audio_endpoint: "https://audio.example/calls".to_owned(),
        candidates: Vec::new(),
        idempotency_key: None,
        request_hash: Digest::of(b"request"),
        now: 1,
    };
    let Begun::New(batch) = ledger.begin_batch(&new).await? else {
        anyhow::bail!("the batch is there already")
    };
    let entries: Vec<ManifestEntry> = (0..)
        .take(files)
        .zip(0..)
        .map(|(file, ordinal)| ManifestEntry {
            ordinal,
            name_key: name_key(&name(file)),
            audio_name: name(file),
            source_path: format!("2025/02/01/{}", name(file)),
            size: 480_000,
            mtime: 1,
        })
        .collect();
    for entries in entries.chunks(GROUP) {
        ledger.add_to_manifest(batch, entries).await?;
    }
    ledger.publish_batch(batch).await?;
    Ok(batch)
}

fn stored(batch: BatchId, file: usize) -> anyhow::Result<StoredRecording> {
    let recording = RecordingId { batch, ordinal: i64::try_from(file)? };
    let host = Host { agent: agent(file)?, address: format!("10.0.0.{}", file % 4) };
    let digest = Digest::of(&file.to_be_bytes());
    Ok(Sent { recording, size: 480_000, digest }.acknowledge(host, 480_000, digest)?)
}

fn identified(batch: BatchId, file: usize) -> anyhow::Result<ReportedResult> {
    Ok(ReportedResult {
        recording: RecordingId { batch, ordinal: i64::try_from(file)? },
        round: 1,
        agent: agent(file)?,
        address: format!("10.0.0.{}", file % 4),
        outcome: LidOutcome::Identified(Identified {
            language: "hi".to_owned(),
            probabilities: Vec::new(),
            unrestricted: None,
            duration_seconds: 30.5,
            processing_seconds: 0.6,
        }),
    })
}

fn agent(file: usize) -> anyhow::Result<AgentName> {
    Ok(format!("gpu-{}", file % 4).parse()?)
}

/// The same steps on the three shared tables, a statement and a flush for each
/// row; Cofi's own rows are left out.
async fn alone(path: &Path, files: usize) -> anyhow::Result<Duration> {
    let url = format!("sqlite:{}", path.display());
    // The same schema.
    Ledger::open(url.as_str()).await?.close().await;
    let options = SqliteConnectOptions::from_str(&url)?
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let batch = "INSERT INTO batchStatus (id, batchDate) VALUES (1, '01-02-2025')";
    sqlx::query(batch).execute(&mut connection).await?;
    let begun = Instant::now();
    for file in 0..files {
        let (name, ip) = (name(file), format!("10.0.0.{}", file % 4));
        record_alone(&mut connection, &name, &ip).await?;
        apply_alone(&mut connection, &name, &ip).await?;
    }
    let time = begun.elapsed();
    connection.close().await?;
    Ok(time)
}

async fn record_alone(connection: &mut SqliteConnection, name: &str, ip: &str) -> sqlx::Result<()> {
    let insert = "INSERT INTO fileDistribution (`file`, ip, batchId) VALUES (?, ?, 1)";
    sqlx::query(insert).bind(name).bind(ip).execute(&mut *connection).await?;
    let insert = "INSERT INTO `call` (processId, categoryMappingId, userId, audioUrl, audioName, audioDuration, lang, \
                  `type`, status, batchId, ip) VALUES (1, 1, 1, ?, ?, 0, 'unknown', 'Call', 'Pending', 1, ?)";
    let url = format!("https://audio.example/calls/{name}");
    sqlx::query(insert).bind(url).bind(name).bind(ip).execute(connection).await.map(|_| ())
}

async fn apply_alone(connection: &mut SqliteConnection, name: &str, ip: &str) -> sqlx::Result<()> {
    let insert = "INSERT INTO lidStatus (audioName, `language`, audioDuration, lidProcessingTime, batchId, ip) \
                  VALUES (?, 'hi', 30.5, '0.600', 1, ?)";
    sqlx::query(insert).bind(name).bind(ip).execute(&mut *connection).await?;
    let update = "UPDATE `call` SET lang = 'hi', audioDuration = 30.5, \
                  languageId = (SELECT id FROM `language` WHERE languageCode = 'hi') \
                  WHERE batchId = 1 AND audioName = ?";
    sqlx::query(update).bind(name).execute(&mut *connection).await?;
    let update = "UPDATE fileDistribution SET lidDone = 1 WHERE batchId = 1 AND `file` = ?";
    sqlx::query(update).bind(name).execute(connection).await.map(|_| ())
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
