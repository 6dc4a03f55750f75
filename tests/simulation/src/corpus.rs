//! The recordings of a simulation: files of any bytes on the disk of this
//! machine, since the controller reads sources itself.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use cofi_controller::ledger::PlannedRecording;
use cofi_proto::{BatchId, RecordingId};

use crate::{chance::Chance, ledger::Row};

/// Makes the files of a batch, and its rows.
pub fn make(folder: &Path, batch: BatchId, recordings: u64, chance: &Chance) -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for number in 0..recordings {
        let ordinal = i64::try_from(number).unwrap_or(i64::MAX);
        let recording = RecordingId { batch, ordinal };
        let audio_name = format!("{batch}-{number:04}.wav");
        let size = usize::try_from(size(chance)).unwrap_or(0);
        let byte = u8::try_from(chance.number(0..=255)).unwrap_or(0);
        let content: Vec<u8> = audio_name.bytes().chain(std::iter::repeat(byte)).take(size).collect();
        let path = folder.join(&audio_name);
        fs::write(&path, content)?;
        let metadata = fs::metadata(&path)?;
        let planned = PlannedRecording {
            recording,
            source_path: audio_name.clone(),
            audio_name,
            size: metadata.len(),
            mtime: metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(),
            round: 1,
        };
        rows.push(Row::new(planned));
    }
    Ok(rows)
}

/// Mostly one piece, now and then several, rarely nothing.
fn size(chance: &Chance) -> u64 {
    match chance.number(0..=19) {
        0 => 0,
        1..=3 => chance.number(256 * 1024..=900 * 1024),
        _ => chance.number(1..=40_000),
    }
}
