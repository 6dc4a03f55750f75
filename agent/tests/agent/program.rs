//! The program: its configuration, its exit status, its signals.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::support::{Controller, until};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofi-agent"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_wrong_configuration_exits_64_and_says_what_is_wrong() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("agent.toml");
    let wrong = |text: &str, flags: &[&str], variables: &[(&str, &str)], expected: &[&str]| {
        std::fs::write(&file, text).unwrap();
        let variables = variables.iter().copied();
        let output = program().arg("--config").arg(&file).args(flags).envs(variables).output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{}", words(&output));
        for word in expected {
            assert!(words(&output).contains(word), "{word}: {}", words(&output));
        }
    };
    let plain = ["--controller", "http://10.1.2.3:7401"];
    wrong("", &plain, &[], &["controller", "10.1.2.3", "https://HOST:PORT", "unencrypted"]);
    wrong("weigth = 1", &[], &[], &["weigth", "weight"]);
    wrong("", &[], &[("COFI_WEIGHT", "0")], &["weight", "\"0\"", "1 to 10,000"]);
    wrong("", &[], &[("COFI_WORKERS", "many")], &["workers", "many", "u32"]);
    wrong("engine = \"command\"", &[], &[], &["engine_command"]);
    let output = program().args(["--config", "/nonexistent.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(words(&output).contains("/nonexistent.toml"));
}

#[test]
fn check_config_prints_what_can_be_used_as_a_file() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("agent.toml");
    let check = |flags: &[&str]| {
        let output = program().arg("--check-config").args(flags).output().unwrap();
        assert!(output.status.success(), "{}", words(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let printed = check(&["--name", "gpu-1", "--engine-command", "python3 'my worker.py'", "--weight", "50"]);
    assert!(printed.contains("name = \"gpu-1\"") && printed.contains("\"my worker.py\""), "{printed}");
    std::fs::write(&file, &printed).unwrap();
    assert_eq!(check(&["--config", file.to_str().unwrap()]), printed);
    assert!(!Path::new("cofi-agent-data").exists());
}

#[tokio::test]
async fn the_first_signal_drains_and_the_program_ends_well() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut controller = Controller::start().await;
    controller.site.certify(&folder.path().join("data"), &"signalled".parse().unwrap());
    let mut running = program()
        .arg("--controller")
        .arg(format!("https://{}", controller.address))
        .arg("--data-dir")
        .arg(folder.path().join("data"))
        .args(["--engine-command", "cat"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let session = controller.session().await;
    assert_eq!(session.hello.name, "signalled");
    let pid = running.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    session.ended().await;
    let mut status = None;
    until("the program to end", async || {
        status = running.try_wait().unwrap();
        status.is_some()
    })
    .await;
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
}
