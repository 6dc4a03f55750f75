//! Through the ledger: in groups, as the controller commits them.

use std::time::{Duration, Instant};

use cofi_controller::{
    delivery::{Host, Sent, StoredRecording},
    ledger::{Begun, DatabaseUrl, Ledger, ManifestEntry, NewBatch, ReportedResult},
    name::name_key,
};
use cofi_proto::{
    AgentName, BatchId, Digest, RecordingId,
    session::{Identified, LidOutcome},
};

use crate::{micros, name, rate};

/// What the controller commits at a time.
const GROUP: usize = 500;

/// Plans, records and applies in groups: the time of the last two.
pub(crate) async fn grouped(database: DatabaseUrl, files: usize) -> anyhow::Result<Duration> {
    let ledger = Ledger::open(database).await?;
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
        idempotency_key: "benchmark".to_owned(),
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
        digest: None,
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
