//! Requests of operators, and of machines that join.

use cofi_controller::plan::PlanRequest;
use cofi_identity::{CertificateRequest, token::JoinToken};
use cofi_proto::{
    AgentName,
    pb::{agent, v1 as pb},
};

use crate::{check_words, messages::decoded};

/// Every request: the first byte chooses which.
pub fn check(content: &[u8]) {
    const REQUESTS: &[fn(&[u8])] = &[
        enrol,
        create_batch,
        renew,
        |bytes| read::<pb::GetBatchRequest>(bytes),
        |bytes| read::<pb::ListBatchesRequest>(bytes),
        |bytes| read::<pb::WatchBatchRequest>(bytes),
        |bytes| read::<pb::ListRecordingsRequest>(bytes),
        |bytes| read::<pb::RetryRecordingsRequest>(bytes),
        |bytes| read::<pb::CancelBatchRequest>(bytes),
        |bytes| read::<pb::ReleaseRecordingsRequest>(bytes),
        |bytes| read::<pb::ApplyLidResultsRequest>(bytes),
        |bytes| read::<pb::ListCallsRequest>(bytes),
        |bytes| read::<pb::CheckRequest>(bytes),
        |bytes| read::<pb::DrainAgentRequest>(bytes),
        |bytes| read::<pb::RemoveAgentRequest>(bytes),
        |bytes| read::<pb::CreateJoinTokenRequest>(bytes),
        |bytes| read::<pb::CreateAccessTokenRequest>(bytes),
        |bytes| read::<pb::ListTokensRequest>(bytes),
        |bytes| read::<pb::ListAuditRequest>(bytes),
        |bytes| read::<pb::ExplainRecordingRequest>(bytes),
    ];
    let Some((which, bytes)) = content.split_first() else { return };
    REQUESTS[usize::from(*which) % REQUESTS.len()](bytes);
}

fn read<M: prost::Message + Default>(bytes: &[u8]) {
    decoded::<M>(bytes);
}

/// What anybody may send: each part is refused in few words.
fn enrol(bytes: &[u8]) {
    let Some(request) = decoded::<pb::EnrolRequest>(bytes) else { return };
    AgentName::try_from(request.agent).inspect_err(|error| check_words(error)).ok();
    request.token.parse::<JoinToken>().inspect_err(|error| check_words(error)).ok();
    CertificateRequest::parse(&request.certificate_request).inspect_err(|error| check_words(error)).ok();
}

fn create_batch(bytes: &[u8]) {
    let Some(request) = decoded::<pb::CreateBatchRequest>(bytes) else { return };
    let source = request.source.clone();
    assert_eq!(PlanRequest::from(request).source, source);
}

fn renew(bytes: &[u8]) {
    let Some(request) = decoded::<agent::RenewRequest>(bytes) else { return };
    CertificateRequest::parse(&request.certificate_request).inspect_err(|error| check_words(error)).ok();
}
