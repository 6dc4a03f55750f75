//! What an agent asks of the controller's `IdentityService`.

use std::time::Duration;

use cofi_identity::{BundleUnusable, TrustBundle, files::Answer};
use cofi_proto::{
    limits::MAX_CONTROL_MESSAGE_BYTES,
    pb::agent::{
        GetTrustRequest, RenewRequest, RenewResponse, identity_service_client::IdentityServiceClient,
    },
};
use tokio::time::timeout;
use tonic::{Response, Status, transport::Channel};

use crate::link::{
    Refused,
    dial::{self, DialError, Dialled, Route},
};

/// How long the controller may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the controller could not be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// There is no connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// One of the two sides does not accept the other.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It says no.
    #[error("ask the controller")]
    Status(#[from] Box<Status>),
    /// It says nothing.
    #[error("ask the controller: no answer within {ANSWER_TIMEOUT:?}")]
    Silent,
    /// Its answer cannot be read.
    #[error("understand the controller")]
    Trust(#[from] BundleUnusable),
}

/// Asks for a certificate.
pub(super) async fn renew(route: Route, certificate_request: Vec<u8>) -> Result<Answer, AskError> {
    let dialled = dial::control(route).await?;
    let request = RenewRequest { certificate_request: certificate_request.into() };
    let RenewResponse { certificate, trusted_authorities } =
        answered(&dialled, client(&dialled).renew(request)).await?;
    let trust = TrustBundle::from_pem(trusted_authorities.as_bytes())?;
    Ok(Answer { certificate: certificate.to_vec().into(), trust })
}

/// Asks whom to trust.
pub(super) async fn trust(route: Route) -> Result<TrustBundle, AskError> {
    let dialled = dial::control(route).await?;
    let answer = answered(&dialled, client(&dialled).get_trust(GetTrustRequest {})).await?;
    Ok(TrustBundle::from_pem(answer.trusted_authorities.as_bytes())?)
}

fn client(dialled: &Dialled) -> IdentityServiceClient<Channel> {
    IdentityServiceClient::new(dialled.channel.clone())
        .max_decoding_message_size(MAX_CONTROL_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_CONTROL_MESSAGE_BYTES)
}

async fn answered<T>(
    dialled: &Dialled,
    asking: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, AskError> {
    let answer = timeout(ANSWER_TIMEOUT, asking).await.map_err(|_| AskError::Silent)?;
    answer.map(Response::into_inner).map_err(|status| match dialled.refused() {
        Some(refused) => refused.into(),
        None => Box::new(status).into(),
    })
}
