//! Watches a batch from outside while it is worked on: whether every slot gets
//! on, and how much memory its workers take.

use std::{
    collections::HashMap,
    fs,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use cofi_tests::cluster::Cluster;
use tokio::time::sleep;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// The longest that all of it may take.
const PATIENCE: Duration = Duration::from_mins(25);

/// What was seen.
#[derive(Debug)]
pub(super) struct Watch {
    /// From the first to the last look.
    pub(super) took: Duration,
    /// The longest time that an agent with work, which has one slot, was without a result.
    pub(super) longest_gap: Duration,
    /// The most memory of a worker (`VmHWM`).
    pub(super) peak_kib: u64,
}

/// What an agent has done.
#[derive(Debug, Clone, Copy)]
struct Progress {
    ended: usize,
    since: Instant,
}

impl Watch {
    /// Looks until every recording has ended, and makes sure that no agent does.
    pub(super) async fn until_at_rest(cluster: &mut Cluster, batch: i64) -> Result<Self> {
        let begun = Instant::now();
        let tables = cluster.tables().await?;
        let mut seen: HashMap<String, Progress> = HashMap::new();
        let mut watch = Self { took: Duration::ZERO, longest_gap: Duration::ZERO, peak_kib: 0 };
        while watch.took < PATIENCE {
            sleep(PAUSE).await;
            watch.took = begun.elapsed();
            for agent in &mut cluster.agents {
                ensure!(agent.ended()?.is_none(), "agent {} has ended: {}", agent.name, agent.log_text()?);
                watch.peak_kib = watch.peak_kib.max(peak_of_workers(&agent.data_dir().to_string_lossy())?);
            }
            let snapshot = tables.snapshot(batch).await?;
            let mut ends: HashMap<&str, (usize, usize)> = HashMap::new();
            for row in &snapshot.recordings {
                let (ended, waiting) = ends.entry(row.agent.as_deref().unwrap_or_default()).or_default();
                *(if row.lid == "none" { waiting } else { ended }) += 1;
            }
            for (agent, (ended, waiting)) in &ends {
                let now = Progress { ended: *ended, since: Instant::now() };
                let before = seen.entry((*agent).to_owned()).or_insert(now);
                if *waiting == 0 || before.ended != *ended || agent.is_empty() {
                    *before = now;
                }
                watch.longest_gap = watch.longest_gap.max(before.since.elapsed());
            }
            if ends.values().all(|(_, waiting)| *waiting == 0) {
                ensure!(watch.peak_kib > 0, "no worker was seen");
                return Ok(watch);
            }
        }
        bail!("after {PATIENCE:?} there are recordings that have not ended")
    }
}

/// The most memory that a worker of the agent in this folder has used.
fn peak_of_workers(folder: &str) -> Result<u64> {
    let mut peak = 0;
    for entry in fs::read_dir("/proc")? {
        let process = entry?.path();
        // Processes that are not there any more have nothing to say.
        let command = fs::read(process.join("cmdline")).unwrap_or_default();
        if !command.split(|byte| *byte == 0).any(|word| word == b"lid-worker") {
            continue;
        }
        let status = fs::read_to_string(process.join("status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        };
        let parent = field("PPid:").map(|parent| fs::read(format!("/proc/{parent}/cmdline")));
        let parent = parent.and_then(Result::ok).unwrap_or_default();
        if String::from_utf8_lossy(&parent).contains(folder) {
            peak = peak.max(field("VmHWM:").unwrap_or_default());
        }
    }
    Ok(peak)
}
