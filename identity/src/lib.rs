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
