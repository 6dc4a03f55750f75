//! `CallService`.

use cofi_proto::{BatchId, pb::v1 as pb};
use pb::call_service_server::CallService;
use tonic::{Request, Response, Status};

use super::{convert, pages::Page, status::RpcError};
use crate::ledger::{CallFilter, Ledger};

/// Calls on a page unless the request says otherwise.
const CALLS: i32 = 100;

/// The values of `call.status`.
const STATUSES: [&str; 12] = [
    "Pending",
    "InProgress",
    "Transcription",
    "TranscriptDone",
    "Auditing",
    "AuditDone",
    "Summary",
    "Sentiment",
    "QaNotes",
    "Complete",
    "UnsupportedLanguage",
    "ShortCall",
];

/// Answers downstream stages about calls.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    pub(super) ledger: Ledger,
}

impl Calls {
    async fn list(&self, request: pb::ListCallsRequest) -> Result<pb::ListCallsResponse, RpcError> {
        let status = request.status;
        if !status.is_empty() && !STATUSES.contains(&status.as_str()) {
            return Err(RpcError::field("status", format!("{status:?} is none of {}", STATUSES.join(", "))));
        }
        let lid = pb::LidFilter::try_from(request.lid)
            .map_err(|_| RpcError::field("lid", format!("{} is no filter", request.lid)))?;
        let scope = format!("calls/{}/{status}/{}", request.batch_id, lid.as_str_name());
        let page = Page::read(scope, request.page_size, CALLS, &request.page_token)?;
        let filter = CallFilter {
            batch: BatchId(request.batch_id),
            status: (!status.is_empty()).then_some(status),
            identified: match lid {
                pb::LidFilter::Unspecified => None,
                pb::LidFilter::Done => Some(true),
                pb::LidFilter::Pending => Some(false),
            },
        };
        let calls = self.ledger.calls(&filter, page.after_number(0)?, page.size).await?;
        let next_page_token = page.next(calls.len(), calls.last().map(|call| call.call));
        let calls = calls.into_iter().map(|record| convert::call(request.batch_id, record)).collect();
        Ok(pb::ListCallsResponse { calls, next_page_token })
    }
}

#[tonic::async_trait]
impl CallService for Calls {
    async fn list_calls(
        &self,
        request: Request<pb::ListCallsRequest>,
    ) -> Result<Response<pb::ListCallsResponse>, Status> {
        Ok(Response::new(self.list(request.into_inner()).await?))
    }
}
