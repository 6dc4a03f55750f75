//! The source changes after the batch was planned: what is not what it was is
//! not distributed, everything else is, and a retry takes files as they are by
//! then.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::Path,
    time::SystemTime,
};

use anyhow::{Context as _, Result, ensure};
use cofi_proto::pb::v1 as pb;
use cofi_tests::{
    audit::audit,
    cluster::{Cluster, Engine, SOON},
    corpus::{Corpus, Sample},
    wait::until,
};
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// Larger than all that can be under way to an agent that does not read.
const LARGE: usize = 96 * 1024 * 1024;

/// What a file was, to make it so again.
struct Original {
    content: Vec<u8>,
    modified: SystemTime,
}

impl Original {
    fn of(path: &Path) -> Result<Self> {
        Ok(Self { content: fs::read(path)?, modified: fs::metadata(path)?.modified()? })
    }

    fn restore(&self, path: &Path) -> Result<()> {
        fs::write(path, &self.content)?;
        Ok(File::options().write(true).open(path)?.set_modified(self.modified)?)
    }
}

/// The failure of a recording, as the API tells it.
async fn failure(cluster: &Cluster, batch: i64, name: &str) -> Result<pb::Recording> {
    let failed = cluster.client()?.recordings(batch, pb::RecordingFilter::Failed).await?;
    failed.into_iter().find(|it| it.audio_name == name).with_context(|| format!("{name:?} has not failed"))
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_changed_since_they_were_planned_are_not_distributed() -> Result<()> {
    let mut cluster = Cluster::new()?;
    let mut corpus = Corpus::make(&cluster.path("calls"), 40, 1)?;
    cluster.controller.start().await?;
    let batch = cluster.submit(&corpus).await?;

    let samples: Vec<Sample> = corpus.in_order().into_iter().cloned().collect();
    let changed = [3, 8, 20, 30, 35].map(|index| samples[index].clone());
    let [longer, touched, gone, link, pipe] = changed.each_ref().map(|sample| corpus.path(sample));
    let originals = [&gone, &link, &pipe].map(|path| Original::of(path));
    OpenOptions::new().append(true).open(&longer)?.write_all(b"more")?;
    fs::write(&touched, fs::read(&touched)?)?;
    for path in [&gone, &link, &pipe] {
        fs::remove_file(path)?;
    }
    std::os::unix::fs::symlink("/etc/hostname", &link)?;
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;

    cluster.add_agent("host-0", Engine::Answers(corpus.answers.clone())).await?;
    let ended = cluster.at_rest(batch).await?;
    ensure!(ended.state() == pb::BatchState::CompleteWithFailures, "{ended:?}");
    let reasons = [
        ("source_changed", "its size"),
        ("source_changed", "modification time"),
        ("source_missing", "not in the source"),
        ("source_unreadable", "read "),
        ("source_changed", "its size"),
    ];
    for (sample, (code, words)) in changed.iter().zip(reasons) {
        let failure = failure(&cluster, batch, &sample.name).await?;
        ensure!(failure.code == code && failure.reason.contains(words), "{failure:?}");
        ensure!(failure.reason.contains(&sample.source_path), "{failure:?}");
        ensure!(failure.placement() == pb::Placement::Failed && failure.call_id == 0, "{failure:?}");
    }
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!((tally.identified, tally.placement_failed) == (35, 5), "{tally:?}");

    // A retry takes files as they are now; what is none stays failed.
    let retried = cluster.client()?.retry(batch).await?;
    ensure!((retried.placements, retried.identifications) == (5, 0), "{retried:?}");
    cluster.at_rest(batch).await?;
    corpus.samples.entry(changed[0].name.clone()).and_modify(|sample| sample.size += 4);
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!((tally.identified, tally.placement_failed) == (37, 3), "{tally:?}");

    for (path, original) in [&gone, &link, &pipe].into_iter().zip(originals) {
        fs::remove_file(path).or_else(|error| if path == &gone { Ok(()) } else { Err(error) })?;
        original?.restore(path)?;
    }
    cluster.client()?.retry(batch).await?;
    cluster.at_rest(batch).await?;
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!(tally.identified == 40, "{tally:?}");
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_written_to_while_it_is_sent_leaves_no_row() -> Result<()> {
    for what in ["appended to", "cut short", "touched"] {
        eprintln!("while it is sent it is {what}");
        let mut cluster = Cluster::new()?;
        let mut corpus = Corpus::make(&cluster.path("calls"), 10, 1)?;
        let large = corpus.add("large.wav", &vec![7; LARGE], "en", 60.0)?;
        cluster.controller.start().await?;
        cluster.add_agent("host-0", Engine::Answers(corpus.answers.clone())).await?;
        cluster.agents_are_ready().await?;
        let original = Original::of(&large)?;

        let incoming = cluster.agents[0].data_dir().join("incoming");
        let batch = cluster.submit(&corpus).await?;
        until("the large recording to be on its way", SOON, async || {
            let mut sizes = fs::read_dir(&incoming)?.map(|entry| Ok(entry?.metadata()?.len()));
            Ok(sizes.any(|size: Result<u64>| size.is_ok_and(|size| size > 1_000_000)).then_some(()))
        })
        .await?;
        // It stands still, and with it the sender: the rest is not read yet.
        cluster.agents[0].pause()?;
        let file = OpenOptions::new().write(true).open(&large)?;
        match what {
            "appended to" => file.set_len(u64::try_from(LARGE)? + 1)?,
            "cut short" => file.set_len(2_000_000)?,
            _ => file.set_modified(original.modified + std::time::Duration::from_secs(1))?,
        }
        cluster.agents[0].go_on()?;

        cluster.at_rest(batch).await?;
        let failure = failure(&cluster, batch, "large.wav").await?;
        ensure!(failure.code == "source_changed" && failure.call_id == 0, "{failure:?}");
        let tally = audit(&cluster, &corpus, batch).await?;
        ensure!((tally.identified, tally.placement_failed) == (10, 1), "{tally:?}");

        original.restore(&large)?;
        cluster.client()?.retry(batch).await?;
        cluster.at_rest(batch).await?;
        let tally = audit(&cluster, &corpus, batch).await?;
        ensure!(tally.identified == 11, "{tally:?}");
        cluster.stop().await?;
    }
    Ok(())
}
