//! What the controller keeps.

use std::path::Path;

use super::{FileError, SecretFolder, TRUST};
use crate::{
    Authority, AuthorityUnusable, BundleUnusable, Credential, IssueError, Renewal, SERVER_LIFETIME,
    ServerNames, TrustBundle,
    token::{AccessToken, TokenError},
};

pub(super) const AUTHORITY: &str = "authority.pem";
const SERVER: &str = "server.pem";
const OPERATOR: &str = "operator.token";

/// Why the controller's identity could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ControllerFilesError {
    /// A file could not be used.
    #[error("use the files of the controller's identity")]
    File(#[from] FileError),
    /// The authority cannot be used as it was kept.
    #[error("use {AUTHORITY}")]
    Authority(#[from] AuthorityUnusable),
    /// The authority is gone, and agents know it.
    #[error(
        "{AUTHORITY} is missing where {TRUST} is: restore it from a backup, or remove {TRUST} and have all agents join again"
    )]
    AuthorityLost,
    /// The trusted authorities cannot be used as they were kept.
    #[error("use {TRUST}")]
    Trust(#[from] BundleUnusable),
    /// A certificate could not be made.
    #[error("make the controller's certificate")]
    Issue(#[from] IssueError),
    /// The operator's token is not what was written.
    #[error("use {OPERATOR}")]
    Token(#[from] TokenError),
    /// A change of authority was to go on, but none is under way.
    #[error("change the authority: there is no successor, announce one first")]
    NoSuccessor,
}

/// Who the controller is.
#[derive(Debug)]
pub struct ControllerIdentity {
    /// Issues certificates.
    pub authority: Authority,
    /// The authorities whose certificates are accepted.
    pub trust: TrustBundle,
    /// What the controller shows on both listeners.
    pub server: Credential,
}

/// The files of a controller's identity.
#[derive(Debug)]
pub struct ControllerFiles(pub(super) SecretFolder);

impl ControllerFiles {
    /// Opens the folder at `path`, or makes it.
    pub fn open_or_create(path: &Path) -> Result<Self, FileError> {
        SecretFolder::open_or_create(path).map(Self)
    }

    /// Opens the folder at `path`, which is there: for the command line, which
    /// finds the token and the authorities of a controller on its machine.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        SecretFolder::open(path).map(Self)
    }

    /// Reads who the controller is. What is missing is made: all of it at the
    /// first start, the server's certificate also where it is for other
    /// `names`, from another authority, or due for renewal at `now_micros`
    /// (microseconds since 1970-01-01 UTC).
    pub fn load_or_create(
        &self,
        names: &ServerNames,
        now_micros: i64,
    ) -> Result<ControllerIdentity, ControllerFilesError> {
        let authority = self.authority(now_micros)?;
        let trust = self.trust_in(&authority)?;
        let server = match self.server()? {
            Some(server) if is_fresh(&server, &authority, names, now_micros) => server,
            Some(_) | None => self.renew_server(&authority, names, now_micros)?,
        };
        Ok(ControllerIdentity { authority, trust, server })
    }

    /// Makes a new server certificate and keeps it, for when the one in use is
    /// [due](crate::Validity::renewal).
    pub fn renew_server(
        &self,
        authority: &Authority,
        names: &ServerNames,
        now_micros: i64,
    ) -> Result<Credential, ControllerFilesError> {
        let server = authority.issue_server(names, now_micros, SERVER_LIFETIME)?;
        self.0.write(SERVER, server.to_pem().as_bytes())?;
        Ok(server)
    }

    /// The authorities whose certificates are accepted; None before the first
    /// start.
    pub fn trust(&self) -> Result<Option<TrustBundle>, ControllerFilesError> {
        Ok(self.0.read_public(TRUST)?.map(|text| TrustBundle::from_pem(&text)).transpose()?)
    }

    /// The operator's token that was made at the first start, if it is still
    /// there.
    pub fn operator_token(&self) -> Result<Option<AccessToken>, ControllerFilesError> {
        let Some(text) = self.0.read(OPERATOR)? else { return Ok(None) };
        Ok(Some(AccessToken::try_from(text.trim_ascii_end())?))
    }

    /// Keeps the operator's token.
    pub fn write_operator_token(&self, token: &AccessToken) -> Result<(), ControllerFilesError> {
        Ok(self.0.write(OPERATOR, token.to_text().as_bytes())?)
    }

    fn authority(&self, now_micros: i64) -> Result<Authority, ControllerFilesError> {
        if let Some(text) = self.0.read(AUTHORITY)? {
            return Ok(Authority::from_pem(&text)?);
        }
        // A new authority would silently shut out every agent.
        if self.0.has(TRUST)? {
            return Err(ControllerFilesError::AuthorityLost);
        }
        let authority = Authority::create(now_micros)?;
        self.0.write(AUTHORITY, authority.to_pem().as_bytes())?;
        Ok(authority)
    }

    /// The trusted authorities, with `authority` among them: the first start
    /// can end between writing the one and the other.
    fn trust_in(&self, authority: &Authority) -> Result<TrustBundle, ControllerFilesError> {
        let certificate = authority.certificate().clone();
        let kept = self.trust()?;
        let trust = match &kept {
            Some(kept) => kept.with(certificate)?,
            None => TrustBundle::new([certificate])?,
        };
        if kept.as_ref() != Some(&trust) {
            self.0.write(TRUST, trust.to_pem().as_bytes())?;
        }
        Ok(trust)
    }

    /// The server's certificate, unless it cannot be used: another one costs
    /// nothing.
    fn server(&self) -> Result<Option<Credential>, FileError> {
        Ok(self.0.read(SERVER)?.and_then(|text| Credential::from_pem(&text).ok()))
    }
}

fn is_fresh(server: &Credential, authority: &Authority, names: &ServerNames, now_micros: i64) -> bool {
    let [certificate, root] = server.chain() else { return false };
    root == authority.certificate()
        && names.are_those_of(certificate)
        && server.validity().holds_at(now_micros)
        && matches!(server.validity().renewal(server.serial(), now_micros), Renewal::At(_))
}
