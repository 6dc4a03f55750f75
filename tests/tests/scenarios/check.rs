//! `cofi check` on a running system: it finds what is planted in files and
//! rows, says what it could not look at, and finds nothing while a batch runs.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    os::unix::fs::FileExt as _,
    path::PathBuf,
};

use anyhow::{Context as _, Result, ensure};
use cofi_proto::{
    limits::PROTOCOL,
    pb::{agent as wire, agent::agent_service_client::AgentServiceClient, v1 as pb},
};
use cofi_tests::{
    audit::audit,
    cluster::Cluster,
    corpus::Corpus,
    database::{Kind, change},
    played,
    worker::Behaviour,
};
use rstest::rstest;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

const RECORDINGS: usize = 40;

/// What a check said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    findings: Vec<Value>,
    summary: Value,
}

impl Said {
    fn kinds(&self) -> BTreeMap<&str, usize> {
        let mut kinds = BTreeMap::new();
        for finding in &self.findings {
            *kinds.entry(finding["kind"].as_str().unwrap_or_default()).or_default() += 1;
        }
        kinds
    }

    fn agent(&self, name: &str) -> Result<&Value> {
        let agents = self.summary["agents"].as_array().context("no agents")?;
        agents.iter().find(|agent| agent["name"] == name).with_context(|| format!("no {name} in {self:?}"))
    }
}

async fn check(cluster: &Cluster, arguments: &[&str]) -> Result<Said> {
    let ran = cluster.cofi(&[&["--json", "check"], arguments].concat()).await?;
    let mut lines: Vec<Value> = ran
        .stdout
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .with_context(|| format!("{ran:?}"))?;
    let last = lines.pop().with_context(|| format!("{ran:?}"))?;
    let summary = last.get("summary").with_context(|| format!("{ran:?}"))?.clone();
    let findings = lines.into_iter().map(|mut line| line["finding"].take()).collect();
    Ok(Said { code: ran.code, findings, summary })
}

/// Expects that a check tells exactly this.
async fn tells(cluster: &Cluster, arguments: &[&str], kinds: &[(&str, usize)]) -> Result<Said> {
    let said = check(cluster, arguments).await?;
    ensure!(said.kinds() == kinds.iter().copied().collect(), "not {kinds:?}: {said:?}");
    ensure!(said.code == Some(i32::from(!kinds.is_empty())), "{said:?}");
    Ok(said)
}

fn stored(cluster: &Cluster, corpus: &Corpus, batch: i64, which: usize) -> Result<PathBuf> {
    let sample = *corpus.in_order().get(which).context("too few samples")?;
    Ok(cluster.agents[0].recordings(batch).join(&sample.name))
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_damage_in_files_is_found_by_its_name() -> Result<()> {
    let (mut cluster, corpus) = Cluster::with_corpus(1, RECORDINGS, 7).await?;
    let batch = cluster.submit(&corpus).await?;
    cluster.at_rest(batch).await?;
    audit(&cluster, &corpus, batch).await?;

    let file = |which| stored(&cluster, &corpus, batch, which);
    let (gone, shorter, flipped, folder) = (file(0)?, file(1)?, file(2)?, file(3)?);
    let kept = fs::read(&gone)?;
    fs::remove_file(&gone)?;
    let whole = fs::metadata(&shorter)?.len();
    OpenOptions::new().write(true).open(&shorter)?.set_len(whole - 1)?;
    let file = OpenOptions::new().read(true).write(true).open(&flipped)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, 100)?;
    file.write_all_at(&[byte[0] ^ 1], 100)?;
    file.sync_all()?;
    let held = fs::read(&folder)?;
    fs::remove_file(&folder)?;
    fs::create_dir(&folder)?;
    fs::write(cluster.agents[0].recordings(batch).join("stray.wav"), "stray")?;

    // Sizes tell nothing of a flipped bit; a folder is no file.
    let said = tells(&cluster, &[], &[("held_absent", 2), ("held_size", 1)]).await?;
    ensure!(said.findings.iter().all(|finding| finding["agent"] == "host-0"), "{said:?}");
    let looked = said.agent("host-0")?;
    ensure!(
        looked["recordings_looked_at"] == RECORDINGS && looked["recordings_not_its_own"] == 0,
        "{said:?}"
    );
    tells(&cluster, &["--digests"], &[("held_absent", 2), ("held_digest", 1), ("held_size", 1)]).await?;

    fs::write(&gone, kept)?;
    fs::remove_dir(&folder)?;
    fs::write(&folder, held)?;
    let said = tells(&cluster, &[&batch.to_string()], &[("held_size", 1)]).await?;
    ensure!(said.agent("host-0")?["unknown_files"].is_null(), "{said:?}");
    let said = tells(&cluster, &[], &[("held_size", 1)]).await?;
    ensure!(said.agent("host-0")?["unknown_files"] == 1, "{said:?}");

    // A row that gives a recording to nobody: the agent still has it.
    let lost = "UPDATE cofiRecording SET agent = 'host-9' WHERE ordinal = 5";
    change(cluster.controller.database(), lost).await?;
    let said = tells(&cluster, &[], &[("held_size", 1), ("unknown_agent", 1)]).await?;
    ensure!(said.agent("host-0")?["recordings_not_its_own"] == 1, "{said:?}");
    ensure!(said.agent("host-9")?["state"] == "away", "{said:?}");
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_that_are_away_are_said_to_be_not_looked_at() -> Result<()> {
    let (mut cluster, corpus) = Cluster::with_corpus(2, RECORDINGS, 8).await?;
    let batch = cluster.submit(&corpus).await?;
    cluster.at_rest(batch).await?;
    audit(&cluster, &corpus, batch).await?;
    cluster.agents[1].stop().await?;
    cluster.agent_is("host-1", pb::AgentState::Away).await?;
    let said = tells(&cluster, &[], &[]).await?;
    let away = said.agent("host-1")?;
    ensure!(away["state"] == "away" && away["recordings_looked_at"] == 0, "{said:?}");
    let looked = said.agent("host-0")?["recordings_looked_at"].as_u64().context("no number")?;
    let not_looked = away["recordings_not_looked_at"].as_u64().context("no number")?;
    ensure!(usize::try_from(looked + not_looked)? == RECORDINGS && not_looked > 0, "{said:?}");

    let said = check(&cluster, &["999"]).await;
    ensure!(said.is_err(), "batch 999 was checked: {said:?}");
    let ran = cluster.cofi(&["check", "999"]).await?;
    ensure!(ran.code == Some(66), "{ran:?}");
    cluster.stop().await
}

/// The session of an agent that only says hello.
struct Stub {
    up: mpsc::Sender<wire::FromAgent>,
    down: Streaming<wire::FromController>,
}

impl Stub {
    async fn join(cluster: &Cluster, name: &str, verifies: bool) -> Result<Self> {
        let mut client = AgentServiceClient::new(played::join(&cluster.controller, name).await?);
        let (up, messages) = mpsc::channel(4);
        let engine = wire::Engine { state: wire::EngineState::Starting.into(), ..wire::Engine::default() };
        let hello = wire::Hello {
            protocol: PROTOCOL,
            version: "0".to_owned(),
            name: name.to_owned(),
            storage_id: format!("storage of {name}"),
            advertise_address: "10.0.0.9".to_owned(),
            weight: 100,
            receive_connections: 1,
            heartbeat: Some(wire::Heartbeat { engine: Some(engine), ..wire::Heartbeat::default() }),
            verifies,
            ..wire::Hello::default()
        };
        up.send(wire::FromAgent { message: Some(wire::from_agent::Message::Hello(hello)) }).await?;
        let mut down = client.session(ReceiverStream::new(messages)).await?.into_inner();
        down.message().await?.context("no welcome")?;
        Ok(Self { up, down })
    }

    /// Waits for a question, and ends the session instead of answering.
    async fn hang_up(mut self) -> Result<()> {
        while let Some(message) = self.down.message().await? {
            if let Some(wire::from_controller::Message::ListHeld(_)) = message.message {
                drop(self.up);
                return Ok(());
            }
        }
        anyhow::bail!("nobody asked")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_that_cannot_be_asked_or_do_not_answer_are_no_fault() -> Result<()> {
    let mut cluster = Cluster::new()?;
    cluster.controller.start().await?;
    let older = Stub::join(&cluster, "older", false).await?;
    let newer = Stub::join(&cluster, "newer", true).await?;
    let (said, hung_up) = tokio::join!(tells(&cluster, &[], &[]), newer.hang_up());
    hung_up?;
    let said = said?;
    ensure!(said.agent("older")?["state"] == "cannot_be_asked", "{said:?}");
    ensure!(said.agent("newer")?["state"] == "silent", "{said:?}");
    drop(older);
    cluster.stop().await
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mariadb(Kind::MariaDb)]
#[tokio::test(flavor = "multi_thread")]
async fn checks_while_a_batch_runs_find_nothing(#[case] kind: Kind) -> Result<()> {
    let (mut cluster, corpus) = Cluster::with_corpus_on(kind, 2, 3_000, 9).await?;
    for agent in &cluster.agents {
        agent.desk.tell(&Behaviour::Delay { millis: 2 })?;
    }
    let batch = cluster.submit(&corpus).await?;
    let client = cluster.client()?;
    let (mut checks, mut under_way) = (0, 0);
    loop {
        let before = client.batch(batch).await?;
        let arguments: &[&str] = if checks % 2 == 0 { &[] } else { &["--digests"] };
        tells(&cluster, arguments, &[]).await?;
        checks += 1;
        under_way += u64::from(before.state() != pb::BatchState::Complete);
        if before.state() == pb::BatchState::Complete {
            break;
        }
    }
    eprintln!("{checks} checks, {under_way} of them while the batch ran");
    ensure!(under_way >= 2, "the batch was over too soon");
    audit(&cluster, &corpus, batch).await?;
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_damaged_and_mended_are_told_and_not_told() -> Result<()> {
    let (mut cluster, corpus) = Cluster::with_corpus(1, RECORDINGS, 10).await?;
    let batch = cluster.submit(&corpus).await?;
    cluster.at_rest(batch).await?;
    audit(&cluster, &corpus, batch).await?;
    let database = cluster.controller.database();
    for (damage, mend, kind) in [
        (
            "UPDATE `call` SET lang = 'unknown' WHERE id = 3",
            "UPDATE `call` SET lang = (SELECT `language` FROM lidStatus l WHERE l.audioName = call.audioName) WHERE id = 3",
            "call_lang",
        ),
        (
            "UPDATE fileDistribution SET lidDone = 0 WHERE `file` = (SELECT audioName FROM `call` WHERE id = 3)",
            "UPDATE fileDistribution SET lidDone = 1",
            "file_lid_done",
        ),
        (
            "UPDATE batchStatus SET lidStatus = 'InProgress'",
            "UPDATE batchStatus SET lidStatus = 'Complete'",
            "stage",
        ),
    ] {
        change(database, damage).await?;
        tells(&cluster, &[], &[(kind, 1)]).await?;
        change(database, mend).await?;
        tells(&cluster, &[], &[]).await?;
    }
    cluster.stop().await
}
