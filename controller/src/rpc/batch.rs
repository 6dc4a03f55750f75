//! `BatchService`.

use std::{pin::Pin, sync::Arc};

use cofi_proto::{BatchId, clock::Clock, pb::v1 as pb};
use pb::batch_service_server::BatchService;
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status};

use super::{pages::Page, status::RpcError};
use crate::{
    dispatch::Dispatch,
    ledger::{BatchRecord, Highlights, Ledger},
    plan::{Planned, Planner},
    progress::{Progress, Rates, View},
    scheduler::Event,
};

/// Most ordinals that a retry names.
const MAX_ORDINALS: usize = 10_000;
/// Batches on a page unless the request says otherwise.
const BATCHES: i32 = 50;
/// Recordings on a page unless the request says otherwise.
const RECORDINGS: i32 = 100;
/// Snapshots that may wait for a watcher.
const SNAPSHOTS: usize = 1;

/// Answers operators about batches.
#[derive(Debug, Clone)]
pub(super) struct Batches {
    pub(super) planner: Planner,
    pub(super) ledger: Ledger,
    pub(super) dispatch: Dispatch,
    pub(super) progress: Progress,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Batches {
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
        let next_page_token = page.next(batches.len(), batches.last().map(|batch| batch.batch));
        Ok(pb::ListBatchesResponse { batches: batches.into_iter().map(bare).collect(), next_page_token })
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
        let retried = self.ledger.retry(batch, &request.ordinals, self.clock.now_micros()).await?;
        let identifications = u64::try_from(retried.identifications.len()).unwrap_or(u64::MAX);
        if retried.placements > 0 {
            self.dispatch.open_batch(self.ledger.batch(batch).await?).await;
        }
        self.dispatch.identify(retried.identifications).await;
        Ok(pb::RetryRecordingsResponse { placements: retried.placements, identifications })
    }

    async fn cancel(&self, request: pb::CancelBatchRequest) -> Result<pb::CancelBatchResponse, RpcError> {
        let batch = BatchId(request.batch_id);
        let cancelled = self.ledger.cancel_batch(batch, self.clock.now_micros()).await?;
        self.dispatch.event(Event::BatchCancelled(batch)).await;
        Ok(pb::CancelBatchResponse { cancelled })
    }

    /// Runs in a task of its own: a caller that goes away must not leave a
    /// change half made.
    async fn finish<T, F>(&self, work: F) -> Result<Response<T>, Status>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, RpcError>> + Send + 'static,
    {
        let done = self.tasks.spawn(work).await;
        let answer = done.map_err(|error| RpcError::Internal(error.to_string()))?;
        Ok(Response::new(answer?))
    }
}

/// A batch as a listing shows it.
fn bare(record: BatchRecord) -> pb::Batch {
    let view = View { record, highlights: Highlights::default(), rates: Rates::default(), waiting_for: None };
    (&view).into()
}

type Snapshots = Pin<Box<dyn Stream<Item = Result<pb::Batch, Status>> + Send>>;

#[tonic::async_trait]
impl BatchService for Batches {
    async fn create_batch(
        &self,
        request: Request<pb::CreateBatchRequest>,
    ) -> Result<Response<pb::CreateBatchResponse>, Status> {
        let (me, request) = (self.clone(), request.into_inner());
        self.finish(async move { me.create(request).await }).await
    }

    async fn get_batch(&self, request: Request<pb::GetBatchRequest>) -> Result<Response<pb::Batch>, Status> {
        let view =
            self.progress.view(BatchId(request.into_inner().batch_id)).await.map_err(RpcError::from)?;
        Ok(Response::new((&view).into()))
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
        let batch = BatchId(request.into_inner().batch_id);
        let mut polled = self.progress.watch(batch);
        let first = self.progress.view(batch).await.map_err(RpcError::from)?;
        let (sender, snapshots) = tokio::sync::mpsc::channel(SNAPSHOTS);
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
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
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(snapshots).map(|snapshot| snapshot))))
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
        let (me, request) = (self.clone(), request.into_inner());
        self.finish(async move { me.retry(request).await }).await
    }

    async fn cancel_batch(
        &self,
        request: Request<pb::CancelBatchRequest>,
    ) -> Result<Response<pb::CancelBatchResponse>, Status> {
        let (me, request) = (self.clone(), request.into_inner());
        self.finish(async move { me.cancel(request).await }).await
    }
}
