//! `cofi-controller authority`: a change of the certificate authority, step by
//! step. The files are changed; a controller that serves notices by itself.

use cofi_identity::files::{ControllerFiles, ControllerFilesError};
use cofi_proto::clock::{Clock as _, SystemClock};

use crate::{
    config::{AuthorityStep, Config},
    identity::FOLDER,
};

/// Takes a step, and tells on standard error what comes next. A step can be
/// taken again after a crash.
pub fn change_authority(config: &Config, step: AuthorityStep) -> Result<(), ControllerFilesError> {
    let files = ControllerFiles::open(&config.state_dir.join(FOLDER))?;
    match step {
        AuthorityStep::Announce => {
            let trust = files.announce_successor(SystemClock.now_micros())?;
            eprintln!(
                "announced: {} authorities are trusted. Agents hear of it at their next session, and within an hour; \
                 operators on other machines need the new identity/ca.pem. Then: cofi-controller authority install",
                trust.key_hashes().count()
            );
        }
        AuthorityStep::Install => {
            files.install_successor()?;
            eprintln!(
                "installed: new certificates come from the successor; join tokens that were not used yet are \
                 to be made again. When every agent has renewed its certificate: cofi-controller authority forget"
            );
        }
        AuthorityStep::Forget => {
            files.forget_predecessors()?;
            eprintln!("forgotten: certificates of earlier authorities let nobody in any more");
        }
    }
    Ok(())
}
