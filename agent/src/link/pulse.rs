//! What an agent says of itself: in its hello, at the interval that the
//! controller asks for, and at once when the engine's state changes.

use std::{convert::Infallible, time::Duration};

use cofi_proto::{pb::agent as pb, session::Heartbeat};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use super::{Link, error::LinkError, session::send};

/// Below this the controller only hears more of the same.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// The state at this moment.
pub(super) async fn heartbeat(link: &Link) -> Result<Heartbeat, LinkError> {
    let (free_disk_bytes, storage) = link.holdings.look().await?;
    let engine = link.board.borrow().engine();
    Ok(Heartbeat { free_disk_bytes, lid_waiting: link.holdings.waiting().await?, engine, storage })
}

/// Sends heartbeats until the session ends.
pub(super) async fn beat(
    link: &Link,
    every: Duration,
    up: &mpsc::Sender<pb::FromAgent>,
) -> Result<Infallible, LinkError> {
    let mut board = link.board.clone();
    board.mark_unchanged();
    let mut ticks = interval(every.max(SHORTEST_INTERVAL));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            // The sender lives as long as the agent.
            changed = board.changed() => if changed.is_err() { std::future::pending::<()>().await; },
        }
        board.mark_unchanged();
        let heartbeat = pb::from_agent::Message::Heartbeat(heartbeat(link).await?.into());
        send(up, heartbeat).await?;
    }
}
