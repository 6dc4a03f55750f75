//! What an agent says it holds since before this session: compared with the
//! source, then recorded; or rejected, so that it is sent again.

use cofi_proto::{RecordingId, session::Held};
use tokio::sync::mpsc;

use crate::{
    chain::error_chain,
    commit::ToRecord,
    delivery::{Host, Offered},
    dispatch::Dispatch,
    ledger::{Ledger, LedgerError, ManifestRecord, Placement},
    scheduler::Event,
    source,
};

/// Settles one page of what an agent holds.
pub async fn verify_held(
    held: Vec<Held>,
    host: &Host,
    ledger: &Ledger,
    dispatch: &Dispatch,
    recorder: &mpsc::Sender<ToRecord>,
) -> Result<(), LedgerError> {
    let recordings: Vec<RecordingId> = held.iter().map(|held| held.recording).collect();
    for recording in &recordings {
        dispatch.event(Event::Offered(*recording)).await;
    }
    let manifest = ledger.manifest_records(&recordings).await?;
    for held in held {
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
            Some(record) => settle(offered, record, host, dispatch, recorder).await,
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
        let (root, planned) = (record.source.clone(), record.planned.clone());
        let reading = tokio::task::spawn_blocking(move || source::digest(&root, &planned));
        match reading.await {
            Ok(Ok((size, digest))) => {
                offered.verify(host.clone(), size, digest).map_err(|error| error.to_string())
            }
            Ok(Err(error)) => Err(error_chain(&error)),
            Err(error) => Err(error.to_string()),
        }
    };
    match verified {
        // If the recorder has gone the process is ending; the agent will
        // offer it again.
        Ok(stored) => drop(recorder.send(ToRecord(stored)).await),
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
