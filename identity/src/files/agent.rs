//! What an agent keeps.
//!
//! ```text
//!  pending_key ── request ──▶ controller ── certificate ──▶ install
//!       │                                                      │
//!  pending.pem, before anything is asked             identity.pem; pending.pem goes
//! ```
//!
//! Since the key is on the disk before a certificate is asked for it, an
//! answer that is lost can be asked for again, with the same token.

use std::{io, path::Path};

use cofi_proto::AgentName;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::CertificateDer;

use super::{FileError, FolderLock, SecretFolder, TRUST};
use crate::{
    BundleUnusable, Credential, CredentialUnusable, KeyError, KeyHash, NotAnAgent, PeerIdentity, PemError,
    PrivateKey, TrustBundle, pem_file,
    tls::{self, TlsError},
};

const IDENTITY: &str = "identity.pem";
const PENDING: &str = "pending.pem";

/// Why an agent's identity could not be had.
#[derive(Debug, thiserror::Error)]
pub enum AgentFilesError {
    /// A file could not be used.
    #[error("use the files of the agent's identity")]
    File(#[from] FileError),
    /// Key and certificate cannot be used as they were kept.
    #[error("use {IDENTITY}")]
    Identity(#[from] CredentialUnusable),
    /// The certificate is none of an agent.
    #[error("use {IDENTITY}")]
    NotAnAgent(#[from] NotAnAgent),
    /// The trusted authorities cannot be used as they were kept.
    #[error("use {TRUST}")]
    Trust(#[from] BundleUnusable),
    /// The trusted authorities are gone.
    #[error("{TRUST} is missing where {IDENTITY} is: join again")]
    TrustLost,
    /// The key that a certificate was being asked for cannot be used as it was
    /// kept.
    #[error("use {PENDING}, which can be removed: a new one is made")]
    Pending(#[from] PemError),
    /// No key could be made.
    #[error("make a key")]
    Key(#[from] KeyError),
    /// The controller's answer cannot be used.
    #[error("use the certificate that the controller sent")]
    Answer(#[from] AnswerRefused),
}

/// Why the controller's answer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AnswerRefused {
    /// The certificate does not fit the key.
    #[error("accept a certificate")]
    Credential(#[source] CredentialUnusable),
    /// The certificate is none of an agent.
    #[error("accept a certificate")]
    NotAnAgent(#[source] NotAnAgent),
    /// The certificate is for an agent of another name.
    #[error("certificate for agent {found}, expected {expected}")]
    OtherAgent {
        /// Whom it is for.
        found: AgentName,
        /// Whom it should be for.
        expected: AgentName,
    },
    /// The trusted authorities do not include the one that the token names.
    #[error("trusted authorities without the one that the token names")]
    OtherAuthority,
    /// None of the trusted authorities vouches for the certificate now.
    #[error("verify a certificate")]
    Unverified(#[source] TlsError),
}

/// What the controller answers to a request for a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The certificate, in DER.
    pub certificate: CertificateDer<'static>,
    /// The authorities to trust from now on.
    pub trust: TrustBundle,
}

/// Who an agent is.
#[derive(Debug)]
pub struct AgentIdentity {
    /// Its name, and the serial number of its certificate.
    pub peer: PeerIdentity,
    /// Its key and certificate.
    pub credential: Credential,
    /// The authorities whose servers are controllers.
    pub trust: TrustBundle,
}

/// The files of an agent's identity.
#[derive(Debug)]
pub struct AgentFiles(SecretFolder);

impl AgentFiles {
    /// Opens the folder at `path`, or makes it.
    pub fn open_or_create(path: &Path) -> Result<Self, FileError> {
        SecretFolder::open_or_create(path).map(Self)
    }

    /// Opens the folder at `path`; None if there is none.
    pub fn open(path: &Path) -> Result<Option<Self>, FileError> {
        match SecretFolder::open(path) {
            Ok(folder) => Ok(Some(Self(folder))),
            Err(FileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps others from asking for a certificate until what is returned is
    /// dropped: from before the [pending key](Self::pending_key) is taken until
    /// the answer is [installed](Self::install). None if somebody is at it: the
    /// agent, which renews, or a person, who has it join again.
    pub fn lock(&self) -> Result<Option<FolderLock>, FileError> {
        self.0.try_lock()
    }

    /// Reads who the agent is; None before it joined. An identity that has
    /// expired is read like any other.
    pub fn load(&self) -> Result<Option<AgentIdentity>, AgentFilesError> {
        let Some(text) = self.0.read(IDENTITY)? else { return Ok(None) };
        let credential = Credential::from_pem(&text)?;
        let peer = PeerIdentity::from_certificates(credential.chain())?;
        let trust = self.0.read_public(TRUST)?.ok_or(AgentFilesError::TrustLost)?;
        Ok(Some(AgentIdentity { peer, credential, trust: TrustBundle::from_pem(&trust)? }))
    }

    /// The key to ask a certificate for: the same one until
    /// [`install`](Self::install) succeeded, then a new one.
    pub fn pending_key(&self) -> Result<PrivateKey, AgentFilesError> {
        let in_use = self.0.read(IDENTITY)?.and_then(|text| Credential::from_pem(&text).ok());
        if let Some(text) = self.0.read(PENDING)? {
            let (pending, _) = pem_file::read_key_and_certificates(&text, 0)?;
            // A crash after the installation leaves a key that is in use.
            if in_use.is_none_or(|in_use| in_use.key().public_key() != pending.public_key()) {
                return Ok(pending);
            }
        }
        let key = PrivateKey::generate()?;
        self.0.write(PENDING, pem_file::write_key_and_certificates(&key, &[]).as_bytes())?;
        Ok(key)
    }

    /// Keeps what the controller answered, once it is known to be right: a
    /// certificate for the pending key, for `agent`, valid at `now_micros`
    /// (microseconds since 1970-01-01 UTC) under the trusted authorities, and,
    /// where the agent `joins`, with the authority among them that the token
    /// names.
    pub fn install(
        &self,
        answer: Answer,
        agent: &AgentName,
        joins: Option<KeyHash>,
        now_micros: i64,
    ) -> Result<AgentIdentity, AgentFilesError> {
        let Answer { certificate, trust } = answer;
        if joins.is_some_and(|authority| !trust.trusts(authority)) {
            return Err(AnswerRefused::OtherAuthority.into());
        }
        let peer = PeerIdentity::from_certificate(&certificate).map_err(AnswerRefused::NotAnAgent)?;
        if peer.agent != *agent {
            return Err(AnswerRefused::OtherAgent { found: peer.agent, expected: agent.clone() }.into());
        }
        verify(&certificate, &trust, now_micros).map_err(AnswerRefused::Unverified)?;
        let credential =
            Credential::new(self.pending_key()?, vec![certificate]).map_err(AnswerRefused::Credential)?;

        // First the trust, which may hold more than is needed yet; with the
        // old certificate and the new trust the agent gets in all the same.
        self.0.write(TRUST, trust.to_pem().as_bytes())?;
        self.0.write(IDENTITY, credential.to_pem().as_bytes())?;
        self.0.remove(PENDING)?;
        Ok(AgentIdentity { peer, credential, trust })
    }

    /// Keeps `trust`, which the controller announced, beside the certificate as
    /// it is.
    pub fn replace_trust(&self, trust: &TrustBundle) -> Result<(), AgentFilesError> {
        Ok(self.0.write(TRUST, trust.to_pem().as_bytes())?)
    }
}

/// Checks the certificate as the controller will.
fn verify(certificate: &CertificateDer<'_>, trust: &TrustBundle, now_micros: i64) -> Result<(), TlsError> {
    let now = tls::unix_time(now_micros).ok_or(rustls::Error::FailedToGetCurrentTime)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(trust.for_tls()?, tls::provider()).build()?;
    verifier.verify_client_cert(certificate, &[], now)?;
    Ok(())
}
