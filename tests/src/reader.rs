//! A reader that asks what people ask, all the time, and never gets a wrong
//! answer: the queries of the SQL contract, each on its own as people run them,
//! and what must hold between the tables, in one snapshot. It has a connection
//! of its own, and a new one whenever a server was away.

use std::{
    collections::HashMap,
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    cluster::SOON,
    corpus::Corpus,
    database::{Connection, Database, is_lost},
};

/// Wrong answers that are told one by one.
const TOLD: usize = 20;

/// The reader takes at most a quarter of the time, so that it is no load test.
const REST_FACTOR: u32 = 3;

/// At least so long between two looks.
const SHORTEST_REST: Duration = Duration::from_millis(5);

/// A server that is killed in a test is soon back.
const AWAY_AT_MOST: Duration = Duration::from_secs(90);

/// A look that took long, because the server stood still, is no reason not to
/// look again soon.
const LONGEST_REST: Duration = Duration::from_secs(3);

const LISTING: &str =
    "SELECT audioName, ip, status, lang, audioDuration FROM `call` WHERE batchId = ? ORDER BY id";

const DISTRIBUTED: &str = "SELECT COUNT(*) FROM `call` WHERE batchId = ?";

const IDENTIFIED: &str = "SELECT COUNT(*) FROM `call` WHERE batchId = ? AND lang != 'unknown'";

/// With casts, since sums are decimals on a server.
const SUMMARY: &str = "SELECT COUNT(*) AS total, \
    CAST(COALESCE(SUM(CASE WHEN lang = 'unknown' THEN 1 ELSE 0 END), 0) AS SIGNED) AS pending_lid, \
    CAST(COALESCE(SUM(CASE WHEN lang != 'unknown' THEN 1 ELSE 0 END), 0) AS SIGNED) AS lid_complete \
    FROM `call` WHERE batchId = ?";

/// What must count to nothing in every snapshot. `+` and CROSS JOIN keep SQLite
/// from looking a name up by going through the whole batch.
const NEVER: [(&str, &str); 6] = [
    (
        "calls without their fileDistribution row",
        "SELECT COUNT(*) FROM `call` c WHERE c.batchId = ? AND NOT EXISTS (SELECT 1 FROM fileDistribution f \
         WHERE f.batchId = c.batchId AND f.`file` = c.audioName AND f.ip = c.ip)",
    ),
    (
        "fileDistribution rows without their call",
        "SELECT COUNT(*) FROM fileDistribution f WHERE f.batchId = ? AND NOT EXISTS (SELECT 1 FROM `call` c \
         WHERE +c.batchId = f.batchId AND c.audioName = f.`file`)",
    ),
    (
        "rows that are there twice",
        "SELECT COUNT(*) FROM (SELECT audioName FROM `call` WHERE batchId = ? GROUP BY audioName HAVING COUNT(*) > 1 \
         UNION ALL SELECT `file` FROM fileDistribution WHERE batchId = ? GROUP BY `file` HAVING COUNT(*) > 1 \
         UNION ALL SELECT audioName FROM lidStatus WHERE batchId = ? GROUP BY audioName HAVING COUNT(*) > 1) twice",
    ),
    (
        "calls whose language, duration, lidDone and lidStatus do not belong together",
        "SELECT COUNT(*) FROM `call` c CROSS JOIN fileDistribution f ON f.batchId = c.batchId AND f.`file` = c.audioName \
         LEFT JOIN lidStatus l ON l.batchId = c.batchId AND l.audioName = c.audioName \
         LEFT JOIN `language` g ON g.languageCode = c.lang \
         WHERE c.batchId = ? AND NOT ( \
         (c.lang = 'unknown' AND c.languageId IS NULL AND c.audioDuration = 0 AND f.lidDone = 0 AND l.id IS NULL) OR \
         (c.lang != 'unknown' AND COALESCE(c.languageId, 0) = COALESCE(g.id, 0) AND f.lidDone = 1 \
          AND COALESCE(l.`language` = c.lang AND l.audioDuration = c.audioDuration, 0)))",
    ),
    (
        "lidStatus rows without their call",
        "SELECT COUNT(*) FROM lidStatus l WHERE l.batchId = ? AND NOT EXISTS (SELECT 1 FROM `call` c \
         WHERE +c.batchId = l.batchId AND c.audioName = l.audioName)",
    ),
    (
        "recordings whose own row says something else than their call",
        "SELECT COUNT(*) FROM cofiRecording r LEFT JOIN `call` c ON c.id = r.callId WHERE r.batchId = ? AND ( \
         (r.placement = 'stored') <> (c.id IS NOT NULL) OR (r.callId IS NULL) <> (c.id IS NULL) OR \
         (r.lid = 'done') <> COALESCE(c.lang != 'unknown', 0))",
    ),
];

/// A reader at work.
#[derive(Debug)]
pub struct Reader {
    stop: mpsc::Sender<()>,
    looked: mpsc::Receiver<()>,
    thread: JoinHandle<Result<Seen>>,
}

/// What a reader has seen by its end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// How often it looked.
    pub looks: u64,
    /// The most recordings that it saw distributed.
    pub distributed: i64,
    /// The most recordings that it saw identified.
    pub identified: i64,
}

impl Reader {
    /// Begins to read about a batch of a corpus.
    pub fn start(database: &Database, batch: i64, corpus: &Corpus) -> Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let (looks, looked) = mpsc::sync_channel(1);
        let langs = corpus.samples.values().map(|sample| (sample.name.clone(), sample.lang));
        let watch = Watch {
            database: database.clone(),
            batch,
            langs: langs.collect(),
            seen: Seen::default(),
            wrong: Vec::new(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let read = move || runtime.block_on(watch.run(&stopped, &looks));
        let thread = thread::Builder::new().name("reader".to_owned()).spawn(read)?;
        Ok(Self { stop, looked, thread })
    }

    /// Waits until it has looked.
    pub fn has_looked(&self) -> Result<()> {
        self.looked.recv_timeout(SOON).context("the reader does not look")
    }

    /// Ends it after one more look; fails if it ever saw a wrong answer, or
    /// hardly looked at all.
    pub fn finish(self) -> Result<Seen> {
        drop(self.stop);
        let outcome = self.thread.join();
        let Ok(seen) = outcome else { bail!("the reader panicked") };
        let seen = seen?;
        ensure!(seen.looks > 1, "the reader hardly looked: {seen:?}");
        Ok(seen)
    }
}

struct Watch {
    database: Database,
    batch: i64,
    langs: HashMap<String, &'static str>,
    seen: Seen,
    wrong: Vec<String>,
}

impl Watch {
    async fn run(mut self, stopped: &mpsc::Receiver<()>, looks: &mpsc::SyncSender<()>) -> Result<Seen> {
        let mut connection = None;
        let mut away_since = None;
        let mut last = false;
        loop {
            let begun = Instant::now();
            match self.look_on(&mut connection).await {
                Ok(()) => away_since = None,
                Err(error) if is_lost(&error) => {
                    let since = *away_since.get_or_insert(begun);
                    ensure!(since.elapsed() < AWAY_AT_MOST, "the database stays away: {error}");
                    connection = None;
                }
                Err(error) => return Err(error).context("read the tables"),
            }
            ensure!(self.wrong.is_empty(), "the reader saw wrong answers: {}", self.wrong.join("; "));
            if away_since.is_none() {
                // Full: nobody has asked since the look before.
                looks.try_send(()).ok();
                if last {
                    return Ok(self.seen);
                }
            }
            let rest = SHORTEST_REST.max(begun.elapsed() * REST_FACTOR).min(LONGEST_REST);
            if last {
                // The server is away, and the last look is still to come.
                thread::sleep(rest);
            }
            // Asked before the next look, so that the last one sees the end.
            last = stopped.recv_timeout(rest) == Err(RecvTimeoutError::Disconnected);
        }
    }

    /// Looks, on a new connection if there is none.
    async fn look_on(&mut self, connection: &mut Option<Connection>) -> Result<(), sqlx::Error> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(Connection::reading(&self.database).await?),
        };
        self.look_alone(connection).await?;
        connection.begin().await?;
        self.look_at_all(connection).await?;
        connection.end().await
    }

    /// Every question on its own, as people ask: each sees what the one before
    /// it saw, or more.
    async fn look_alone(&mut self, connection: &mut Connection) -> Result<(), sqlx::Error> {
        let distributed = connection.count(DISTRIBUTED, self.batch).await?;
        let (total, pending, complete): (i64, i64, i64) = connection.one(SUMMARY, self.batch).await?;
        let identified = connection.count(IDENTIFIED, self.batch).await?;
        let later = connection.count(DISTRIBUTED, self.batch).await?;
        let before = self.seen;
        let grows = [before.distributed, distributed, total, later].is_sorted()
            && [before.identified, complete, identified].is_sorted();
        if !grows {
            self.wrong(format!(
                "counts went back: {} distributed and {} identified, then {distributed}, {total} and {later} \
                 distributed, {complete} and {identified} identified",
                before.distributed, before.identified
            ));
        }
        if total != pending + complete {
            self.wrong(format!("{total} in all, {pending} pending, {complete} complete"));
        }
        Ok(())
    }

    async fn look_at_all(&mut self, snapshot: &mut Connection) -> Result<(), sqlx::Error> {
        let listing: Vec<(String, String, String, String, f64)> = snapshot.all(LISTING, self.batch).await?;
        let distributed = snapshot.count(DISTRIBUTED, self.batch).await?;
        let identified = snapshot.count(IDENTIFIED, self.batch).await?;
        let summary = snapshot.one(SUMMARY, self.batch).await?;
        for (what, select) in NEVER {
            let count = snapshot.count(select, self.batch).await?;
            if count > 0 {
                self.wrong(format!("{count} {what}"));
            }
        }
        self.judge(&listing, distributed, identified, summary);
        Ok(())
    }

    fn judge(
        &mut self,
        listing: &[(String, String, String, String, f64)],
        distributed: i64,
        identified: i64,
        (total, pending, complete): (i64, i64, i64),
    ) {
        let before = self.seen;
        if distributed < before.distributed || identified < before.identified {
            self.wrong(format!(
                "counts went back: {} distributed and {} identified, then {distributed} and {identified}",
                before.distributed, before.identified
            ));
        }
        if total != pending + complete || total != distributed || complete != identified {
            self.wrong(format!(
                "{total} in all, {pending} pending, {complete} complete, {distributed} distributed, {identified} identified"
            ));
        }
        if i64::try_from(listing.len()).ok() != Some(total) {
            self.wrong(format!("{} calls listed, {total} counted", listing.len()));
        }
        for (name, ip, status, lang, duration) in listing {
            let known = self.langs.get(name);
            let right = known.is_some_and(|known| known == lang || lang == "unknown");
            if !right || status != "Pending" || ip.is_empty() || !duration.is_finite() {
                self.wrong(format!(
                    "{name:?} on {ip:?} is {status:?} in {lang:?} of {duration} s, known is {known:?}"
                ));
            }
        }
        self.seen = Seen { looks: before.looks + 1, distributed, identified };
    }

    fn wrong(&mut self, answer: String) {
        if self.wrong.len() < TOLD {
            self.wrong.push(answer);
        }
    }
}
