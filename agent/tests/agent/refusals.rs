//! What the program says when there is no identity, or when it and the
//! controller do not accept each other.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use cofi_identity::files::{AgentFiles, Answer};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};

use crate::support::{Controller, Site, now, until};

/// The program, and what it says.
struct Program {
    folder: TempDir,
    running: Option<Child>,
}

impl Program {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), running: None }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn start(&mut self, controller: &impl ToString, more: &[&str]) {
        let said = File::create(self.folder.path().join("said")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_cofi-agent"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.arg("--controller").arg(controller.to_string()).arg("--data-dir").arg(self.data());
        command.args(["--engine-command", "cat"]).args(more).stderr(said);
        self.running = Some(command.stdin(Stdio::null()).spawn().unwrap());
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("said")).unwrap()
    }

    async fn says(&self, expected: &[&str]) {
        until(&format!("{expected:?}"), async || {
            let said = self.said();
            expected.iter().all(|words| said.contains(words))
        })
        .await;
    }

    /// Waits until the program ends by itself.
    async fn ends(&mut self) -> Option<i32> {
        let mut running = self.running.take().unwrap();
        let mut ended = None;
        until("the program to end", async || {
            ended = running.try_wait().unwrap();
            ended.is_some()
        })
        .await;
        ended.unwrap().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(running) = &mut self.running {
            running.kill().unwrap();
            running.wait().unwrap();
        }
    }
}

#[tokio::test]
async fn who_has_not_joined_is_told_how_to() {
    let mut program = Program::new();
    program.start(&"https://cofi.example.org:7401", &["--name", "gpu-01"]);
    assert_eq!(program.ends().await, Some(78));
    let said = program.said();
    assert!(said.contains("cofi token create --join gpu-01"), "{said}");
    assert!(said.contains("cofi-agent join --controller cofi.example.org:7400 --token-file FILE"), "{said}");
    assert!(!program.data().exists(), "nothing is made by asking");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_used() {
    let mut program = Program::new();
    Site::new().certify(&program.data(), &"gpu-01".parse().unwrap());
    program.start(&"127.0.0.1:1", &["--name", "gpu-02"]);
    assert_eq!(program.ends().await, Some(78));
    let said = program.said();
    assert!(said.contains("gpu-02") && said.contains("for agent gpu-01"), "{said}");
}

#[tokio::test]
async fn an_identity_that_others_can_read_is_not_used() {
    let mut program = Program::new();
    Site::new().certify(&program.data(), &"gpu-01".parse().unwrap());
    let key = program.data().join("identity/identity.pem");
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    program.start(&"127.0.0.1:1", &[]);
    assert_eq!(program.ends().await, Some(78));
    assert!(program.said().contains("0644"), "{}", program.said());
}

#[tokio::test]
async fn a_revoked_agent_says_so_once_and_how_to_come_back() {
    let mut controller = Controller::start().await;
    let mut program = Program::new();
    let peer = controller.site.certify(&program.data(), &"gpu-01".parse().unwrap());
    controller.site.revocations.revoke([peer.serial]);
    program.start(&controller.address, &[]);
    let todo = ["was revoked", "cofi token create --join gpu-01", "cofi-agent join --again"];
    program.says(&todo).await;
    // It goes on trying, and gets in when the refusal is taken back.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(program.said().matches("was revoked").count(), 1, "{}", program.said());
    controller.site.revocations.replace([]);
    assert_eq!(controller.session().await.peer, peer);
    assert!(!program.said().contains("ERROR"), "{}", program.said());
}

#[tokio::test]
async fn an_expired_agent_says_so_and_lives_on() {
    let controller = Controller::start().await;
    let mut program = Program::new();
    controller.site.set_lifetime(Duration::from_secs(1));
    controller.site.certify(&program.data(), &"gpu-01".parse().unwrap());
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    program.start(&controller.address, &[]);
    program
        .says(&["ERROR", "certificate has expired", "cofi token create --join gpu-01", "as expired"])
        .await;
    assert!(program.running.as_mut().unwrap().try_wait().unwrap().is_none());
}

#[tokio::test]
async fn a_controller_of_another_authority_is_told_apart() {
    let controller = Controller::start().await;
    let mut program = Program::new();
    Site::new().certify(&program.data(), &"gpu-01".parse().unwrap());
    program.start(&controller.address, &[]);
    program.says(&["none of the controllers that this agent trusts", "mend `controller`"]).await;
}

#[tokio::test]
async fn a_controller_that_does_not_know_the_agents_authority_is_told_apart() {
    let controller = Controller::start().await;
    let other = Site::new();
    let mut program = Program::new();
    let files = AgentFiles::open_or_create(&program.data().join("identity")).unwrap();
    let agent = "gpu-01".parse().unwrap();
    let Answer { certificate, trust } = other.issue(&agent, files.pending_key().unwrap().public_key());
    let trust = trust.with(controller.site.authority.certificate().clone()).unwrap();
    files.install(Answer { certificate, trust }, &agent, None, now()).unwrap();
    program.start(&controller.address, &[]);
    program.says(&["from another authority than its own", "cofi token create --join gpu-01"]).await;
}

#[tokio::test]
async fn a_name_that_the_controllers_certificate_lacks_is_told() {
    let controller = Controller::start_at("127.0.0.2:0".parse().unwrap(), Site::new()).await;
    let mut program = Program::new();
    controller.site.certify(&program.data(), &"gpu-01".parse().unwrap());
    program.start(&controller.address, &[]);
    program.says(&["is for other names", "add 127.0.0.2 to server_names"]).await;
}

#[tokio::test]
async fn a_server_without_tls_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut ignored = [0; 1024];
            let read = stream.read(&mut ignored).await;
            if read.is_ok() {
                drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
            }
        }
    });
    let mut program = Program::new();
    Site::new().certify(&program.data(), &"gpu-01".parse().unwrap());
    program.start(&address, &[]);
    program.says(&["speaks no TLS", "7401"]).await;
}
