//! Those who look are looked at: damage is planted, and they must find it.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use cofi_tests::{
    audit::{Allowed, audit, findings},
    cluster::Cluster,
    corpus::Corpus,
    database::{Database, Kind, change},
    reader::Reader,
};
use rstest::rstest;

const RECORDINGS: usize = 40;

/// Statements on the controller's database, what the audit must say of them,
/// and whether the reader must see them as well.
const ROWS: [(&str, &str, bool); 21] = [
    ("DELETE FROM lidStatus WHERE id = 3", "with 0 lidStatus rows", true),
    (
        "INSERT INTO lidStatus (audioName, `language`, lidProcessingTime, batchId, audioDuration, ip) \
         SELECT audioName, `language`, lidProcessingTime, batchId, audioDuration, ip FROM lidStatus WHERE id = 3",
        "with 2 lidStatus rows",
        true,
    ),
    ("UPDATE lidStatus SET `language` = 'xx' WHERE id = 3", "lidStatus.language of", true),
    ("UPDATE lidStatus SET lidProcessingTime = '99' WHERE id = 3", "lidProcessingTime of", false),
    ("UPDATE lidStatus SET ip = '10.0.0.1' WHERE id = 3", "lidStatus.ip of", false),
    (
        "DELETE FROM fileDistribution WHERE `file` = (SELECT audioName FROM `call` WHERE id = 3)",
        "0 fileDistribution and 1 call rows",
        true,
    ),
    ("DELETE FROM `call` WHERE id = 3", "1 fileDistribution and 0 call rows", true),
    (
        "INSERT INTO `call` (audioName, audioUrl, ip, status, `type`, lang, languageId, audioDuration, userId, \
         processId, categoryMappingId, batchId) SELECT audioName, audioUrl, ip, status, `type`, lang, languageId, \
         audioDuration, userId, processId, categoryMappingId, batchId FROM `call` WHERE id = 3",
        "1 fileDistribution and 2 call rows",
        true,
    ),
    ("UPDATE `call` SET lang = 'xx', languageId = NULL WHERE id = 3", "the call of", true),
    ("UPDATE `call` SET lang = 'unknown' WHERE id = 3", "the call of", true),
    ("UPDATE `call` SET audioDuration = audioDuration + 1 WHERE id = 3", "the call of", true),
    ("UPDATE `call` SET languageId = 1 WHERE id = 3", "the call of", true),
    ("UPDATE `call` SET status = 'Complete' WHERE id = 3", "the call of", true),
    ("UPDATE `call` SET audioUrl = 'file:///elsewhere' WHERE id = 3", "the call of", false),
    ("UPDATE `call` SET summary = 'hello' WHERE id = 3", "the call of", false),
    (
        "UPDATE fileDistribution SET lidDone = 0 WHERE `file` = (SELECT audioName FROM `call` WHERE id = 3)",
        "lidDone of",
        true,
    ),
    (
        "UPDATE fileDistribution SET ip = '10.0.0.1' WHERE `file` = (SELECT audioName FROM `call` WHERE id = 3)",
        "fileDistribution.ip of",
        true,
    ),
    (
        "UPDATE fileDistribution SET sttDone = 1 WHERE `file` = (SELECT audioName FROM `call` WHERE id = 3)",
        "other flags of",
        false,
    ),
    (
        "UPDATE cofiRecording SET placement = 'planned', lid = 'none' WHERE ordinal = 3",
        "which is nowhere",
        true,
    ),
    ("UPDATE cofiRecording SET lid = 'failed' WHERE ordinal = 3", "has a reason is false", true),
    ("DELETE FROM cofiRecording WHERE ordinal = 3", "not in the manifest", false),
];

/// Statements on the controller's database that only the audit looks for.
const OWN_ROWS: [(&str, &str); 4] = [
    (
        "UPDATE cofiRecording SET digest = X'00000000000000000000000000000000' WHERE ordinal = 3",
        "its row another",
    ),
    ("UPDATE cofiRecording SET agent = 'host-9' WHERE ordinal = 3", "which is no agent"),
    ("UPDATE batchStatus SET lidStatus = 'InProgress'", "lidStatus of the batch"),
    ("UPDATE batchStatus SET currentBatch = 1", "currentBatch"),
];

/// Statements on an agent's journal.
const JOURNAL: [(&str, &str); 3] = [
    ("UPDATE result SET receipted_at = NULL WHERE ordinal = 3", "results that are not receipted"),
    ("UPDATE recording SET recorded = 0 WHERE ordinal = 3", "recordings that are not recorded"),
    ("DELETE FROM recording WHERE ordinal = 3", "and the rows differ"),
];

/// Copies every table of a database on a server that the audit reads.
const COPY: &str = "CREATE TABLE goldenStatus AS SELECT * FROM batchStatus; \
    CREATE TABLE goldenCall AS SELECT * FROM `call`; \
    CREATE TABLE goldenFile AS SELECT * FROM fileDistribution; \
    CREATE TABLE goldenLid AS SELECT * FROM lidStatus; \
    CREATE TABLE goldenRecording AS SELECT * FROM cofiRecording";

/// Brings the copies back.
const RESTORE: &str = "DELETE FROM batchStatus; INSERT INTO batchStatus SELECT * FROM goldenStatus; \
    DELETE FROM `call`; INSERT INTO `call` SELECT * FROM goldenCall; \
    DELETE FROM fileDistribution; INSERT INTO fileDistribution SELECT * FROM goldenFile; \
    DELETE FROM lidStatus; INSERT INTO lidStatus SELECT * FROM goldenLid; \
    DELETE FROM cofiRecording; INSERT INTO cofiRecording SELECT * FROM goldenRecording";

/// A batch that is done and whose processes have ended, and a copy of all they
/// left.
struct Bench {
    cluster: Cluster,
    corpus: Corpus,
    batch: i64,
    golden: PathBuf,
}

impl Bench {
    async fn new(kind: Kind) -> Result<Self> {
        let (mut cluster, corpus) = Cluster::with_corpus_on(kind, 1, RECORDINGS, 1).await?;
        let batch = cluster.submit(&corpus).await?;
        cluster.at_rest(batch).await?;
        audit(&cluster, &corpus, batch).await?;
        cluster.stop().await?;
        let golden = cluster.path("golden");
        for folder in Self::folders(&cluster) {
            copy(&folder, &golden.join(folder.file_name().context("a folder without a name")?))?;
        }
        if let Database::Server(_) = cluster.controller.database() {
            change(cluster.controller.database(), COPY).await?;
        }
        Ok(Self { cluster, corpus, batch, golden })
    }

    /// What lies in files; an embedded database does.
    fn folders(cluster: &Cluster) -> Vec<PathBuf> {
        let agent = cluster.agents[0].data_dir();
        match cluster.controller.database() {
            Database::File(_) => vec![cluster.controller.state_dir(), agent],
            Database::Server(_) => vec![agent],
        }
    }

    async fn restore(&self) -> Result<()> {
        for folder in Self::folders(&self.cluster) {
            fs::remove_dir_all(&folder)?;
            copy(&self.golden.join(folder.file_name().context("a folder without a name")?), &folder)?;
        }
        match self.cluster.controller.database() {
            Database::File(_) => Ok(()),
            database @ Database::Server(_) => change(database, RESTORE).await.map(drop),
        }
    }

    /// The audit must say `words` about what was done.
    async fn is_found(&self, what: &str, words: &str) -> Result<()> {
        let (_, found) = findings(&self.cluster, &self.corpus, self.batch, Allowed::default()).await?;
        ensure!(found.to_string().contains(words), "{what}: the audit has {found}");
        self.restore().await
    }

    async fn damage(&self, statement: &'static str) -> Result<()> {
        let changed = change(self.cluster.controller.database(), statement).await?;
        ensure!(changed == 1, "{statement} changed {changed} rows");
        Ok(())
    }

    /// Where a recording lies that is stored.
    fn stored(&self) -> Result<PathBuf> {
        let sample = *self.corpus.in_order().get(3).context("too few samples")?;
        Ok(self.cluster.agents[0].recordings(self.batch).join(&sample.name))
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("list {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mariadb(Kind::MariaDb)]
#[tokio::test(flavor = "multi_thread")]
async fn the_audit_finds_planted_damage_in_rows(#[case] kind: Kind) -> Result<()> {
    let bench = Bench::new(kind).await?;
    let (_, found) = findings(&bench.cluster, &bench.corpus, bench.batch, Allowed::default()).await?;
    ensure!(found.is_empty(), "nothing is damaged yet, and the audit has {found}");
    for (statement, words, _) in ROWS {
        bench.damage(statement).await?;
        bench.is_found(statement, words).await?;
    }
    for (statement, words) in OWN_ROWS {
        bench.damage(statement).await?;
        bench.is_found(statement, words).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_finds_planted_damage_in_files_journals_and_logs() -> Result<()> {
    let bench = Bench::new(Kind::Sqlite).await?;
    let agent = &bench.cluster.agents[0];
    let stored = bench.stored()?;

    let mut content = fs::read(&stored)?;
    *content.last_mut().context("an empty recording")? ^= 1;
    fs::write(&stored, content)?;
    bench.is_found("a flipped bit", "is not what its source is").await?;
    OpenOptions::new().append(true).open(&stored)?.write_all(b"x")?;
    bench.is_found("a byte more", "its row another").await?;
    fs::remove_file(&stored)?;
    bench.is_found("a file that is gone", "and not there").await?;
    fs::write(stored.with_file_name("stray.wav"), "stray")?;
    bench.is_found("a file that nobody knows", "and its row says otherwise").await?;
    fs::write(agent.data_dir().join("incoming/part"), "part")?;
    bench.is_found("a partial file", "was left in incoming/").await?;
    for (statement, words) in JOURNAL {
        ensure!(
            change(&Database::at(&agent.data_dir().join("journal.sqlite")), statement).await? == 1,
            "{statement}"
        );
        bench.is_found(statement, words).await?;
    }
    for line in ["{\"level\":\"ERROR\"}\n", "thread 'main' panicked at\n"] {
        OpenOptions::new().append(true).open(agent.log())?.write_all(line.as_bytes())?;
        bench.is_found(line, line.trim_end()).await?;
    }
    Ok(())
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mariadb(Kind::MariaDb)]
#[tokio::test(flavor = "multi_thread")]
async fn the_reader_sees_planted_damage(#[case] kind: Kind) -> Result<()> {
    let bench = Bench::new(kind).await?;
    let read = || Reader::start(bench.cluster.controller.database(), bench.batch, &bench.corpus)?.finish();
    let seen = read()?;
    ensure!(usize::try_from(seen.identified)? == RECORDINGS, "{seen:?}");
    for (statement, _, _) in ROWS.into_iter().filter(|(_, _, seen)| *seen) {
        bench.damage(statement).await?;
        let seen = read();
        ensure!(seen.is_err(), "{statement}: the reader saw nothing wrong: {seen:?}");
        bench.restore().await?;
    }
    Ok(())
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mariadb(Kind::MariaDb)]
#[tokio::test(flavor = "multi_thread")]
async fn the_reader_sees_counts_that_go_back(#[case] kind: Kind) -> Result<()> {
    let bench = Bench::new(kind).await?;
    let reader = Reader::start(bench.cluster.controller.database(), bench.batch, &bench.corpus)?;
    reader.has_looked()?;
    // All rows of one recording, so that no two tables contradict each other.
    let vanish = "BEGIN; DELETE FROM fileDistribution WHERE `file` = (SELECT audioName FROM `call` WHERE id = 3); \
                  DELETE FROM lidStatus WHERE audioName = (SELECT audioName FROM `call` WHERE id = 3); \
                  DELETE FROM cofiRecording WHERE callId = 3; DELETE FROM `call` WHERE id = 3; COMMIT";
    change(bench.cluster.controller.database(), vanish).await?;
    let outcome = reader.finish();
    let words = outcome.err().map(|error| format!("{error:#}")).unwrap_or_default();
    ensure!(words.contains("counts went back"), "the reader said {words:?}");
    Ok(())
}
