//! Agents that a test plays: with a certificate like any other, and nothing
//! behind it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use cofi_identity::{CertificateRequest, Credential, PrivateKey};
use cofi_proto::pb::v1::{self as pb, enrolment_service_client::EnrolmentServiceClient};
use tonic::transport::Channel;

use crate::{cluster::Controller, dial::Keys};

/// How long anything that it is told may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Joins as `name`, without keeping anything, and connects to where agents are
/// answered.
pub async fn join(controller: &Controller, name: &str) -> Result<Channel> {
    let client = controller.client()?;
    let key = PrivateKey::generate()?;
    let request = pb::EnrolRequest {
        token: client.new_join_token(name).await?,
        agent: name.to_owned(),
        certificate_request: CertificateRequest::write(&key)?,
    };
    let enrolled = EnrolmentServiceClient::new(client.as_nobody().calls()).enrol(request).await;
    let certificate = enrolled.context("join")?.into_inner().certificate;
    let credential = Credential::new(key, vec![certificate.into()])?;
    Keys::read(&controller.state_dir())?.agents(controller.agent_address(), &credential, PATIENCE)
}
