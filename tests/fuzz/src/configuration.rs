//! Configuration files. What `--check-config` prints is a file that reads back
//! as the same configuration.

use std::fs;

use clap::Parser as _;
use cofi_agent::config as agent_config;
use cofi_controller::config::{Arguments, Config};
use cofi_language::Canonical;
use tempfile::NamedTempFile;

use crate::{Kind, dispatch};

/// What an input may be.
pub const KINDS: &[Kind] = &[("controller", controller), ("agent", agent)];

/// What parts an agent's file from lines of `VARIABLE=VALUE`.
pub const ENVIRONMENT: &str = "\n#environment\n";

/// The target.
pub fn check(input: &[u8]) {
    dispatch(KINDS, input);
}

fn controller(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(config) = read_controller(text) else { return };
    let printed = config.to_toml().expect("what was read can be printed");
    check_secret(&config);
    check_aliases(&config);
    let again = read_controller(&printed).unwrap_or_else(|| panic!("printed, and not read: {printed}"));
    assert_eq!(again, config, "{printed}");
}

fn read_controller(text: &str) -> Option<Config> {
    let file = written(text);
    let mut arguments = Arguments::try_parse_from(["cofi-controller"]).expect("no arguments");
    arguments.config = Some(file.path().to_owned());
    let keys = arguments.effective().inspect_err(check_refusal).ok()?;
    Config::try_from(keys).inspect_err(check_refusal).ok()
}

/// A word that was given a code has just that one, and the code is its own.
fn check_aliases(config: &Config) {
    for said in config.language_aliases.keys() {
        let code = config.languages.canonical(said);
        assert!(matches!(code, Canonical::Known(_)), "{said:?}");
        assert_eq!(config.languages.canonical(code.as_str()), code, "{said:?}");
    }
}

/// What is printed and logged has no password in it.
fn check_secret(config: &Config) {
    if let Ok(url) = url::Url::parse(&config.database.url) {
        assert_eq!(url.password(), None, "{}", config.database.url);
    }
}

fn agent(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (file, variables) = text.split_once(ENVIRONMENT).unwrap_or((text, ""));
    let variables = variables.lines().filter_map(|line| line.split_once('='));
    let environment = variables.map(|(variable, value)| (variable.to_owned(), value.to_owned())).collect();
    let Some(config) = read_agent(file, environment) else { return };
    let printed = toml::to_string(&config.to_keys()).expect("what was read can be printed");
    let again = read_agent(&printed, Vec::new());
    assert_eq!(again.as_ref(), Some(&config), "{printed}");

    let controller = &config.controller;
    assert_eq!(controller.url().parse().as_ref(), Ok(controller));
    assert_eq!(controller.to_string().parse().as_ref(), Ok(controller));
    assert!(controller.port() > 0);
}

fn read_agent(text: &str, environment: Vec<(String, String)>) -> Option<agent_config::Config> {
    let file = written(text);
    let keys = agent_config::load(Some(file.path()), environment, &agent_config::Keys::default());
    let keys = keys.inspect_err(check_refusal).ok()?;
    agent_config::Config::try_from(keys).inspect_err(check_refusal).ok()
}

/// Whoever wrote the file reads this: it may be long, and says something.
fn check_refusal(error: &impl std::error::Error) {
    assert!(!error.to_string().is_empty());
}

fn written(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a file");
    fs::write(file.path(), text).expect("a file");
    file
}
