//! What a machine asks of the controller's `EnrolmentService`.

use std::time::Duration;

use cofi_identity::{TrustBundle, files::Answer};
use cofi_proto::{
    limits::MAX_CONTROL_MESSAGE_BYTES,
    pb::v1::{EnrolRequest, EnrolResponse, enrolment_service_client::EnrolmentServiceClient},
};
use tokio::time::timeout;

use super::{Join, JoinError};
use crate::link::dial::{self, Route};

/// How long the controller may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Asks for the first certificate.
pub(super) async fn enrol(
    route: Route,
    join: &Join,
    certificate_request: Vec<u8>,
) -> Result<Answer, JoinError> {
    let dialled = dial::control(route).await?;
    let mut client = EnrolmentServiceClient::new(dialled.channel.clone())
        .max_decoding_message_size(MAX_CONTROL_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_CONTROL_MESSAGE_BYTES);
    let request = EnrolRequest {
        token: join.token.to_text().to_string(),
        agent: join.agent.to_string(),
        certificate_request,
    };
    let answer = timeout(ANSWER_TIMEOUT, client.enrol(request)).await;
    let answer = answer.map_err(|_| JoinError::Silent(join.controller.to_string()))?;
    let EnrolResponse { certificate, trusted_authorities } = answer
        .map_err(|status| dialled.refused().map_or_else(|| status.into(), JoinError::from))?
        .into_inner();
    let trust = TrustBundle::from_pem(trusted_authorities.as_bytes())?;
    Ok(Answer { certificate: certificate.into(), trust })
}
