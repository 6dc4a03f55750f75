//! The change from one authority to another, without shutting anyone out.
//!
//! ```text
//!  announce_successor   both are trusted, the old one issues      agents learn of the new one as they renew
//!  install_successor    both are trusted, the new one issues      agents get its certificates as they renew
//!  forget_predecessors  only the new one is trusted
//! ```
//!
//! Between two steps lies the time in which every agent renews once. Each step
//! can be repeated after a crash.

use super::{ControllerFiles, ControllerFilesError, FileError, TRUST, controller::AUTHORITY};
use crate::{Authority, TrustBundle};

const NEXT: &str = "authority.next.pem";

impl ControllerFiles {
    /// Makes the authority that will follow, at `now_micros` (microseconds
    /// since 1970-01-01 UTC), and trusts it besides the present one.
    pub fn announce_successor(&self, now_micros: i64) -> Result<TrustBundle, ControllerFilesError> {
        let present = self.present()?;
        let next = if let Some(next) = self.successor(&present)? {
            next
        } else {
            let next = Authority::create(now_micros)?;
            self.0.write(NEXT, next.to_pem().as_bytes())?;
            next
        };
        let trust = self.trust()?.map_or_else(
            || TrustBundle::new([present.certificate().clone()]),
            |kept| kept.with(present.certificate().clone()),
        )?;
        self.keep(trust.with(next.certificate().clone())?)
    }

    /// Puts the announced authority in the place of the present one. What it
    /// issues is accepted everywhere once every agent has renewed since it was
    /// announced. Load the identity anew afterwards.
    pub fn install_successor(&self) -> Result<(), ControllerFilesError> {
        let next = self.successor(&self.present()?)?.ok_or(ControllerFilesError::NoSuccessor)?;
        self.0.write(AUTHORITY, next.to_pem().as_bytes())?;
        Ok(self.0.remove(NEXT)?)
    }

    /// Trusts the present authority and no other.
    pub fn forget_predecessors(&self) -> Result<TrustBundle, ControllerFilesError> {
        let present = self.present()?;
        self.keep(TrustBundle::new([present.certificate().clone()])?)
    }

    fn present(&self) -> Result<Authority, ControllerFilesError> {
        let text = self.0.read(AUTHORITY)?.ok_or(ControllerFilesError::AuthorityLost)?;
        Ok(Authority::from_pem(&text)?)
    }

    /// The announced authority. One that is the present one already was left
    /// behind by a crash.
    fn successor(&self, present: &Authority) -> Result<Option<Authority>, ControllerFilesError> {
        let Some(text) = self.0.read(NEXT)? else { return Ok(None) };
        let next = Authority::from_pem(&text)?;
        if next.key_hash() == present.key_hash() {
            self.0.remove(NEXT)?;
            return Ok(None);
        }
        Ok(Some(next))
    }

    fn keep(&self, trust: TrustBundle) -> Result<TrustBundle, ControllerFilesError> {
        self.0.write(TRUST, trust.to_pem().as_bytes()).map(|()| trust).map_err(FileError::into)
    }
}
