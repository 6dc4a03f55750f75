//! What an agent says it holds since before this session: compared with the
//! source, then recorded; or rejected, so that it is sent again.

use cofi_proto::{Digest, RecordingId, session::Held};
use tokio::sync::{mpsc, oneshot};

use crate::{
    chain::error_chain,
    commit::ToRecord,
    delivery::{Host, Offered},
    dispatch::Dispatch,
    lane::Readers,
    ledger::{AgentLedger, LedgerError, ManifestRecord, Placement},
    scheduler::Event,
    source,
};

/// Settles one page of what an agent holds.
pub async fn verify_held(
    held: Vec<Held>,
    host: &Host,
    ledger: &dyn AgentLedger,
    readers: &dyn Readers,
    dispatch: &Dispatch,
    recorder: &mpsc::Sender<ToRecord>,
) -> Result<(), LedgerError> {
    let recordings: Vec<RecordingId> = held.iter().map(|held| held.recording).collect();
    for recording in &recordings {
        dispatch.event(Event::Offered { agent: host.agent.clone(), recording: *recording }).await;
    }
    let manifest = ledger.manifest_records(&recordings).await?;
    for held in held {
        failpoint!(async OFFER_HEARD => return Err(LedgerError::failpoint()));
        let offered = Offered { recording: held.recording, size: held.size_bytes, digest: held.digest };
        match manifest.get(&held.recording) {
            None => {
                dispatch.event(Event::OfferSettled(held.recording)).await;
                dispatch.release(host.agent.clone(), held.recording, "no such recording".to_owned()).await;
            }
            // Nobody needs it here: the source need not be read.
            Some(record) if is_elsewhere(record, host) => {
                dispatch.event(Event::OfferSettled(held.recording)).await;
                dispatch.release(host.agent.clone(), held.recording, "held elsewhere".to_owned()).await;
            }
            Some(record) => settle(offered, record, host, readers, dispatch, recorder).await,
        }
    }
    Ok(())
}

fn is_elsewhere(record: &ManifestRecord, host: &Host) -> bool {
    record.placement == Placement::Stored && record.agent.as_deref() != Some(host.agent.as_str())
}

async fn settle(
    offered: Offered,
    record: &ManifestRecord,
    host: &Host,
    readers: &dyn Readers,
    dispatch: &Dispatch,
    recorder: &mpsc::Sender<ToRecord>,
) {
    let recording = offered.recording;
    // Recorded already: the receipt was lost. The source need not be read.
    let on_record = record.digest.filter(|_| {
        record.placement == Placement::Stored && record.agent.as_deref() == Some(host.agent.as_str())
    });
    let verified = if let Some(digest) = on_record {
        let size = offered.size;
        offered.verify(host.clone(), size, digest).map_err(|error| error.to_string())
    } else {
        read(record, readers).await.and_then(|(size, digest)| {
            offered.verify(host.clone(), size, digest).map_err(|error| error.to_string())
        })
    };
    match verified {
        // If the recorder has gone the process is ending; the agent will
        // offer it again.
        Ok(stored) => {
            if recorder.send(ToRecord::Stored(stored)).await.is_ok() {
                dispatch.event(Event::OfferCompared(recording)).await;
            }
        }
        Err(reason) => {
            tracing::info!(agent = %host.agent, %recording, reason, "held recording is not what the source has");
            let event = if record.placement == Placement::Planned {
                Event::OfferRejected(record.planned.clone())
            } else {
                Event::OfferSettled(recording)
            };
            dispatch.event(event).await;
            dispatch.release(host.agent.clone(), recording, reason).await;
        }
    }
}

/// Size and digest of the source, or why they cannot be had.
async fn read(record: &ManifestRecord, readers: &dyn Readers) -> Result<(u64, Digest), String> {
    let (root, planned) = (record.source.clone(), record.planned.clone());
    let (told, digest) = oneshot::channel();
    readers.once(Box::pin(async move {
        // Whoever asked may have gone.
        told.send(source::digest(&root, &planned)).ok();
    }));
    match digest.await {
        Ok(read) => read.map_err(|error| error_chain(&error)),
        Err(_) => Err("the source could not be read to its end".to_owned()),
    }
}
