//! Another service, which works on the rows of a batch while Cofi does: in long
//! transactions, and in another order than Cofi's.

use std::{
    collections::BTreeSet,
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rand::{SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use sqlx::{ConnectOptions as _, Connection as _, MySqlConnection, mysql::MySqlDatabaseError};

use crate::database::{OnServer, Right};

/// Rows that it changes in a transaction.
const ROWS: usize = 8;

/// Between two statements of a transaction, and between two transactions.
const PAUSE: Duration = Duration::from_millis(2);

/// Deadlock, lock wait timeout.
const CONTENTION: [u16; 2] = [1213, 1205];

/// What it did.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Recordings whose rows it changed.
    pub names: BTreeSet<String>,
    /// Transactions that met contention, and were done again.
    pub contended: u32,
}

/// A foreign service at work.
#[derive(Debug)]
pub struct ForeignWriter {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<Result<Changes>>,
}

impl ForeignWriter {
    /// Takes up each recording of a batch that has rows: `sttDone` becomes 1, and
    /// `call.status` says that it is in progress.
    pub fn start(database: &OnServer, batch: i64, seed: u64) -> Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let options = database.options(Right::Everything);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = move || {
            runtime.block_on(async {
                let mut connection = options.connect().await.context("connect")?;
                let mut random = StdRng::seed_from_u64(seed);
                let mut changes = Changes::default();
                while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                    take_up(&mut connection, batch, &mut random, &mut changes).await?;
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(changes)
            })
        };
        let thread = thread::Builder::new().name("foreign writer".to_owned()).spawn(work)?;
        Ok(Self { stop, thread })
    }

    /// Ends it, after the transaction that it is in.
    pub fn finish(self) -> Result<Changes> {
        drop(self.stop);
        let Ok(changes) = self.thread.join() else { bail!("the foreign writer panicked") };
        changes
    }
}

/// Takes some recordings up, if there are any; contention undoes it.
async fn take_up(
    connection: &mut MySqlConnection,
    batch: i64,
    random: &mut StdRng,
    changes: &mut Changes,
) -> Result<()> {
    let fresh = "SELECT `file` FROM fileDistribution WHERE batchId = ? AND sttDone = 0";
    let fresh: Vec<String> = sqlx::query_scalar(fresh).bind(batch).fetch_all(&mut *connection).await?;
    let mut names: Vec<&String> = fresh.choose_multiple(random, ROWS).collect();
    // Cofi goes upwards, and to `call` first.
    names.sort_unstable_by(|one, other| other.cmp(one));
    match change(connection, batch, &names).await {
        Ok(()) => changes.names.extend(names.into_iter().cloned()),
        Err(error) if is_contention(&error) => changes.contended += 1,
        Err(error) => return Err(error).context("take recordings up"),
    }
    Ok(())
}

async fn change(connection: &mut MySqlConnection, batch: i64, names: &[&String]) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    for update in [
        "UPDATE fileDistribution SET sttDone = 1 WHERE batchId = ? AND `file` = ?",
        "UPDATE `call` SET status = 'InProgress' WHERE batchId = ? AND audioName = ?",
    ] {
        for name in names {
            sqlx::query(update).bind(batch).bind(name.as_str()).execute(&mut *transaction).await?;
            tokio::time::sleep(PAUSE).await;
        }
    }
    transaction.commit().await
}

fn is_contention(error: &sqlx::Error) -> bool {
    let error = error.as_database_error().and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>());
    error.is_some_and(|error| CONTENTION.contains(&error.number()))
}
