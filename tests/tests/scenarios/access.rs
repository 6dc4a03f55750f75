//! Who may come in with what, and how soon nobody may any more.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use cofi_identity::token::{AccessToken, Role};
use cofi_proto::pb::v1 as pb;
use cofi_tests::{
    audit::audit,
    client::Client,
    cluster::{Cluster, SOON},
    wait::until,
    worker::Behaviour,
};
use tokio::time::Instant;
use tonic::Code;

const RECORDINGS: usize = 200;

/// How soon a revocation is to cut what is open.
const CUT_WITHIN: Duration = Duration::from_secs(5);

/// What looking, and changing, is answered.
async fn answers(client: &Client) -> (Option<Code>, Option<Code>) {
    let looks = client.batch_service().list_batches(pb::ListBatchesRequest::default()).await;
    let changes = client.batch_service().cancel_batch(pb::CancelBatchRequest { batch_id: 7 }).await;
    (looks.err().map(|status| status.code()), changes.err().map(|status| status.code()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lets_its_bearer_do_what_its_role_may_and_no_more() -> Result<()> {
    let mut cluster = Cluster::new()?;
    cluster.controller.start().await?;
    let operator = cluster.client()?;
    let stranger = operator.as_bearer(&AccessToken::generate(Role::Operator)?)?;
    let refused = Some(Code::Unauthenticated);
    ensure!(answers(&operator.as_nobody()).await == (refused, refused));
    ensure!(answers(&stranger).await == (refused, refused));
    ensure!(answers(&operator.as_viewer().await?).await == (None, Some(Code::PermissionDenied)));
    ensure!(answers(&operator).await == (None, Some(Code::NotFound)));
    // A viewer's token does not become an operator's by saying so.
    let viewer = operator.new_token(Role::Viewer).await?;
    let promoted = viewer.to_text().replace("viewer", "operator").parse()?;
    ensure!(answers(&operator.as_bearer(&promoted)?).await == (refused, refused));
    ensure!(operator.as_nobody().serves().await, "health is for everyone");
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_ends_what_it_opened() -> Result<()> {
    let (mut cluster, corpus) = Cluster::with_corpus(1, RECORDINGS, 1).await?;
    cluster.agents[0].desk.tell(&Behaviour::Hang)?;
    let batch_id = cluster.submit(&corpus).await?;
    let operator = cluster.client()?;
    let token = operator.new_token(Role::Viewer).await?;
    let viewer = operator.as_bearer(&token)?;
    let watch = viewer.batch_service().watch_batch(pb::WatchBatchRequest { batch_id }).await?;
    let mut snapshots = watch.into_inner();
    snapshots.message().await?.context("no snapshot")?;

    let ran = cluster.cofi(&["token", "revoke", &token.id().to_string()]).await?;
    ensure!(ran.code == Some(0), "{ran:?}");
    let cut = tokio::time::timeout(CUT_WITHIN, async {
        loop {
            if let Err(status) = snapshots.message().await {
                return status;
            }
        }
    });
    let status = cut.await.context("the watch goes on")?;
    ensure!(status.code() == Code::Unauthenticated, "{status:?}");
    ensure!(answers(&viewer).await.0 == Some(Code::Unauthenticated));

    // The command line says so in its own words.
    let file = cluster.path("viewer.token");
    write_secret(&file, &token.to_text())?;
    let file = file.to_str().context("a path that is not UTF-8")?;
    let ran = cluster.cofi(&["batch", "list", "--token-file", file]).await?;
    ensure!(ran.code == Some(77) && ran.stderr.contains("does not accept the token in"), "{ran:?}");
    // The engine hangs to this day.
    cluster.agents.remove(0).kill().await?;
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_agent_is_out_until_it_joins_anew() -> Result<()> {
    let (mut cluster, corpus) = Cluster::with_corpus(2, RECORDINGS, 2).await?;
    for agent in &cluster.agents {
        agent.desk.tell(&Behaviour::Delay { millis: 20 })?;
    }
    let batch = cluster.submit(&corpus).await?;
    let tables = cluster.tables().await?;
    until("some to be identified", SOON, async || Ok((tables.identified(batch).await? > 5).then_some(())))
        .await?;
    let revoked = cluster.cofi(&["--json", "agent", "revoke", "host-0", "--reason", "a test"]).await?;
    ensure!(revoked.json()?["revoked_certificates"] == 1, "{revoked:?}");
    let begun = Instant::now();
    cluster.agent_is("host-0", pb::AgentState::Away).await?;
    ensure!(begun.elapsed() < CUT_WITHIN, "it was cut after {:?}", begun.elapsed());
    until("the agent to be told what to do", SOON, async || {
        Ok(cluster.agents[0].log_text()?.contains("cofi token create --join").then_some(()))
    })
    .await?;

    // Without a restart of the agent, and with all that it has.
    cluster.agents[0].join_again(&cluster.controller).await?;
    cluster.at_rest(batch).await?;
    cluster.agent_is("host-0", pb::AgentState::Ready).await?;
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!(tally.identified == u64::try_from(RECORDINGS)?, "{tally:?}");
    let entries = cluster.cofi(&["--json", "audit", "list", "--target", "agent:host-0"]).await?.json()?;
    let entries = entries["entries"].as_array().context("no entries")?.clone();
    let actions: Vec<_> = entries.iter().filter_map(|entry| entry["action"].as_str()).collect();
    for action in ["RevokeAgent", "Enrol"] {
        let told = actions.iter().any(|told| told.ends_with(action));
        ensure!(told, "{action} is not among {actions:?}");
    }
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_where_they_belong_and_nowhere_else() -> Result<()> {
    let (mut cluster, corpus) = Cluster::with_corpus(1, 10, 3).await?;
    let made = cluster.client()?.new_token(Role::Operator).await?;
    let batch = cluster.submit(&corpus).await?;
    cluster.at_rest(batch).await?;
    audit(&cluster, &corpus, batch).await?;
    cluster.stop().await?;
    let kept = cluster.controller.state_dir().join("identity/operator.token");
    let joined = cluster.agents[0].join_token();
    let secret = |text: String| text.trim_end().rsplit('.').next().unwrap_or_default().to_owned();
    let secrets = [
        (secret(fs::read_to_string(&kept)?), Some(kept)),
        (secret(fs::read_to_string(&joined)?), Some(joined)),
        (secret(made.to_text().to_string()), None),
    ];
    let mut looked_at = 0;
    for file in files(&cluster.path("."))? {
        let content = fs::read(&file)?;
        looked_at += 1;
        for (secret, place) in &secrets {
            ensure!(secret.len() == 43, "no secret");
            let found = content.windows(secret.len()).any(|window| window == secret.as_bytes());
            let belongs = place.as_ref().is_some_and(|place| place.file_name() == file.file_name());
            ensure!(found == belongs, "a secret is in {}: {found}", file.display());
        }
    }
    ensure!(looked_at > 20, "{looked_at} files");
    Ok(())
}

/// All files below a folder.
fn files(folder: &std::path::Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()? {
            kind if kind.is_dir() => all.extend(files(&entry.path())?),
            kind if kind.is_file() => all.push(entry.path()),
            _ => {}
        }
    }
    Ok(all)
}

fn write_secret(path: &std::path::Path, text: &str) -> Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}
