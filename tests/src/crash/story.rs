//! What happens in a cluster so that a point is hit. A story is told again,
//! until the point was hit often enough.

use anyhow::{Context as _, Result, ensure};
use cofi_proto::pb::v1::{self as pb, AgentState};

use super::scene::Scene;
use crate::{database::change, worker::Behaviour};

/// Slow enough that somebody can be stopped in the middle of the work.
const SLOW: Behaviour = Behaviour::Delay { millis: 5 };

/// Languages of calls are lost, as if another service had written them over.
const FORGET_LANGUAGES: &str = "UPDATE `call` SET lang = 'unknown', languageId = NULL";

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Story {
    /// A batch goes its way.
    Batches,
    /// An agent that holds recordings is removed, and comes back.
    Custody,
    /// An agent is told to end while it identifies a batch, and comes back.
    AgentDrains,
    /// The controller is told to end in the middle of a batch, and comes back.
    ControllerDrains,
    /// The results of a batch are applied again.
    LidIsApplied,
}

impl Story {
    /// Tells it once; `times` it was told before.
    pub(super) async fn tell(self, scene: &mut Scene, times: usize) -> Result<()> {
        match self {
            Self::Batches => scene.take_a_batch_through().await,
            Self::Custody => custody(scene, times).await,
            Self::AgentDrains => {
                let batch = begin_slowly(scene).await?;
                scene.agent_has_results(batch).await?;
                scene.cluster.agents[0].terminate().await?;
                scene.agent_is_away("host-0").await?;
                let cluster = &mut scene.cluster;
                cluster.agents[0].start(&cluster.controller).await?;
                scene.rests(batch).await
            }
            Self::ControllerDrains => {
                let batch = begin_slowly(scene).await?;
                scene.agent_has_results(batch).await?;
                scene.cluster.controller.end().await?;
                scene.cluster.controller.start().await?;
                scene.rests(batch).await
            }
            Self::LidIsApplied => lid_is_applied(scene, times).await,
        }
    }
}

async fn begin_slowly(scene: &mut Scene) -> Result<i64> {
    for agent in &scene.cluster.agents {
        agent.desk.tell(&SLOW)?;
    }
    scene.submit().await
}

/// One agent after the other is removed: what it held goes to the other one,
/// and when it is back it lets go of it.
async fn custody(scene: &mut Scene, times: usize) -> Result<()> {
    if times == 0 {
        scene.take_a_batch_through().await?;
    }
    let leaves = times % scene.cluster.agents.len();
    let name = scene.cluster.agents[leaves].name.clone();
    let remove = ["agent", "remove", &name, "--reason", "for the test"];
    scene.cofi(&remove).await?;
    for batch in scene.batches.clone() {
        let left = name.clone();
        scene
            .until("everything to be on the other agent", async |cluster| {
                let filter = pb::RecordingFilter::Identified;
                let recordings = cluster.client()?.recordings(batch, filter).await?;
                let moved = recordings.iter().filter(|recording| recording.agent != left).count();
                Ok((moved == super::RECORDINGS).then_some(()))
            })
            .await?;
        scene.rests(batch).await?;
    }
    scene.cofi(&["agent", "resume", &name]).await?;
    scene
        .until("the agent to have released everything", async |cluster| {
            let held = cluster.agents[leaves].journal().await?.held_count().await?;
            Ok((held == 0).then_some(()))
        })
        .await?;
    scene.agent_is(&name, AgentState::Ready).await
}

async fn lid_is_applied(scene: &mut Scene, times: usize) -> Result<()> {
    if times == 0 {
        scene.take_a_batch_through().await?;
    }
    let batch = *scene.batches.first().context("no batch")?;
    let changed = change(scene.cluster.controller.database(), FORGET_LANGUAGES).await?;
    ensure!(changed > 0, "no language was known");
    scene.cofi(&["batch", "apply-lid", &batch.to_string()]).await?;
    scene.rests(batch).await
}
