//! Where this program finds whom to trust, and the token that lets it in.
//!
//! | | given | else |
//! |---|---|---|
//! | authorities | `--ca`, `COFI_CA` | `STATE_DIR/identity/ca.pem` |
//! | token | `--token-file`, `COFI_TOKEN_FILE` | `STATE_DIR/identity/operator.token` |
//!
//! A token is only ever named by its file: what stands on a command line or in
//! the environment, others can see.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use cofi_identity::{
    BundleUnusable, TrustBundle,
    files::{ControllerFiles, ControllerFilesError, FileError, read_secret},
    token::{AccessToken, TokenError},
};

use crate::exit::Exit;

/// The folder in a controller's state directory that has both.
const IDENTITY: &str = "identity";

/// Most bytes of a file with authorities: a certificate has less than a
/// thousand.
const MAX_TRUST_BYTES: u64 = 64 * 1024;

/// Where to look.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) trust: Option<PathBuf>,
    pub(crate) token: Option<PathBuf>,
    /// Of a controller on this machine.
    pub(crate) state_dir: PathBuf,
}

/// Whom to trust, and the token that lets in.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) trust: TrustBundle,
    /// Where the authorities were found.
    pub(crate) trust_path: PathBuf,
    pub(crate) token: AccessToken,
    /// Where the token was found.
    pub(crate) token_path: PathBuf,
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialsError {
    #[error("no {missing} found: {} not given, and there is no {}", missing.options(), path.display())]
    Missing { missing: Missing, path: PathBuf },
    #[error("use what the controller keeps in {}", path.display())]
    Folder { path: PathBuf, source: FileError },
    #[error("use what the controller keeps in {}", path.display())]
    Kept { path: PathBuf, source: ControllerFilesError },
    #[error("read the trusted authorities from {}", path.display())]
    TrustFile { path: PathBuf, source: io::Error },
    #[error("use the trusted authorities in {}", path.display())]
    Trust { path: PathBuf, source: BundleUnusable },
    #[error("read the token")]
    TokenFile(#[source] FileError),
    #[error("use the token in {}", path.display())]
    Token { path: PathBuf, source: TokenError },
}

/// What was looked for in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Trust,
    Token,
    Both,
}

impl Missing {
    /// The options that would have named it.
    fn options(self) -> &'static str {
        match self {
            Self::Trust => "--ca is",
            Self::Token => "--token-file is",
            Self::Both => "--token-file and --ca are",
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trust => "trusted authorities",
            Self::Token => "token",
            Self::Both => "token and no trusted authorities",
        })
    }
}

impl CredentialsError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Missing { .. } => Exit::NotAllowed,
            Self::Folder { .. }
            | Self::Kept { .. }
            | Self::TrustFile { .. }
            | Self::Trust { .. }
            | Self::TokenFile(_)
            | Self::Token { .. } => Exit::Refused,
        }
    }

    pub(crate) fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Missing { missing: Missing::Trust, .. } => Some(
                "copy identity/ca.pem out of the controller's state directory, and name it with --ca or COFI_CA; \
                 on the controller's machine name that directory with --state-dir or COFI_STATE_DIR",
            ),
            Self::Missing { missing: Missing::Token, .. } => Some(
                "have an operator make one with `cofi token create --role operator` (or viewer), and name its file with \
                 --token-file or COFI_TOKEN_FILE; on the controller's machine name the controller's state directory \
                 with --state-dir or COFI_STATE_DIR",
            ),
            Self::Missing { missing: Missing::Both, .. } => Some(
                "on the controller's machine name the controller's state directory with --state-dir or COFI_STATE_DIR; \
                 elsewhere name a token that an operator made with `cofi token create --role operator` (or viewer) with \
                 --token-file or COFI_TOKEN_FILE, and a copy of the controller's identity/ca.pem with --ca or COFI_CA",
            ),
            Self::Folder { .. } | Self::Kept { .. } => Some(
                "run this as the user of the controller, or name files of your own with --token-file and --ca",
            ),
            Self::Trust { .. } => {
                Some("it should be a copy of identity/ca.pem in the controller's state directory")
            }
            Self::TokenFile(FileError::Open { .. }) => Some(
                "take the rights of others away with chmod 600; if they may have read it, revoke it as well",
            ),
            Self::Token { source: TokenError::Kind { .. }, .. } => Some(
                "a machine joins with that one (cofi-agent join); for calls make one with `cofi token create --role operator`",
            ),
            Self::TrustFile { .. } | Self::TokenFile(_) | Self::Token { .. } => None,
        }
    }
}

impl Places {
    /// Finds both. May wait where a file is a pipe.
    pub(crate) fn find(&self) -> Result<Credentials, CredentialsError> {
        let (trust, trust_path) = match &self.trust {
            Some(path) => (read_trust(path)?, path.clone()),
            None => self.kept_trust()?,
        };
        let (token, token_path) = match &self.token {
            Some(path) => (read_token(path)?, path.clone()),
            None => self.kept_token()?,
        };
        Ok(Credentials { trust, trust_path, token, token_path })
    }

    fn kept_trust(&self) -> Result<(TrustBundle, PathBuf), CredentialsError> {
        let (kept, folder) = self.kept()?;
        let path = folder.join("ca.pem");
        match kept.trust() {
            Ok(Some(trust)) => Ok((trust, path)),
            Ok(None) => Err(CredentialsError::Missing { missing: Missing::Trust, path }),
            Err(source) => Err(CredentialsError::Kept { path: folder, source }),
        }
    }

    fn kept_token(&self) -> Result<(AccessToken, PathBuf), CredentialsError> {
        let (kept, folder) = self.kept()?;
        let path = folder.join("operator.token");
        match kept.operator_token() {
            Ok(Some(token)) => Ok((token, path)),
            Ok(None) => Err(CredentialsError::Missing { missing: Missing::Token, path }),
            Err(source) => Err(CredentialsError::Kept { path: folder, source }),
        }
    }

    /// What a controller on this machine keeps.
    fn kept(&self) -> Result<(ControllerFiles, PathBuf), CredentialsError> {
        let path = self.state_dir.join(IDENTITY);
        match ControllerFiles::open(&path) {
            Ok(kept) => Ok((kept, path)),
            Err(FileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let missing = match (&self.trust, &self.token) {
                    (None, None) => Missing::Both,
                    (None, Some(_)) => Missing::Trust,
                    (Some(_), _) => Missing::Token,
                };
                Err(CredentialsError::Missing { missing, path })
            }
            Err(source) => Err(CredentialsError::Folder { path, source }),
        }
    }
}

fn read_trust(path: &Path) -> Result<TrustBundle, CredentialsError> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_TRUST_BYTES).read_to_end(&mut text))
        .map_err(|source| CredentialsError::TrustFile { path: path.to_owned(), source })?;
    TrustBundle::from_pem(&text).map_err(|source| CredentialsError::Trust { path: path.to_owned(), source })
}

fn read_token(path: &Path) -> Result<AccessToken, CredentialsError> {
    let file = if path == Path::new("-") { Path::new("/dev/stdin") } else { path };
    let text = read_secret(file).map_err(CredentialsError::TokenFile)?;
    AccessToken::try_from(text.as_slice())
        .map_err(|source| CredentialsError::Token { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use cofi_identity::{ServerNames, token::Role};
    use tempfile::TempDir;

    use super::*;

    const NOW: i64 = 1_800_000_000_000_000;

    /// A controller's state directory, and a token and authorities beside it.
    struct Home(TempDir);

    impl Home {
        fn new() -> Self {
            let home = Self(tempfile::tempdir().unwrap());
            let files = ControllerFiles::open_or_create(&home.path("state/identity")).unwrap();
            files.load_or_create(&ServerNames::new([]).unwrap(), NOW).unwrap();
            files.write_operator_token(&AccessToken::generate(Role::Operator).unwrap()).unwrap();
            fs::copy(home.path("state/identity/ca.pem"), home.path("authorities")).unwrap();
            home.write("token", AccessToken::generate(Role::Viewer).unwrap().to_text().as_bytes());
            home
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn write(&self, name: &str, bytes: &[u8]) {
            fs::write(self.path(name), bytes).unwrap();
            fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
        }

        fn find(
            &self,
            trust: Option<&str>,
            token: Option<&str>,
            state: &str,
        ) -> Result<Credentials, CredentialsError> {
            let given = |name: Option<&str>| name.map(|name| self.path(name));
            Places { trust: given(trust), token: given(token), state_dir: self.path(state) }.find()
        }
    }

    #[test]
    fn what_a_controller_here_keeps_is_found_unless_files_are_named() {
        let home = Home::new();
        let kept = home.find(None, None, "state").unwrap();
        assert_eq!(kept.token.role(), Role::Operator);
        assert_eq!(kept.token_path, home.path("state/identity/operator.token"));
        let named = home.find(Some("authorities"), Some("token"), "nowhere").unwrap();
        assert_eq!((named.token.role(), named.trust), (Role::Viewer, kept.trust));
        let mixed = home.find(None, Some("token"), "state").unwrap();
        assert_eq!((mixed.token_path, mixed.trust_path), (home.path("token"), kept.trust_path));
    }

    #[test]
    fn what_is_missing_is_said_with_where_it_was_looked_for() {
        let home = Home::new();
        for (trust, token, words) in [
            (None, None, "no token and no trusted authorities found: --token-file and --ca are not given"),
            (None, Some("token"), "no trusted authorities found: --ca is not given"),
            (Some("authorities"), None, "no token found: --token-file is not given"),
        ] {
            let error = home.find(trust, token, "nowhere").unwrap_err();
            let expected = format!("{words}, and there is no {}", home.path("nowhere/identity").display());
            assert_eq!(error.to_string(), expected);
            assert!(error.advice().is_some_and(|advice| advice.contains("COFI_STATE_DIR")));
        }
        fs::remove_file(home.path("state/identity/operator.token")).unwrap();
        let error = home.find(None, None, "state").unwrap_err();
        assert!(error.to_string().ends_with("identity/operator.token"), "{error}");
    }

    #[test]
    fn files_that_are_something_else_are_refused_without_a_word_of_them() {
        let home = Home::new();
        home.write("nonsense", b"sesame");
        for (trust, token) in [(Some("nonsense"), Some("token")), (Some("authorities"), Some("nonsense"))] {
            let error = home.find(trust, token, "state").unwrap_err();
            assert!(!format!("{error} {error:?}").contains("sesame"), "{error:?}");
            assert_eq!(error.exit(), Exit::Refused);
        }
        fs::set_permissions(home.path("token"), fs::Permissions::from_mode(0o640)).unwrap();
        let error = home.find(None, Some("token"), "state").unwrap_err();
        assert!(error.advice().is_some_and(|advice| advice.contains("chmod 600")), "{error:?}");
    }
}
