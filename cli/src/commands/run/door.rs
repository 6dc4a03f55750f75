//! The way to the controller of this process: the same as to any other, with
//! what that one keeps in the data folder.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    client::{Address, ClientError, Target},
    credentials::{Credentials, CredentialsError, Places},
};

/// How long a controller may take to make its identity, and how often it is
/// looked for.
const IDENTITY_LIMIT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The way to the controller of this process.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub(super) control: SocketAddr,
    pub(super) state_dir: PathBuf,
    /// For every call.
    pub(super) timeout: Option<Duration>,
}

impl Door {
    /// What the controller keeps, once it is there: at the first start the
    /// controller makes it.
    pub(super) async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let begun = Instant::now();
        let places = Places { trust: None, token: None, state_dir: self.state_dir.clone() };
        loop {
            match places.find() {
                Err(CredentialsError::Missing { .. }) if begun.elapsed() < IDENTITY_LIMIT => {
                    sleep(LOOK_EVERY).await;
                }
                found => return found,
            }
        }
    }

    pub(super) fn target(&self, credentials: Credentials) -> Result<Target, ClientError> {
        Target::new(Address::from(self.control), self.timeout, credentials)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use cofi_identity::{
        ServerNames,
        files::ControllerFiles,
        token::{AccessToken, Role},
    };

    use super::*;

    fn door(state_dir: PathBuf) -> Door {
        Door { control: (Ipv4Addr::LOCALHOST, 1).into(), state_dir, timeout: None }
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_controller_makes_is_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let door = door(home.path().to_owned());
        let make = async {
            sleep(Duration::from_secs(1)).await;
            let files = ControllerFiles::open_or_create(&home.path().join("identity")).unwrap();
            files.load_or_create(&ServerNames::new([]).unwrap(), 1_800_000_000_000_000).unwrap();
            sleep(Duration::from_secs(1)).await;
            files.write_operator_token(&AccessToken::generate(Role::Operator).unwrap()).unwrap();
        };
        let (found, ()) = tokio::join!(door.credentials(), make);
        assert_eq!(found.unwrap().token.role(), Role::Operator);
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_comes_is_not_waited_for_for_ever() {
        let home = tempfile::tempdir().unwrap();
        let begun = Instant::now();
        let found = door(home.path().to_owned()).credentials().await;
        assert!(matches!(found, Err(CredentialsError::Missing { .. })), "{found:?}");
        assert!(begun.elapsed() >= IDENTITY_LIMIT);
    }
}
