//! `BatchService`.

use std::{pin::Pin, sync::Arc, time::Duration};

use cofi_language::LanguageTable;
use cofi_proto::{BatchId, clock::Clock, pb::v1 as pb};
use pb::batch_service_server::BatchService;
use tokio::sync::{mpsc, watch};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status};

use super::{finish, pages::Page, said_reason, status::RpcError};
use crate::{
    access::Caller,
    chain::error_chain,
    dispatch::Dispatch,
    ledger::{AnyBatch, Highlights, Ledger, ReleaseCause, ReleaseScope, ReleaseTerms, Retried},
    plan::{Planned, Planner},
    progress::{Progress, Rates, View},
    release::Releaser,
    scheduler::Event,
};

/// Most ordinals that a retry names.
const MAX_ORDINALS: usize = 10_000;
/// Batches on a page unless the request says otherwise.
const BATCHES: i32 = 50;
/// Recordings on a page unless the request says otherwise.
const RECORDINGS: i32 = 100;
/// Identifications that agents are told of at a time.
const IDENTIFICATIONS: i64 = 1_000;
/// Between two questions to a database that is away.
const AGAIN: Duration = Duration::from_secs(1);
/// Snapshots that may wait for a watcher.
const SNAPSHOTS: usize = 1;

/// Answers operators about batches.
#[derive(Debug, Clone)]
pub(super) struct Batches {
    pub(super) planner: Planner,
    pub(super) ledger: Ledger,
    pub(super) dispatch: Dispatch,
    pub(super) progress: Progress,
    pub(super) releaser: Releaser,
    pub(super) languages: Arc<LanguageTable>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Batches {
    /// The same, acting for a caller.
    fn acting(&self, caller: &Caller) -> Self {
        let deed = caller.deed(&*self.clock);
        Self {
            ledger: self.ledger.acting(deed.clone()),
            planner: self.planner.acting(deed.clone()),
            releaser: self.releaser.acting(deed),
            ..self.clone()
        }
    }

    async fn create(&self, request: pb::CreateBatchRequest) -> Result<pb::CreateBatchResponse, RpcError> {
        use pb::create_batch_response::Outcome;
        let outcome = match self.planner.plan(request.into()).await? {
            Planned::Batch { batch, new } => {
                let view = self.progress.view(batch).await?;
                if new {
                    self.dispatch.open_batch(view.record.clone()).await;
                }
                Outcome::Batch((&view).into())
            }
            Planned::Rejected { offenders, total } => Outcome::Rejection(pb::Rejection {
                offenders: offenders
                    .into_iter()
                    .map(|offender| pb::Offender { path: offender.path, reason: offender.reason })
                    .collect(),
                total_offenders: total,
            }),
            Planned::NothingNew { known } => Outcome::NothingNew(pb::NothingNew { known }),
        };
        Ok(pb::CreateBatchResponse { outcome: Some(outcome) })
    }

    async fn list(&self, request: pb::ListBatchesRequest) -> Result<pb::ListBatchesResponse, RpcError> {
        let page = Page::read("batches".to_owned(), request.page_size, BATCHES, &request.page_token)?;
        let batches = self.ledger.batches(page.after_number(i64::MAX)?, page.size).await?;
        let next_page_token = page.next(batches.len(), batches.last().map(AnyBatch::id));
        Ok(pb::ListBatchesResponse { batches: batches.into_iter().map(bare).collect(), next_page_token })
    }

    async fn get(&self, batch: BatchId) -> Result<pb::Batch, RpcError> {
        Ok(match self.ledger.any_batch(batch).await? {
            AnyBatch::Own(record) => (&self.progress.view_of(record).await?).into(),
            AnyBatch::Earlier(earlier) => earlier.into(),
        })
    }

    async fn watch(&self, batch: BatchId) -> Result<Snapshots, RpcError> {
        // Before the first look, so that nothing is missed in between.
        let polled = self.progress.watch(batch);
        let first = match self.ledger.any_batch(batch).await? {
            AnyBatch::Own(record) => self.progress.view_of(record).await?,
            // Nothing moves in it that Cofi would know of.
            AnyBatch::Earlier(earlier) => {
                return Ok(Box::pin(tokio_stream::once(Ok(pb::Batch::from(earlier)))));
            }
        };
        let (sender, snapshots) = mpsc::channel(SNAPSHOTS);
        self.tasks.spawn(send_snapshots(first, polled, sender, self.stop.clone()));
        Ok(Box::pin(ReceiverStream::new(snapshots)))
    }

    async fn apply_lid(
        &self,
        request: pb::ApplyLidResultsRequest,
    ) -> Result<pb::ApplyLidResultsResponse, RpcError> {
        let batch = BatchId(request.batch_id);
        let report = self.ledger.apply_lid_results(batch, &self.languages, self.clock.now_micros()).await?;
        Ok(report.into())
    }

    async fn recordings(
        &self,
        request: pb::ListRecordingsRequest,
    ) -> Result<pb::ListRecordingsResponse, RpcError> {
        let filter = pb::RecordingFilter::try_from(request.filter)
            .map_err(|_| RpcError::field("filter", format!("{} is no filter", request.filter)))?;
        let scope = format!("recordings/{}/{}", request.batch_id, filter.as_str_name());
        let page = Page::read(scope, request.page_size, RECORDINGS, &request.page_token)?;
        let batch = BatchId(request.batch_id);
        let records = self.ledger.recordings(batch, filter.into(), page.after_number(-1)?, page.size).await?;
        let next_page_token = page.next(records.len(), records.last().map(|record| record.ordinal));
        Ok(pb::ListRecordingsResponse {
            recordings: records.into_iter().map(Into::into).collect(),
            next_page_token,
        })
    }

    async fn retry(
        &self,
        request: pb::RetryRecordingsRequest,
    ) -> Result<pb::RetryRecordingsResponse, RpcError> {
        if request.ordinals.len() > MAX_ORDINALS {
            return Err(RpcError::field("ordinals", "more than 10,000: leave them out to retry all"));
        }
        let batch = BatchId(request.batch_id);
        self.planner.refresh_changed(batch).await?;
        let now = self.clock.now_micros();
        let retried = self.ledger.retry(batch, &request.ordinals, now).await;
        // Those who hold them are told what the rows say, also if the caller
        // cannot be told what that is.
        if !matches!(retried, Ok(Retried { identifications: 0, .. })) {
            self.tasks.spawn(self.clone().tell_holders(batch, now));
        }
        let Retried { placements, identifications, released } = retried?;
        if placements > 0 {
            self.dispatch.open_batch(self.ledger.batch(batch).await?).await;
        }
        Ok(pb::RetryRecordingsResponse { placements, identifications, released })
    }

    /// Tells agents which recordings a retry at `now` set going again, once the
    /// database says so.
    async fn tell_holders(self, batch: BatchId, now: i64) {
        let mut after = -1;
        while !self.stop.is_cancelled() {
            match self.ledger.retried_lids(batch, now, after, IDENTIFICATIONS).await {
                Ok(page) => {
                    let Some(last) = page.last() else { return };
                    after = last.recording.ordinal;
                    self.dispatch.identify(page).await;
                }
                Err(error) if error.is_transient() => tokio::time::sleep(AGAIN).await,
                Err(error) => return tracing::error!(error = error_chain(&error), "read what was retried"),
            }
        }
    }

    async fn release(
        &self,
        request: pb::ReleaseRecordingsRequest,
    ) -> Result<pb::ReleaseRecordingsResponse, RpcError> {
        let scope = ReleaseScope::Batch(BatchId(request.batch_id));
        let terms = ReleaseTerms {
            cause: ReleaseCause::Operator,
            reason: said_reason(request.reason)?,
            older_than_seconds: request.older_than_seconds,
        };
        let counts = self.releaser.release(&scope, &terms, request.dry_run, &self.stop).await?;
        // What was released stays so; the rest is for the next call.
        if self.stop.is_cancelled() { Err(RpcError::Stopping) } else { Ok(counts.into()) }
    }

    async fn cancel(&self, request: pb::CancelBatchRequest) -> Result<pb::CancelBatchResponse, RpcError> {
        let batch = BatchId(request.batch_id);
        let cancelled = self.ledger.cancel_batch(batch, self.clock.now_micros()).await?;
        self.dispatch.event(Event::BatchCancelled(batch)).await;
        Ok(pb::CancelBatchResponse { cancelled })
    }
}

/// A batch as a listing shows it.
fn bare(batch: AnyBatch) -> pb::Batch {
    match batch {
        AnyBatch::Own(record) => {
            let (highlights, rates) = (Highlights::default(), Rates::default());
            (&View { record, highlights, rates, waiting_for: None }).into()
        }
        AnyBatch::Earlier(earlier) => earlier.into(),
    }
}

/// Sends the first view of a batch, and those of the poller, until it rests or
/// nobody watches any more.
async fn send_snapshots(
    first: View,
    mut polled: watch::Receiver<Option<Arc<View>>>,
    sender: mpsc::Sender<Result<pb::Batch, Status>>,
    stop: CancellationToken,
) {
    let mut view = Arc::new(first);
    loop {
        let rests = view.record.rests();
        if sender.send(Ok(pb::Batch::from(&*view))).await.is_err() || rests {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => {
                // Whoever watches may have gone.
                return drop(sender.send(Err(RpcError::Stopping.into())).await);
            }
            () = sender.closed() => return,
            changed = polled.changed() => if changed.is_err() { return },
        }
        if let Some(seen) = polled.borrow_and_update().clone() {
            view = seen;
        }
    }
}

type Snapshots = Pin<Box<dyn Stream<Item = Result<pb::Batch, Status>> + Send>>;

#[tonic::async_trait]
impl BatchService for Batches {
    async fn create_batch(
        &self,
        request: Request<pb::CreateBatchRequest>,
    ) -> Result<Response<pb::CreateBatchResponse>, Status> {
        let me = self.acting(&Caller::of(&request));
        finish(&self.tasks, async move { me.create(request.into_inner()).await }).await
    }

    async fn get_batch(&self, request: Request<pb::GetBatchRequest>) -> Result<Response<pb::Batch>, Status> {
        Ok(Response::new(self.get(BatchId(request.into_inner().batch_id)).await?))
    }

    async fn list_batches(
        &self,
        request: Request<pb::ListBatchesRequest>,
    ) -> Result<Response<pb::ListBatchesResponse>, Status> {
        Ok(Response::new(self.list(request.into_inner()).await?))
    }

    type WatchBatchStream = Snapshots;

    async fn watch_batch(
        &self,
        request: Request<pb::WatchBatchRequest>,
    ) -> Result<Response<Snapshots>, Status> {
        Ok(Response::new(self.watch(BatchId(request.into_inner().batch_id)).await?))
    }

    async fn list_recordings(
        &self,
        request: Request<pb::ListRecordingsRequest>,
    ) -> Result<Response<pb::ListRecordingsResponse>, Status> {
        Ok(Response::new(self.recordings(request.into_inner()).await?))
    }

    async fn retry_recordings(
        &self,
        request: Request<pb::RetryRecordingsRequest>,
    ) -> Result<Response<pb::RetryRecordingsResponse>, Status> {
        let me = self.acting(&Caller::of(&request));
        finish(&self.tasks, async move { me.retry(request.into_inner()).await }).await
    }

    async fn cancel_batch(
        &self,
        request: Request<pb::CancelBatchRequest>,
    ) -> Result<Response<pb::CancelBatchResponse>, Status> {
        let me = self.acting(&Caller::of(&request));
        finish(&self.tasks, async move { me.cancel(request.into_inner()).await }).await
    }

    async fn release_recordings(
        &self,
        request: Request<pb::ReleaseRecordingsRequest>,
    ) -> Result<Response<pb::ReleaseRecordingsResponse>, Status> {
        let me = self.acting(&Caller::of(&request));
        finish(&self.tasks, async move { me.release(request.into_inner()).await }).await
    }

    async fn apply_lid_results(
        &self,
        request: Request<pb::ApplyLidResultsRequest>,
    ) -> Result<Response<pb::ApplyLidResultsResponse>, Status> {
        let me = self.acting(&Caller::of(&request));
        finish(&self.tasks, async move { me.apply_lid(request.into_inner()).await }).await
    }
}
