//! The one audit that every scenario ends with: each manifest entry is in one
//! state, the rows of every table are exactly those of that state, the files
//! are what their sources were, nothing is left on its way, nobody logged an
//! error.

mod checker;
mod files;
mod once;
mod rows;

use std::{collections::HashMap, fmt};

use anyhow::{Result, ensure};

pub use self::once::done_once;
use crate::{
    cluster::{Cluster, SOON},
    corpus::Corpus,
    logs,
    wait::until,
};

/// Findings that are told one by one.
const TOLD: usize = 20;

/// What is not as it must be.
#[derive(Debug, Clone, Default)]
pub struct Findings(Vec<String>);

impl Findings {
    pub(crate) fn add(&mut self, finding: impl Into<String>) {
        self.0.push(finding.into());
    }

    /// Notes a finding where two things are not equal.
    #[allow(clippy::needless_pass_by_value, reason = "numbers and words read better by value")]
    pub(crate) fn equal<T: PartialEq + fmt::Debug>(&mut self, what: impl fmt::Display, is: T, must_be: T) {
        if is != must_be {
            self.add(format!("{what} is {is:?} and must be {must_be:?}"));
        }
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} findings", self.0.len())?;
        self.0.iter().take(TOLD).try_for_each(|finding| write!(f, "\n  {finding}"))
    }
}

/// How many recordings the audit found in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Not placed yet.
    pub planned: u64,
    /// Could not be placed.
    pub placement_failed: u64,
    /// Were not to be placed any more.
    pub cancelled: u64,
    /// On a host, language not known yet.
    pub pending: u64,
    /// On a host, and could not be identified.
    pub lid_failed: u64,
    /// On a host, with a language.
    pub identified: u64,
}

impl Tally {
    /// On a host.
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.pending + self.lid_failed + self.identified
    }
}

/// What a scenario did to the answers or to the world that the audit is to
/// know of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowed<'a> {
    /// Words in log lines at ERROR that the scenario provoked.
    pub errors: &'a [&'a str],
}

/// Audits a batch that is at rest, or whose controller and agents do not run.
pub async fn audit(cluster: &Cluster, corpus: &Corpus, batch: i64) -> Result<Tally> {
    audit_allowing(cluster, corpus, batch, Allowed::default()).await
}

/// As [`audit`], after a scenario that left its traces.
pub async fn audit_allowing(
    cluster: &Cluster,
    corpus: &Corpus,
    batch: i64,
    allowed: Allowed<'_>,
) -> Result<Tally> {
    nothing_is_on_its_way(cluster).await?;
    stages_are_settled(cluster, corpus, batch).await?;
    let (tally, findings) = findings(cluster, corpus, batch, allowed).await?;
    ensure!(findings.is_empty(), "the audit of batch {batch} has {findings}");
    checker::finds_nothing(cluster).await?;
    Ok(tally)
}

/// What is wrong with a batch at this moment.
pub async fn findings(
    cluster: &Cluster,
    corpus: &Corpus,
    batch: i64,
    allowed: Allowed<'_>,
) -> Result<(Tally, Findings)> {
    let mut findings = Findings::default();
    let tables = cluster.tables().await?;
    let snapshot = tables.snapshot(batch).await?;
    let addresses: HashMap<&str, &str> =
        cluster.agents.iter().map(|agent| (agent.name.as_str(), agent.address.as_str())).collect();
    let tally = rows::check(&snapshot, corpus, &addresses, &mut findings);
    rows::check_stages(&tables.batch(batch).await?, tally, corpus.samples.len(), &mut findings);
    files::check(cluster, corpus, batch, &snapshot, &mut findings).await?;
    check_logs(cluster, allowed, &mut findings)?;
    Ok((tally, findings))
}

/// Receipts follow their commits: what is on its way gets its time to arrive.
async fn nothing_is_on_its_way(cluster: &Cluster) -> Result<()> {
    for agent in &cluster.agents {
        let journal = agent.journal().await?;
        until(format!("agent {} to have got rid of everything", agent.name), SOON, async || {
            let left = [journal.unreceipted().await?, journal.waiting().await?, journal.unrecorded().await?];
            Ok((left == [0, 0, 0]).then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// The stages of a batch follow its rows, within a second or so.
async fn stages_are_settled(cluster: &Cluster, corpus: &Corpus, batch: i64) -> Result<()> {
    let tables = cluster.tables().await?;
    let snapshot = tables.snapshot(batch).await?;
    let tally = rows::check(&snapshot, corpus, &HashMap::new(), &mut Findings::default());
    until(format!("the stages of batch {batch} to follow {tally:?}"), SOON, async || {
        let mut findings = Findings::default();
        rows::check_stages(&tables.batch(batch).await?, tally, corpus.samples.len(), &mut findings);
        Ok(findings.is_empty().then_some(()))
    })
    .await
}

fn check_logs(cluster: &Cluster, allowed: Allowed<'_>, findings: &mut Findings) -> Result<()> {
    let logs = cluster.agents.iter().map(|agent| (agent.name.as_str(), agent.log()));
    for (who, path) in logs.chain([("the controller", cluster.controller.log())]) {
        let log = logs::read(&path)?;
        let provoked = |line: &&str| allowed.errors.iter().any(|words| line.contains(words));
        for line in logs::alarming(&log).into_iter().filter(|line| !provoked(line)) {
            findings.add(format!("{who} logged {line}"));
        }
    }
    Ok(())
}
