//! Planning: the manifest is written in chunks and made visible by one last
//! flip; until then the batch does not exist for anybody.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use cofi_proto::{BatchId, Digest};

use super::{
    Begun, Ledger, LedgerError, ManifestEntry, NameColumn, NameColumns, NewBatch,
    audit::Target,
    batches,
    database::Transaction,
    read_transaction,
    sql::{Statement, chunks},
    write_transaction,
};

/// Columns that hold a recording's bare name.
const NAME_COLUMNS: [(&str, &str, &str); 3] = [
    ("fileDistribution", "file", "fileDistribution.file"),
    ("call", "audioName", "call.audioName"),
    ("lidStatus", "audioName", "lidStatus.audioName"),
];

impl Ledger {
    /// What the columns hold that a batch's names go into.
    pub async fn name_columns(&self) -> Result<NameColumns, LedgerError> {
        read_transaction!(self, |tx| {
            let mut columns = NameColumns::default();
            for (table, name, column) in NAME_COLUMNS {
                let Some(text) = tx.text_column(table, name).await? else { continue };
                columns.names.push(NameColumn { column, chars: text.chars, repertoire: text.repertoire });
            }
            let url = tx.text_column("call", "audioUrl").await?;
            columns.url = url.map(|text| NameColumn {
                column: "call.audioUrl",
                chars: text.chars,
                repertoire: text.repertoire,
            });
            Ok(columns)
        })
    }

    /// Makes a batch that nobody sees yet, or finds the one that the same
    /// request made before.
    pub async fn begin_batch(&self, new: &NewBatch) -> Result<Begun, LedgerError> {
        write_transaction!(self, |tx| {
            if let Some(begun) = find_by_key(tx, &new.idempotency_key, new.request_hash).await? {
                return Ok(begun);
            }
            must_exist(tx, "process", new.process).await?;
            must_exist(tx, "categoryMapping", new.category_mapping).await?;
            let batch = tx
                .insert(
                    Statement::named(
                        "begin_batch",
                        "INSERT INTO batchStatus (batchDate, currentBatch) VALUES ",
                    )
                    .list([new.batch_date.as_str().into(), super::sql::Value::Int(0)]),
                )
                .await?;
            let columns = "INSERT INTO cofiBatch (batchId, source, processId, categoryMappingId, audioEndpoint, \
                           candidates, idempotencyKey, requestHash, createdAt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
            let insert = Statement::named("begin_cofi_batch", columns)
                .bind(batch)
                .bind(new.source.as_str())
                .bind(new.process)
                .bind(new.category_mapping)
                .bind(new.audio_endpoint.as_str())
                .bind(new.candidates.join(","))
                .bind(new.idempotency_key.as_str())
                .bind(&new.request_hash.as_bytes()[..])
                .bind(new.now);
            // Another request with the same key may have come first, where
            // transactions run side by side: run again, it will be found.
            tx.execute(insert).await.map_err(LedgerError::contended_key)?;
            Ok(Begun::New(BatchId(batch)))
        })
    }

    /// Adds entries to the manifest of a batch that nobody sees yet. Gives the
    /// ordinals of those that were left out, because another entry with an equal
    /// name is there already.
    pub async fn add_to_manifest(
        &self,
        batch: BatchId,
        entries: &[ManifestEntry],
    ) -> Result<Vec<i64>, LedgerError> {
        write_transaction!(self, |tx| {
            let mut equal = Vec::new();
            for chunk in chunks(entries) {
                let select = "SELECT nameKey, ordinal FROM cofiRecording WHERE batchId = ? AND nameKey IN ";
                let select = Statement::named("taken_names", select).bind(batch.0);
                let rows = tx.rows(select.list(chunk.iter().map(|entry| entry.name_key.as_str()))).await?;
                let mut taken: HashMap<String, i64> = rows
                    .iter()
                    .map(|row| Ok((row.text(0)?, row.int(1)?)))
                    .collect::<Result<_, LedgerError>>()?;
                let mut fresh = Vec::with_capacity(chunk.len());
                for entry in chunk {
                    match taken.entry(entry.name_key.clone()) {
                        Entry::Vacant(vacant) => {
                            vacant.insert(entry.ordinal);
                            fresh.push(entry);
                        }
                        // The same entry, if this was done before.
                        Entry::Occupied(taken) if *taken.get() == entry.ordinal => {}
                        Entry::Occupied(_) => equal.push(entry.ordinal),
                    }
                }
                for fresh in chunks(&fresh) {
                    // Written by this call before, and not committed yet when it
                    // looked: then it is found when it runs again.
                    tx.execute(insert_entries(batch, fresh)).await.map_err(LedgerError::contended_key)?;
                }
            }
            Ok(equal)
        })
    }

    /// Which of these files an earlier batch of the same source holds, with
    /// the same path, size and modification time: their ordinals.
    pub async fn known_files(
        &self,
        source: &str,
        entries: &[ManifestEntry],
    ) -> Result<HashSet<i64>, LedgerError> {
        read_transaction!(self, |tx| {
            let batches = "SELECT batchId FROM cofiBatch WHERE source = ? AND planned = 1";
            let batches = tx.rows(Statement::named("batches_of_source", batches).bind(source)).await?;
            let mut known = HashSet::new();
            for batch in batches {
                for chunk in chunks(entries) {
                    let select = "SELECT sourcePath, size, mtime FROM cofiRecording \
                                  WHERE placement <> 'cancelled' AND batchId = ? AND nameKey IN ";
                    let select = Statement::named("known_files", select).bind(batch.int(0)?);
                    let rows =
                        tx.rows(select.list(chunk.iter().map(|entry| entry.name_key.as_str()))).await?;
                    let held: HashSet<(String, u64, i64)> = rows
                        .iter()
                        .map(|row| Ok((row.text(0)?, row.count(1)?, row.int(2)?)))
                        .collect::<Result<_, LedgerError>>()?;
                    let same = |entry: &&ManifestEntry| {
                        held.contains(&(entry.source_path.clone(), entry.size, entry.mtime))
                    };
                    known.extend(chunk.iter().filter(same).map(|entry| entry.ordinal));
                }
            }
            Ok(known)
        })
    }

    /// Makes a planned batch visible and current; one that is so already is left
    /// as it is.
    pub async fn publish_batch(&self, batch: BatchId) -> Result<(), LedgerError> {
        write_transaction!(self, |tx| {
            let flip = "UPDATE cofiBatch SET planned = 1, \
                        recordings = (SELECT COUNT(*) FROM cofiRecording WHERE batchId = ?), \
                        bytes = (SELECT COALESCE(SUM(size), 0) FROM cofiRecording WHERE batchId = ?) \
                        WHERE batchId = ? AND planned = 0";
            let flip =
                Statement::named("publish_batch", flip).long().bind(batch.0).bind(batch.0).bind(batch.0);
            if tx.execute(flip).await? == 0 {
                return batches::must_be_own(tx, batch).await;
            }
            let words = planned(tx, batch).await?;
            self.note_deed(tx, Target::Batch(batch), &words).await?;
            let others = "UPDATE batchStatus SET currentBatch = 0 WHERE currentBatch <> 0 AND id <> ?";
            tx.execute(Statement::named("end_current", others).bind(batch.0)).await?;
            let start = "UPDATE batchStatus SET currentBatch = 1, batchStatus = 'InProgress', \
                         dbInsertionStatus = 'InProgress', batchStartTime = CURRENT_TIMESTAMP, \
                         dbInsertionStartTime = CURRENT_TIMESTAMP, updatedAt = CURRENT_TIMESTAMP WHERE id = ?";
            tx.guarded("start_batch", Statement::named("start_batch", start).bind(batch.0), 1).await
        })
    }

    /// Removes a batch with all of its manifest, unless it was published.
    pub async fn discard_batch(&self, batch: BatchId) -> Result<(), LedgerError> {
        write_transaction!(self, |tx| { discard(tx, batch.0).await })
    }

    /// Batches that were begun and not published, with the keys of their
    /// requests.
    pub async fn unpublished_batches(&self) -> Result<Vec<(BatchId, String)>, LedgerError> {
        read_transaction!(self, |tx| {
            let unpublished = "SELECT batchId, idempotencyKey FROM cofiBatch WHERE planned = 0";
            let rows = tx.rows(Statement::named("unpublished_batches", unpublished)).await?;
            rows.iter().map(|row| Ok((BatchId(row.int(0)?), row.opt_text(1)?.unwrap_or_default()))).collect()
        })
    }
}

async fn find_by_key(
    tx: &mut Transaction,
    key: &str,
    request_hash: Digest,
) -> Result<Option<Begun>, LedgerError> {
    let select = "SELECT batchId, requestHash, planned FROM cofiBatch WHERE idempotencyKey = ?";
    let Some(row) = tx.row(Statement::named("batch_of_key", select).bind(key)).await? else {
        return Ok(None);
    };
    let batch = BatchId(row.int(0)?);
    if row.opt_blob(1)? != Some(&request_hash.as_bytes()[..]) {
        return Err(LedgerError::KeyTaken(key.to_owned(), batch));
    }
    Ok(Some(if row.flag(2)? { Begun::Existing(batch) } else { Begun::Unpublished(batch) }))
}

async fn must_exist(tx: &mut Transaction, table: &'static str, id: i64) -> Result<(), LedgerError> {
    let select = Statement::named("must_exist", &format!("SELECT id FROM `{table}` WHERE id = ?")).bind(id);
    tx.row(select).await?.map(|_| ()).ok_or(LedgerError::NoSuchRow { table, id })
}

fn insert_entries(batch: BatchId, entries: &[&ManifestEntry]) -> Statement {
    let columns =
        "INSERT INTO cofiRecording (batchId, ordinal, nameKey, audioName, sourcePath, size, mtime) VALUES ";
    Statement::named("add_to_manifest", columns).tuples("(?, ?, ?, ?, ?, ?, ?)", entries, |insert, entry| {
        insert
            .bind(batch.0)
            .bind(entry.ordinal)
            .bind(entry.name_key.as_str())
            .bind(entry.audio_name.as_str())
            .bind(entry.source_path.as_str())
            .bind(i64::try_from(entry.size).unwrap_or(i64::MAX))
            .bind(entry.mtime)
    })
}

/// What was planned, in words.
async fn planned(tx: &mut Transaction, batch: BatchId) -> Result<String, LedgerError> {
    let select = "SELECT recordings, source FROM cofiBatch WHERE batchId = ?";
    let row = tx.row(Statement::named("planned_batch", select).bind(batch.0)).await?;
    let row = row.ok_or(LedgerError::NoSuchBatch(batch))?;
    Ok(format!("{} recordings of {}", row.count(0)?, row.text(1)?))
}

async fn discard(tx: &mut Transaction, batch: i64) -> Result<(), LedgerError> {
    // This row says whether there is anything to discard: who planned the
    // batch may not have heard that its publication was committed.
    let ours = "DELETE FROM cofiBatch WHERE batchId = ? AND planned = 0";
    if tx.execute(Statement::named("discard_cofi_batch", ours).bind(batch)).await? == 0 {
        return Ok(());
    }
    for (name, text) in [
        ("discard_manifest", "DELETE FROM cofiRecording WHERE batchId = ?"),
        ("discard_batch", "DELETE FROM batchStatus WHERE id = ?"),
    ] {
        tx.execute(Statement::named(name, text).long().bind(batch)).await?;
    }
    Ok(())
}
