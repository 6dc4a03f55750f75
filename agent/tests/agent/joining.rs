//! How a machine becomes an agent, by the program itself.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Output,
    sync::Arc,
};

use cofi_identity::{
    files::{AgentFiles, AgentIdentity},
    token::{AccessToken, JoinToken, Role},
};
use cofi_proto::pb::v1::EnrolRequest;
use tempfile::TempDir;
use tokio::{io::AsyncReadExt as _, net::TcpListener, process::Command};

use crate::support::{Control, Site, within};

/// A machine that joins.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Puts a token where only its owner reads it.
    fn keep(&self, token: &str) -> PathBuf {
        let path = self.folder.path().join("token");
        fs::write(&path, token).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn command(&self, controller: &impl ToString, token_file: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cofi-agent"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).arg("join");
        command.args(["--name", "gpu-01", "--controller"]).arg(controller.to_string());
        command.arg("--token-file").arg(token_file).arg("--data-dir").arg(self.data());
        command
    }

    async fn join(&self, controller: &impl ToString, token: &JoinToken, more: &[&str]) -> Output {
        let file = self.keep(&token.to_text());
        let output = within("joining", self.command(controller, &file).args(more).output()).await.unwrap();
        // The secret is its last part.
        let secret = token.to_text().rsplit_once('.').unwrap().1.to_owned();
        for shown in [said(&output), words(&output)] {
            assert!(!shown.contains(&secret), "{shown}");
        }
        output
    }

    fn identity(&self) -> Option<AgentIdentity> {
        AgentFiles::open(&self.data().join("identity")).unwrap()?.load().unwrap()
    }
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Checks that the program failed and said so.
fn refused(output: &Output, expected: &[&str]) {
    assert_eq!(output.status.code(), Some(1), "{}{}", said(output), words(output));
    for word in expected {
        assert!(words(output).contains(word), "{word}: {}", words(output));
    }
}

async fn meet() -> (Arc<Site>, Control, JoinToken, Machine) {
    let site = Site::new();
    let (control, token) = Control::start(&site, "gpu-01").await;
    (site, control, token, Machine::new())
}

#[tokio::test]
async fn a_machine_joins_and_says_until_when_its_certificate_is_good() {
    let (site, control, token, machine) = meet().await;
    let output = machine.join(&control.address, &token, &[]).await;
    assert!(output.status.success(), "{}", words(&output));
    let identity = machine.identity().unwrap();
    assert_eq!((identity.peer.agent.as_str(), identity.trust), ("gpu-01", site.trust()));
    let line = said(&output);
    assert!(line.contains("agent gpu-01") && line.contains('T') && line.lines().count() == 1, "{line}");
    assert_eq!(fs::metadata(machine.data()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn the_token_can_come_over_standard_input() {
    let (_site, control, token, machine) = meet().await;
    let mut command = machine.command(&control.address, Path::new("-"));
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
    let mut joining = command.spawn().unwrap();
    let mut input = joining.stdin.take().unwrap().into_owned_fd().map(fs::File::from).unwrap();
    writeln!(input, "{}", *token.to_text()).unwrap();
    drop(input);
    assert!(within("joining", joining.wait()).await.unwrap().success());
    assert!(machine.identity().is_some());
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_key() {
    let (_site, control, token, machine) = meet().await;
    *control.book.losses.lock().unwrap() = 2;
    for _ in 0..2 {
        refused(&machine.join(&control.address, &token, &[]).await, &["nothing is lost"]);
        assert!(machine.identity().is_none());
    }
    assert!(machine.join(&control.address, &token, &[]).await.status.success());
    let keys = |request: &EnrolRequest| {
        let parsed = cofi_identity::CertificateRequest::parse(&request.certificate_request).unwrap();
        parsed.public_key().hash()
    };
    let mut asked: Vec<_> = control.book.received.lock().unwrap().iter().map(keys).collect();
    assert_eq!(asked.len(), 3);
    asked.dedup();
    assert_eq!(asked.len(), 1);
}

#[tokio::test]
async fn who_has_joined_joins_again_only_if_told_so() {
    let (_site, control, token, machine) = meet().await;
    assert!(machine.join(&control.address, &token, &[]).await.status.success());
    let first = machine.identity().unwrap().peer;
    let again = control.another();
    refused(
        &machine.join(&control.address, &again, &[]).await,
        &["joined already as agent gpu-01", "--again"],
    );
    assert_eq!(control.received(), 1, "nothing was asked");
    assert!(machine.join(&control.address, &again, &["--again"]).await.status.success());
    assert_ne!(machine.identity().unwrap().peer.serial, first.serial);

    let other = control.another();
    let file = machine.keep(&other.to_text());
    let mut command = machine.command(&control.address, &file);
    let output = command.env("COFI_NAME", "ignored").output().await.unwrap();
    refused(&output, &["joined already"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofi-agent"));
    command.args(["join", "--name", "gpu-02", "--controller", &control.address.to_string(), "--token-file"]);
    let output = command.arg(file).arg("--data-dir").arg(machine.data()).output().await.unwrap();
    refused(&output, &["of agent gpu-01, not gpu-02", "--name gpu-01"]);
}

#[tokio::test]
async fn what_joined_and_expired_joins_without_further_ado() {
    let (site, control, token, machine) = meet().await;
    site.set_lifetime(std::time::Duration::from_secs(1));
    site.certify(&machine.data(), &"gpu-01".parse().unwrap());
    site.set_lifetime(cofi_identity::AGENT_LIFETIME);
    tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
    let output = machine.join(&control.address, &token, &[]).await;
    assert!(output.status.success(), "{}", words(&output));
}

#[tokio::test]
async fn the_token_is_not_sent_to_another_controller() {
    let (_site, _control, token, machine) = meet().await;
    let (other, _) = Control::start(&Site::new(), "gpu-01").await;
    let output = machine.join(&other.address, &token, &[]).await;
    refused(&output, &["not sent", "not the controller that made the token", "cofi token create --join"]);
    assert_eq!(other.received(), 0);
    assert!(machine.identity().is_none());
}

#[tokio::test]
async fn the_token_is_not_sent_in_the_clear() {
    let (_site, _control, token, machine) = meet().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listening = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut received = vec![0; 16 * 1024];
        let count = stream.read(&mut received).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        received.truncate(count);
        while let Ok(1..) = stream.read_buf(&mut received).await {}
        received
    };
    let (output, received) = tokio::join!(machine.join(&address, &token, &[]), listening);
    refused(&output, &["speaks no TLS", "7400"]);
    let text = token.to_text();
    for part in text.split('.') {
        assert!(!received.windows(part.len()).any(|window| window == part.as_bytes()), "{part}");
    }
}

#[tokio::test]
async fn the_port_for_agents_is_told_from_the_one_for_joining() {
    let (site, _control, token, machine) = meet().await;
    let agents = crate::support::Controller::start_as(site).await;
    refused(&machine.join(&agents.address, &token, &[]).await, &["the port of the control listener", "7400"]);
}

#[tokio::test]
async fn a_controller_that_is_away_leaves_everything_for_another_time() {
    let (site, _control, token, machine) = meet().await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    refused(&machine.join(&nobody, &token, &[]).await, &["not sent", &nobody.to_string()]);
    let (control, token) = Control::start(&site, "gpu-01").await;
    assert!(machine.join(&control.address, &token, &[]).await.status.success());
}

#[tokio::test]
async fn what_the_controller_says_about_a_token_is_passed_on() {
    let (_site, control, token, machine) = meet().await;
    {
        let mut record = control.book.record.lock().unwrap();
        record.expires_at_micros = 1;
    }
    refused(&machine.join(&control.address, &token, &[]).await, &["the controller refuses", "expired"]);
    {
        let mut record = control.book.record.lock().unwrap();
        record.expires_at_micros = i64::MAX;
        record.agent = "gpu-07".parse().unwrap();
    }
    refused(&machine.join(&control.address, &token, &[]).await, &["the controller refuses", "gpu-07"]);
    control.book.record.lock().unwrap().agent = "gpu-01".parse().unwrap();
    assert!(machine.join(&control.address, &token, &[]).await.status.success());
    let other = Machine::new();
    refused(&other.join(&control.address, &token, &[]).await, &["the controller refuses", "used"]);
}

#[tokio::test]
async fn a_token_that_others_can_read_or_that_is_none_is_refused() {
    let (_site, control, token, machine) = meet().await;
    let file = machine.keep(&token.to_text());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let output = machine.command(&control.address, &file).output().await.unwrap();
    refused(&output, &["0644", "chmod 600"]);
    let access = AccessToken::generate(Role::Operator).unwrap();
    let file = machine.keep(&access.to_text());
    let output = machine.command(&control.address, &file).output().await.unwrap();
    refused(&output, &["join token", "cofi token create --join"]);
    let file = machine.keep("rubbish-that-stays-secret");
    let output = machine.command(&control.address, &file).output().await.unwrap();
    refused(&output, &["not a token of cofi"]);
    assert!(!words(&output).contains("rubbish"));
    let output = machine.command(&"http://127.0.0.1:7400", &file).output().await.unwrap();
    assert_ne!(output.status.code(), Some(0));
    assert!(words(&output).contains("https://HOST:PORT"), "{}", words(&output));
    assert_eq!(control.received(), 0);
}
