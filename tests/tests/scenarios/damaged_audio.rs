//! Recordings as recorders really leave them, with the real engine: each is
//! distributed, and ends with what was really there or with its reason.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result, ensure};
use cofi_proto::pb::v1 as pb;
use cofi_tests::{
    audit::audit,
    cluster::{Cluster, Engine},
    corpus::Corpus,
    given::folder,
};

/// The canonical header of the clips: nothing between it and the samples.
const HEADER: usize = 44;

/// Mono, 8 kHz, 16 bits.
const BYTES_PER_SECOND: u32 = 16_000;

/// A clip of somebody who speaks English, as the clip maker left it.
fn english() -> Result<Vec<u8>> {
    let path = folder("COFI_TEST_CLIPS", "tools/make-clips --hard")?.join("en_01.wav");
    let clip = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let rate = clip.get(28..32) == Some(&BYTES_PER_SECOND.to_le_bytes());
    ensure!(rate && clip.get(36..40) == Some(b"data"), "{} is no plain 8 kHz WAVE file", path.display());
    Ok(clip)
}

fn seconds(samples: usize) -> Result<f64> {
    Ok(f64::from(u32::try_from(samples)?) / f64::from(BYTES_PER_SECOND))
}

/// The clip with other sizes in its header: of the file, and of the samples.
fn with_sizes(clip: &[u8], riff: u32, data: u32) -> Vec<u8> {
    let mut clip = clip.to_vec();
    clip[4..8].copy_from_slice(&riff.to_le_bytes());
    clip[40..44].copy_from_slice(&data.to_le_bytes());
    clip
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_recordings_are_distributed_and_end_with_what_was_there_or_a_reason() -> Result<()> {
    let model = folder("COFI_TEST_MODEL", "tools/make-model")?;
    let mut cluster = Cluster::new()?;
    let mut corpus = Corpus::empty(&cluster.path("calls"))?;
    let clip = english()?;
    let samples = clip.len() - HEADER;
    let size = u32::try_from(samples)?;
    let cut = HEADER + samples / 2 / 2 * 2;

    // What was really there.
    for (name, content) in [
        ("whole.wav", clip.clone()),
        ("never finished.wav", with_sizes(&clip, 0, 0)),
        ("written to a pipe.wav", with_sizes(&clip, u32::MAX, u32::MAX)),
        ("header says too much.wav", with_sizes(&clip, 36 + 20 * size, 20 * size)),
        ("header says too little.wav", with_sizes(&clip, 36 + 16_000, 16_000)),
        ("cut short.wav", clip[..cut].to_vec()),
    ] {
        corpus.add(name, &content, "en", seconds(content.len() - HEADER)?)?;
    }
    let silence = [&with_sizes(&clip, 36 + 160_000, 160_000)[..HEADER], &vec![0; 160_000][..]].concat();
    corpus.add("nobody speaks.wav", &silence, "zxx", 10.0)?;

    // A reason.
    let mut reasons = BTreeMap::new();
    for (name, content, code) in [
        ("text.wav", b"Dear customer, your call was not recorded.\n".to_vec(), "undecodable"),
        ("empty.wav", Vec::new(), "empty"),
        ("only a header.wav", with_sizes(&clip, 36, 0)[..HEADER].to_vec(), "empty"),
        ("half a header.wav", clip[..HEADER / 2].to_vec(), "undecodable"),
        ("text.mp3", b"this is not music\n".repeat(100), "undecodable"),
    ] {
        corpus.add(name, &content, "und", 0.0)?;
        reasons.insert(name, code);
    }

    cluster.controller.start().await?;
    cluster.add_agent("host-0", Engine::Builtin(model)).await?;
    cluster.agents_are_ready().await?;
    let batch = cluster.submit(&corpus).await?;
    let ended = cluster.at_rest(batch).await?;
    let counts = ended.counts.unwrap_or_default();
    ensure!((counts.stored, counts.identified, counts.lid_failed) == (12, 7, 5), "{ended:?}");
    ensure!(ended.state() == pb::BatchState::CompleteWithFailures, "{ended:?}");

    let failed = cluster.client()?.recordings(batch, pb::RecordingFilter::Failed).await?;
    let told: BTreeMap<&str, &str> =
        failed.iter().map(|it| (it.audio_name.as_str(), it.code.as_str())).collect();
    ensure!(told == reasons, "{failed:#?}");
    ensure!(failed.iter().all(|it| !it.reason.is_empty() && it.call_id > 0), "{failed:#?}");
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!((tally.identified, tally.lid_failed) == (7, 5), "{tally:?}");
    cluster.stop().await
}
