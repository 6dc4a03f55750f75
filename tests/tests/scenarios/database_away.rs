//! The database is there and does not do its work, or cannot be reached: the
//! controller says so, everybody waits, and work goes on by itself.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use cofi_mariadb::Server;
use cofi_tests::{
    audit::{Allowed, audit_allowing, done_once},
    cluster::{Cluster, SOON},
    corpus::Corpus,
    database::Connection,
    disk::SmallDisk,
    proxy::Proxy,
    reader::Reader,
    wait::until,
    worker::Behaviour,
};
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::outage::{self, GOES_ON_WITHIN, TOLD};

const RECORDINGS: usize = 3_000;

/// Recordings with rows when the trouble begins.
const DISTRIBUTED: i64 = 700;

/// Slow enough that there is something to be written all the time.
const SLOW: Behaviour = Behaviour::Delay { millis: 3 };

/// Room on a small disk, and a server that takes little of it.
const MEBIBYTES: u32 = 300;
const SMALL: [&str; 2] = ["--innodb-log-file-size=4M", "--innodb-buffer-pool-size=16M"];

/// How long it is looked whether a state lasts.
const WHILE: Duration = Duration::from_secs(4);

/// The connection that holds the controller's claim on its database.
const CLAIM: &str = "SELECT CAST(COALESCE(IS_USED_LOCK(CONCAT('cofi.', SHA1(DATABASE()))), 0) AS SIGNED)";

/// Longer than any timeout that the controller has for its database.
const LONG: Duration = Duration::from_secs(12);

/// A cluster in the middle of a batch.
struct Scene {
    cluster: Cluster,
    corpus: Corpus,
    batch: i64,
    reader: Option<Reader>,
}

impl Scene {
    /// Begins a batch, and waits until some of it has its rows.
    async fn begin(mut cluster: Cluster) -> Result<Self> {
        let corpus = cluster.begin(2, RECORDINGS, 1).await?;
        for agent in &cluster.agents {
            agent.desk.tell(&SLOW)?;
        }
        let batch = cluster.submit(&corpus).await?;
        let reader = Reader::start(cluster.controller.database(), batch, &corpus)?;
        let scene = Self { cluster, corpus, batch, reader: Some(reader) };
        scene.reaches(DISTRIBUTED).await?;
        Ok(scene)
    }

    /// Waits until so many have their rows.
    async fn reaches(&self, aim: i64) -> Result<i64> {
        let tables = self.cluster.tables().await?;
        until(format!("{aim} rows"), GOES_ON_WITHIN, async || {
            let rows = tables.distributed(self.batch).await?;
            Ok((rows >= aim).then_some(rows))
        })
        .await
    }

    /// Waits until the controller says so, and expects that it goes on saying so.
    async fn is_told(&self) -> Result<()> {
        let client = self.cluster.client()?;
        outage::is_told(&client).await?;
        let told = Instant::now();
        until("a while to pass", SOON, async || {
            ensure!(!client.serves().await, "it serves again {:?} later", told.elapsed());
            Ok((told.elapsed() > WHILE).then_some(()))
        })
        .await
    }

    /// Everything goes on by itself, and comes to its end.
    async fn goes_on(mut self) -> Result<()> {
        let back = Instant::now();
        outage::is_over(&self.cluster.client()?).await?;
        self.cluster.at_rest(self.batch).await?;
        eprintln!("at rest {} ms after the end of the trouble", back.elapsed().as_millis());
        self.reader.take().context("no reader")?.finish()?;
        let allowed = Allowed { errors: &TOLD };
        let tally = audit_allowing(&self.cluster, &self.corpus, self.batch, allowed).await?;
        ensure!(tally.identified == u64::try_from(RECORDINGS)?, "{tally:?}");
        done_once(&self.cluster, self.batch).await?;
        self.cluster.stop().await
    }
}

/// What a server's administrator does.
async fn administrate(scene: &Scene, statement: &'static str) -> Result<()> {
    let mut connection = Connection::writing(scene.cluster.controller.database()).await?;
    connection.run(statement).await.with_context(|| format!("run {statement}")).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_becomes_read_only_is_waited_for() -> Result<()> {
    let server = Server::start(&[])?;
    let scene = Scene::begin(Cluster::on_server(&server).await?).await?;
    administrate(&scene, "SET GLOBAL read_only = 1").await?;
    scene.is_told().await?;
    let rows = scene.reaches(0).await?;
    // Whoever reads is answered.
    scene.cluster.client()?.batch(scene.batch).await?;
    ensure!(scene.reaches(0).await? == rows, "rows were written to a database that is read-only");
    administrate(&scene, "SET GLOBAL read_only = 0").await?;
    scene.goes_on().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_waited_for() -> Result<()> {
    let server = Server::start(&[])?;
    let scene = Scene::begin(Cluster::on_server(&server).await?).await?;
    server.signal(Signal::STOP)?;
    let stopped = Instant::now();
    let told = scene.is_told().await;
    // The trouble itself: it lasts longer than anybody waits for an answer.
    sleep(LONG.saturating_sub(stopped.elapsed())).await;
    server.signal(Signal::CONT)?;
    told?;
    scene.goes_on().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_without_work_soon_notices_that_its_database_is_back() -> Result<()> {
    let server = Server::start(&[])?;
    let mut cluster = Cluster::on_server(&server).await?;
    cluster.begin(0, 1, 1).await?;
    let client = cluster.client()?;
    for _ in 0..2 {
        server.signal(Signal::STOP)?;
        let told = outage::is_told(&client).await;
        server.signal(Signal::CONT)?;
        told?;
        let back = Instant::now();
        outage::is_over(&client).await?;
        ensure!(back.elapsed() < SOON / 3, "it took {:?} to notice", back.elapsed());
    }
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_out_of_reach_is_waited_for_and_found_again() -> Result<()> {
    let server = Server::start(&[])?;
    let proxy = Proxy::start(server.address())?;
    let mut cluster = Cluster::on_server(&server).await?;
    cluster.controller.reach_database_at(proxy.address());
    let scene = Scene::begin(cluster).await?;
    let mut looker = Connection::reading(scene.cluster.controller.database()).await?;
    let claim = looker.count(CLAIM, scene.batch).await?;
    ensure!(claim > 0, "nobody has claimed the database");
    proxy.stand_still();
    scene.is_told().await?;
    // What was open is lost, and nobody is told: the server still holds it,
    // with the claim.
    proxy.lose_connections();
    proxy.heal();
    until("the claim to be renewed", GOES_ON_WITHIN, async || {
        let now = looker.count(CLAIM, scene.batch).await?;
        Ok((now > 0 && now != claim).then_some(()))
    })
    .await?;
    scene.goes_on().await
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_all_at_once_are_made_anew() -> Result<()> {
    let server = Server::start(&[])?;
    let proxy = Proxy::start(server.address())?;
    let mut cluster = Cluster::on_server(&server).await?;
    cluster.controller.reach_database_at(proxy.address());
    let scene = Scene::begin(cluster).await?;
    for step in 1..=5 {
        proxy.cut_all();
        scene.reaches(DISTRIBUTED + 200 * step).await?;
    }
    scene.goes_on().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_waited_for() -> Result<()> {
    let folder = tempfile::tempdir().context("make a folder")?;
    // Before the server: it is unmounted when that has ended.
    let disk = SmallDisk::mount(folder.path(), MEBIBYTES)?;
    let mut server = Server::start_in(disk.path.join("server"), &SMALL)?;
    let scene = Scene::begin(Cluster::on_server(&server).await?).await?;
    disk.fill()?;
    let told = scene.is_told().await;
    disk.make_room()?;
    told?;
    // A write that it cannot do without makes a server end itself, instead of
    // refusing work; whoever looks after it starts it again, as systemd does.
    let client = scene.cluster.client()?;
    until("the controller to serve again", GOES_ON_WITHIN, async || {
        if server.has_ended()? {
            eprintln!("it has ended");
            server.start_again()?;
        }
        Ok(client.serves().await.then_some(()))
    })
    .await?;
    scene.goes_on().await
}
