//! Files against rows: what the tables say is on a host is there, whole, and
//! nothing else is.

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::ErrorKind,
    path::Path,
};

use anyhow::{Context as _, Result};
use cofi_proto::Digest;

use super::Findings;
use crate::{
    cluster::{Agent, Cluster},
    corpus::Corpus,
    tables::{RecordingRow, Snapshot},
};

/// Checks the files of all agents, and their journals.
pub(super) async fn check(
    cluster: &Cluster,
    corpus: &Corpus,
    batch: i64,
    snapshot: &Snapshot,
    findings: &mut Findings,
) -> Result<()> {
    let mut by_agent: HashMap<&str, Vec<&RecordingRow>> = HashMap::new();
    for row in snapshot.recordings.iter().filter(|row| row.placement == "stored") {
        by_agent.entry(row.agent.as_deref().unwrap_or_default()).or_default().push(row);
    }
    for agent in &cluster.agents {
        let rows = by_agent.remove(agent.name.as_str()).unwrap_or_default();
        check_files(agent, corpus, batch, &rows, findings)?;
        check_journal(agent, batch, &rows, findings).await?;
    }
    Ok(())
}

fn check_files(
    agent: &Agent,
    corpus: &Corpus,
    batch: i64,
    rows: &[&RecordingRow],
    findings: &mut Findings,
) -> Result<()> {
    let folder = agent.recordings(batch);
    let mut there = names(&folder)?;
    for row in rows {
        let name = &row.audio_name;
        if !there.remove(name) {
            findings.add(format!("{name:?} is stored on {} and not there", agent.name));
            continue;
        }
        let stored = digest(&folder.join(name))?;
        if row.digest.as_deref() != Some(&stored.as_bytes()[..]) {
            findings.add(format!("{name:?} on {} has the digest {stored}, its row another", agent.name));
        }
        let source = corpus.samples.get(name).map(|sample| digest(&corpus.path(sample))).transpose()?;
        if source != Some(stored) {
            findings.add(format!("{name:?} on {} is not what its source is", agent.name));
        }
    }
    for name in there {
        findings.add(format!("{name:?} is on {} and its row says otherwise", agent.name));
    }
    for name in names(&agent.data_dir().join("incoming"))? {
        findings.add(format!("{name:?} was left in incoming/ of {}", agent.name));
    }
    Ok(())
}

async fn check_journal(
    agent: &Agent,
    batch: i64,
    rows: &[&RecordingRow],
    findings: &mut Findings,
) -> Result<()> {
    let journal = agent.journal().await?;
    for (what, count) in [
        ("results that are not receipted", journal.unreceipted().await?),
        ("recordings that wait for the engine", journal.waiting().await?),
        ("recordings that are not recorded", journal.unrecorded().await?),
    ] {
        findings.equal(format_args!("number of {what} on {}", agent.name), count, 0);
    }
    let held: HashSet<i64> = journal.held(batch).await?.iter().map(|held| held.ordinal).collect();
    let stored: HashSet<i64> = rows.iter().map(|row| row.ordinal).collect();
    let differing = held.symmetric_difference(&stored).count();
    findings.equal(format_args!("recordings on which {} and the rows differ", agent.name), differing, 0);
    Ok(())
}

fn digest(path: &Path) -> Result<Digest> {
    Ok(Digest::of(&fs::read(path).with_context(|| format!("read {}", path.display()))?))
}

/// The names in a folder; none if it is not there.
fn names(folder: &Path) -> Result<HashSet<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(HashSet::new()),
        entries => entries.with_context(|| format!("list {}", folder.display()))?,
    };
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}
