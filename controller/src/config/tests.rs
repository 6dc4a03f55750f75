use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _, path::Path};

use clap::Parser as _;

use super::{Arguments, Config, ConfigError};

fn read(folder: &Path, text: &str) -> Result<Config, ConfigError> {
    let file = folder.join("cofi.toml");
    fs::write(&file, text).unwrap();
    let mut arguments = Arguments::try_parse_from(["cofi-controller"]).unwrap();
    arguments.config = Some(file);
    arguments.effective()?.try_into()
}

#[test]
fn what_is_printed_reads_back_as_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "secret\n").unwrap();
    let text = format!(
        "state_dir = \"\u{200b}a\\u0001\"\ndatabase_url = \"mysql://cofi@db/calls\"\n\
         database_password_file = {password:?}\nserver_names = \"cofi.example.org, 10.0.0.1\"\n\
         max_connections = 100\nrelease_after_seconds = 60\n[language_aliases]\nKlingonese = \"tlh\"\n"
    );
    for text in ["", &text] {
        let config = read(folder.path(), text).unwrap();
        let printed = config.to_toml().unwrap();
        assert!(!printed.contains("secret"), "{printed}");
        assert_eq!(read(folder.path(), &printed).unwrap(), config, "{printed}");
    }
}

#[test]
fn a_filter_that_cannot_be_understood_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let error = read(folder.path(), "log = \"cofi=loud=\"").unwrap_err().to_string();
    assert!(error.contains("log = \"cofi=loud=\"") && error.contains("cofi_controller=debug"), "{error}");
}

#[test]
fn roots_that_no_source_can_lie_below_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join(OsStr::from_bytes(b"\xff"));
    fs::create_dir(&odd).unwrap();
    std::os::unix::fs::symlink(&odd, folder.path().join("link")).unwrap();
    let root = folder.path().join("link");
    let error = read(folder.path(), &format!("allowed_roots = [{root:?}]")).unwrap_err().to_string();
    assert!(error.contains("allowed_roots") && error.contains("UTF-8"), "{error}");
}
