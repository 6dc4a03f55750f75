//! What must stand nowhere but in its own file: keys, tokens, passwords.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use cofi_proto::pb::v1::{self as pb, enrolment_service_client::EnrolmentServiceClient};
use cofi_tests::{
    cluster::{Cluster, Engine},
    corpus::Corpus,
    database::{Database, Kind, Right},
};
use rstest::rstest;

/// Everything, down to the frames of HTTP/2 and the messages of TLS.
const EVERYTHING: &str = "trace";

/// Something that must not be seen, and its name.
type Secret = (&'static str, String);

/// The part of a token that is secret.
fn secret_of(token: &str) -> String {
    token.trim().rsplit('.').next().unwrap_or_default().to_owned()
}

/// A piece of the private key in a PEM file.
fn key_in(file: &Path) -> Result<String> {
    let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let key = text.lines().skip_while(|line| !line.contains("PRIVATE KEY")).nth(2);
    Ok(key.context("no private key")?.to_owned())
}

/// All files below a folder that are not there to hold a secret.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        let for_secrets = path.file_name() == Some(OsStr::new("identity"))
            || path.extension().is_some_and(|kind| kind == "token" || kind == "password");
        if path.is_dir() && !for_secrets {
            found.extend(files(&path)?);
        } else if path.is_file() && !for_secrets {
            found.push(path);
        }
    }
    Ok(found)
}

fn must_not_hold(what: &str, bytes: &[u8], secrets: &[Secret]) -> Result<()> {
    for (name, secret) in secrets {
        ensure!(secret.len() >= 8, "{name} is no secret: {secret:?}");
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        ensure!(!found, "{name} stands in {what}");
    }
    Ok(())
}

/// The command lines of everything that runs.
fn command_lines() -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for process in fs::read_dir("/proc")? {
        // Processes come and go.
        lines.extend(fs::read(process?.path().join("cmdline")).unwrap_or_default());
    }
    Ok(lines)
}

/// All that a database holds.
fn dump(database: &Database) -> Result<Vec<u8>> {
    match database {
        Database::File(path) => {
            let mut bytes = fs::read(path)?;
            bytes.extend(fs::read(path.with_extension("sqlite-wal")).unwrap_or_default());
            Ok(bytes)
        }
        Database::Server(server) => {
            let address = server.address();
            let output = Command::new("mariadb-dump")
                .args(["--host", &address.ip().to_string(), "--port", &address.port().to_string()])
                .args(["--user", &server.user(Right::Migrator), "--hex-blob", "--skip-lock-tables"])
                .args(["--skip-ssl", server.name()])
                .env("MYSQL_PWD", server.password(Right::Migrator))
                .output()
                .context("run mariadb-dump")?;
            ensure!(output.status.success(), "{output:?}");
            Ok(output.stdout)
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn secrets_stand_in_no_log_no_error_no_command_line_and_no_table(
    #[values(Kind::Sqlite, Kind::MariaDb)] kind: Kind,
) -> Result<()> {
    let mut cluster = Cluster::on(kind).await?;
    cluster.controller.log_at(EVERYTHING);
    let corpus = Corpus::make(&cluster.path("calls"), 12, 1)?;
    cluster.controller.start().await?;
    cluster.add_agent("host-0", Engine::Answers(corpus.answers.clone())).await?;
    cluster.agents_are_ready().await?;
    for agent in &mut cluster.agents {
        agent.log_at(EVERYTHING);
        agent.stop().await?;
        agent.start(&cluster.controller).await?;
    }
    let client = cluster.client()?;
    let viewer = client.new_token(cofi_identity::token::Role::Viewer).await?;
    let join = client.new_join_token("host-9").await?;
    let mut secrets: Vec<Secret> = vec![
        ("a viewer's token", secret_of(&viewer.to_text())),
        ("a join token", secret_of(&join)),
        ("the operator's token", {
            let file = cluster.controller.state_dir().join("identity/operator.token");
            secret_of(&fs::read_to_string(file)?)
        }),
        ("the authority's key", key_in(&cluster.controller.state_dir().join("identity/authority.pem"))?),
        ("the controller's key", key_in(&cluster.controller.state_dir().join("identity/server.pem"))?),
    ];
    for agent in &cluster.agents {
        secrets.push(("an agent's key", key_in(&agent.identity().join("identity.pem"))?));
        let token = agent.identity().parent().and_then(Path::parent).map(|folder| folder.join("join.token"));
        secrets.push(("an agent's join token", secret_of(&fs::read_to_string(token.context("no folder")?)?)));
    }
    if let Database::Server(server) = cluster.controller.database() {
        secrets.push(("the database's password", server.password(Right::Service).to_owned()));
    }

    // Work, and everything that can be refused.
    let batch = cluster.submit(&corpus).await?;
    let mut errors = command_lines()?;
    cluster.at_rest(batch).await?;
    let viewing = client.as_bearer(&viewer)?;
    let request = pb::CancelBatchRequest { batch_id: batch };
    errors.extend(format!("{:?}", viewing.batch_service().cancel_batch(request).await).bytes());
    let request = pb::EnrolRequest {
        token: join.clone(),
        agent: "host-8".to_owned(),
        certificate_request: vec![1, 2, 3],
    };
    let mut enrolment = EnrolmentServiceClient::new(client.as_nobody().calls());
    errors.extend(format!("{:?}", enrolment.enrol(request).await).bytes());
    let revoked = pb::RevokeTokenRequest { token_id: viewer.id().to_string() };
    client.access_service().revoke_token(revoked).await?;
    errors.extend(
        format!("{:?}", viewing.fleet_service().list_agents(pb::ListAgentsRequest::default()).await).bytes(),
    );
    let file = cluster.path("viewer.token");
    fs::write(&file, viewer.to_text().as_bytes())?;
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    for arguments in [
        &["token", "list", "--all"][..],
        &["audit", "list"],
        &["--token-file", "viewer.token", "agent", "list"],
        &["--json", "token", "list"],
        &["batch", "show", "1"],
    ] {
        let path = file.display().to_string();
        let arguments: Vec<&str> =
            arguments.iter().map(|&word| if word == "viewer.token" { path.as_str() } else { word }).collect();
        let ran = cluster.cofi(&arguments).await?;
        errors.extend(ran.stdout.bytes().chain(ran.stderr.bytes()));
    }
    errors.extend(command_lines()?);
    must_not_hold("an answer, an error or a command line", &errors, &secrets)?;

    let dumped = dump(cluster.controller.database())?;
    cluster.stop().await?;
    must_not_hold("the database", &dumped, &secrets)?;
    let (mut looked_at, mut logs) = (0, 0);
    for file in files(&cluster.path(""))? {
        must_not_hold(&file.display().to_string(), &fs::read(&file)?, &secrets)?;
        looked_at += 1;
        logs += usize::from(fs::read_to_string(&file).is_ok_and(|text| text.contains("\"level\":\"TRACE\"")));
    }
    ensure!(looked_at > 10 && logs >= 2, "{looked_at} files, {logs} of them detailed logs");
    Ok(())
}

/// The kernel gives the files in /proc of a process that may be dumped to its
/// user, and of one that may not to root.
#[tokio::test(flavor = "multi_thread")]
async fn daemons_leave_no_core_and_let_nobody_look_into_them() -> Result<()> {
    const SOMEBODY: u32 = 65_534;
    ensure!(rustix::process::geteuid().is_root(), "only root can start programs as somebody else");
    let mut cluster = Cluster::new()?;
    let somebody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    cluster.controller.wrap(&somebody);
    let home = cluster.path("");
    hand_over(&home, SOMEBODY)?;
    let corpus = Corpus::make(&cluster.path("calls"), 5, 1)?;
    cluster.controller.start().await?;
    cluster.add_agent("host-0", Engine::Answers(corpus.answers.clone())).await?;
    cluster.agents_are_ready().await?;
    let Some(agent) = cluster.agents.first_mut() else { anyhow::bail!("no agent") };
    agent.stop().await?;
    hand_over(&home, SOMEBODY)?;
    agent.wrap(&somebody);
    agent.start(&cluster.controller).await?;
    cluster.agents_are_ready().await?;
    for id in [cluster.controller.id(), cluster.agents.first().and_then(cofi_tests::cluster::Agent::id)] {
        let process = PathBuf::from(format!("/proc/{}", id.context("it does not run")?));
        let status = fs::read_to_string(process.join("status"))?;
        ensure!(status.contains("Uid:\t65534"), "it does not run as somebody: {status}");
        let owner = process.join("environ").metadata()?.uid();
        ensure!(owner == 0, "{} belongs to {owner}", process.display());
        let limits = fs::read_to_string(process.join("limits"))?;
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).context("no limit")?;
        ensure!(core.split_whitespace().filter(|word| *word == "0").count() == 2, "{core}");
    }
    cluster.stop().await
}

/// Gives a folder and what lies in it to a user.
fn hand_over(folder: &Path, user: u32) -> Result<()> {
    std::os::unix::fs::chown(folder, Some(user), Some(user))?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            hand_over(&path, user)?;
        } else {
            std::os::unix::fs::lchown(&path, Some(user), Some(user))?;
        }
    }
    Ok(())
}
