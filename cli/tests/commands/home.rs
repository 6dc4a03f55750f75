//! A state directory as a controller leaves it, for one that is played.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use cofi_identity::{
    Authority, Credential, ServerNames,
    files::ControllerFiles,
    tls::{CurrentCredential, control_listener},
    token::{AccessToken, Role},
};
use cofi_proto::clock::{Clock as _, SystemClock};
use tempfile::TempDir;
use tokio_rustls::rustls::ServerConfig;

/// A state directory, and room for other files.
pub(crate) struct Home {
    folder: TempDir,
    pub(crate) authority: Authority,
    pub(crate) server: Credential,
    /// The operator's, as the directory has it.
    pub(crate) token: AccessToken,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("make a folder");
        let files =
            ControllerFiles::open_or_create(&folder.path().join("state/identity")).expect("make a folder");
        let names = ServerNames::new([]).expect("loopback");
        let identity = files.load_or_create(&names, SystemClock.now_micros()).expect("make an identity");
        let token = AccessToken::generate(Role::Operator).expect("make a token");
        files.write_operator_token(&token).expect("keep a token");
        Self { folder, authority: identity.authority, server: identity.server, token }
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.path("state")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the trusted authorities stand.
    pub(crate) fn trust(&self) -> PathBuf {
        self.path("state/identity/ca.pem")
    }

    /// Writes a file for its owner alone: its path.
    pub(crate) fn secret(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).expect("write a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("keep a file from others");
        text_of(&path)
    }

    /// TLS of a control listener that shows the server's certificate.
    pub(crate) fn tls(&self) -> Arc<ServerConfig> {
        tls(&self.server)
    }
}

/// TLS of a control listener that shows this certificate.
pub(crate) fn tls(credential: &Credential) -> Arc<ServerConfig> {
    let shown = Arc::new(CurrentCredential::new(credential).expect("show a certificate"));
    control_listener(shown, Arc::new(SystemClock)).expect("set up TLS")
}

pub(crate) fn text_of(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}
