//! `cofi token`.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use cofi_identity::token::{Role, TokenId};

use super::{connect, list};
use crate::{
    args::{TokenCommand, TokenCreateArgs},
    client::{Client, ClientError, Target, TokenQuery},
    error::Error,
    exit::Exit,
    output::Console,
    view::{CreatedToken, NewToken},
};

pub(super) async fn run(command: TokenCommand, target: Target, console: Console) -> Result<Exit, Error> {
    match command {
        TokenCommand::Create(args) => create(args, target, console).await,
        TokenCommand::List(args) => {
            let client = connect(target).await?;
            list(&client, TokenQuery { all: args.all }, args.list.limit(), console).await
        }
        TokenCommand::Revoke(args) => {
            let id: TokenId = args.id.parse().map_err(|_| Error::NotATokenId)?;
            let token = connect(target).await?.revoke_token(id).await?;
            console.document(&token)?;
            console.say(&format!("token {id} is revoked"))?;
            Ok(Exit::Done)
        }
    }
}

async fn create(args: TokenCreateArgs, target: Target, console: Console) -> Result<Exit, Error> {
    let client = connect(target).await?;
    // First the file: a token whose secret has no place would be made in vain.
    let file = args.out.clone().map(SecretFile::create).transpose()?;
    let NewToken { secret, token } = ask(&client, args).await?;
    let token_id = token.token_id.clone();
    let lost = |source| Error::SecretLost { token_id: token_id.clone(), source };
    let (secret, secret_file) = match file {
        Some(file) => (None, Some(file.fill(secret.reveal()).map_err(lost)?)),
        None => (Some(secret), None),
    };
    console.created_token(&CreatedToken { token, secret, secret_file }).map_err(lost)?;
    Ok(Exit::Done)
}

async fn ask(client: &Client, args: TokenCreateArgs) -> Result<NewToken, ClientError> {
    match (args.join, args.role) {
        (Some(agent), _) => client.create_join_token(agent, args.ttl).await,
        // One of the two is required; nothing is given away if that changes.
        (None, role) => {
            let role = role.unwrap_or(Role::Viewer);
            client.create_access_token(role, args.ttl, args.note.unwrap_or_default()).await
        }
    }
}

/// A file that was made for a secret, and goes again unless it gets one.
#[derive(Debug)]
struct SecretFile {
    path: PathBuf,
    file: File,
    filled: bool,
}

impl SecretFile {
    fn create(path: PathBuf) -> Result<Self, Error> {
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        match made {
            Ok(file) => Ok(Self { path, file, filled: false }),
            Err(source) => Err(Error::SecretFile { path, source }),
        }
    }

    /// Writes the secret down; gives the file's path.
    fn fill(mut self, secret: &str) -> io::Result<PathBuf> {
        self.file.write_all(secret.as_bytes())?;
        self.file.write_all(b"\n")?;
        self.file.sync_all()?;
        self.filled = true;
        Ok(self.path.clone())
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        if !self.filled {
            remove(&self.path);
        }
    }
}

/// An empty file that stays is not worth a word beside the error that is told.
fn remove(path: &Path) {
    fs::remove_file(path).ok();
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_secret_gets_a_file_of_its_own_that_only_its_owner_reads() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("token");
        let filled = SecretFile::create(path.clone()).unwrap().fill("sesame").unwrap();
        assert_eq!((filled.as_path(), path.metadata().unwrap().mode() & 0o777), (path.as_path(), 0o600));
        assert_eq!(fs::read_to_string(&path).unwrap(), "sesame\n");
        let again = SecretFile::create(path.clone());
        assert!(matches!(again, Err(Error::SecretFile { .. })), "{again:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "sesame\n");
    }

    #[test]
    fn a_file_that_got_no_secret_goes_again() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("token");
        drop(SecretFile::create(path.clone()).unwrap());
        assert!(!path.exists());
    }
}
