//! Who may come in, and how that is shown: keys, certificates, tokens, and the
//! TLS that uses them.
//!
//! ```text
//!                     Authority ── signs ──┬─ server certificate (names of the controller)
//!                         │                └─ agent certificate  (cofi://agent/NAME)
//!              hash of its public key
//!                         │
//!  JoinToken  cofi1.AUTHORITY.ID.SECRET ── a machine's first certificate
//!  AccessToken  cofi1-ROLE.ID.SECRET   ── calls of operators and viewers
//! ```
//!
//! The crate decides and checks; it runs no task, keeps no record and has no
//! timer. What depends on the time takes it, or the
//! [`Clock`](cofi_proto::clock::Clock) it comes from, as an argument. All TLS
//! is version 1.3 with the cryptography of `ring`.
//!
//! How a machine gets its first certificate, without the wire between the two
//! sides:
//!
//! ```
//! # use std::{error::Error, path::Path};
//! # use cofi_identity::{files::*, tls, token::*, *};
//! # fn joins(state: &Path, data: &Path, clock: std::sync::Arc<dyn cofi_proto::clock::Clock>) -> Result<(), Box<dyn Error>> {
//! # let now = clock.now_micros();
//! // The controller starts, and its administrator makes a token.
//! let names = ServerNames::new(["cofi.example.org"])?;
//! let controller = ControllerFiles::open_or_create(state)?.load_or_create(&names, now)?;
//! let token = JoinToken::generate(controller.authority.key_hash())?;
//! let mut record = JoinRecord {
//!     agent: "gpu-01".parse()?,
//!     hash: token.hash(),
//!     expires_at_micros: now + 3_600_000_000,
//!     revoked: false,
//!     used_by: None,
//! };
//!
//! // The machine dials with this, and sends the token and a request.
//! let _dials = tls::joining_client(token.authority(), clock)?;
//! let files = AgentFiles::open_or_create(data)?;
//! let request = CertificateRequest::write(&files.pending_key()?)?;
//!
//! // The controller judges both and answers with a certificate.
//! let agent = "gpu-01".parse()?;
//! let key = CertificateRequest::parse(&request)?.public_key().clone();
//! assert_eq!(record.admit(&token, &agent, key.hash(), now)?, Admission::First);
//! record.used_by = Some(key.hash());
//! let issued = controller.authority.issue_agent(&agent, &key, now, AGENT_LIFETIME)?;
//!
//! // The machine checks the answer, keeps it, and is an agent.
//! let answer = Answer { certificate: issued.der, trust: controller.trust };
//! let identity = files.install(answer, &agent, Some(token.authority()), now)?;
//! assert_eq!(identity.peer.agent, agent);
//! # Ok(())
//! # }
//! # let folder = tempfile::tempdir().unwrap();
//! # let clock = std::sync::Arc::new(cofi_proto::clock::FixedClock(1_800_000_000_000_000));
//! # joins(&folder.path().join("state"), &folder.path().join("data"), clock).unwrap();
//! ```

mod authority;
mod bundle;
mod certificate;
mod credential;
pub mod files;
mod key;
mod names;
mod peer;
mod pem_file;
mod renewal;
mod request;
mod revocation;
mod serial;
pub mod tls;
pub mod token;

pub use authority::{
    AGENT_LIFETIME, AUTHORITY_LIFETIME, AgentCertificate, Authority, AuthorityUnusable, BACKDATE, IssueError,
    SERVER_LIFETIME,
};
pub use bundle::{BundleUnusable, MAX_AUTHORITIES, TrustBundle};
pub use certificate::{Facts, Unreadable, Validity};
pub use credential::{Credential, CredentialUnusable};
pub use key::{KeyError, KeyHash, PrivateKey, PublicKey};
pub use names::{ServerNames, WrongServerName};
pub use peer::{NotAnAgent, PeerIdentity};
pub use pem_file::PemError;
pub use renewal::Renewal;
pub use request::{CertificateRequest, MAX_REQUEST_BYTES, RequestRefused, RequestUnwritten};
pub use revocation::Revocations;
pub use serial::{NoRandomness, NotASerial, Serial};
