//! What must have happened once and not more often, whatever went wrong on the
//! way.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Result, ensure};

use crate::cluster::Cluster;

/// Expects that every recording of a batch came to one agent, once, and that
/// workers were asked for each of those once.
pub async fn done_once(cluster: &Cluster, batch: i64) -> Result<()> {
    let mut holders: BTreeMap<i64, &str> = BTreeMap::new();
    let mut asked: HashMap<String, u64> = HashMap::new();
    for agent in &cluster.agents {
        let requests = agent.desk.requests()?;
        for held in agent.journal().await?.held(batch).await? {
            ensure!(held.came_once(), "{} got {held:?}", agent.name);
            let before = holders.insert(held.ordinal, &agent.name);
            ensure!(before.is_none(), "{before:?} and {} hold {held:?}", agent.name);
            *asked.entry(held.audio_name.clone()).or_default() +=
                requests.get(&held.audio_name).copied().unwrap_or_default();
        }
    }
    let often = asked.iter().find(|(_, times)| **times != 1);
    ensure!(often.is_none(), "workers were asked for {often:?} times");
    Ok(())
}
