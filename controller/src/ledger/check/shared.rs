//! The rows that the recordings of a page have in the shared tables, by the
//! key of their names.

use std::collections::HashMap;

use cofi_proto::BatchId;

use super::{
    Flaw,
    judge::{Call, File, Own, Said, Shared},
    rows::unreadable,
};
use crate::{
    ledger::{
        LedgerError,
        database::Transaction,
        sql::{Row, Statement, chunks},
    },
    name::name_key,
};

const CALL: &str =
    "SELECT audioName, id, batchId, audioUrl, ip, lang, languageId, audioDuration FROM `call` WHERE ";

/// Rows that were read.
struct Reading<'a> {
    batch: BatchId,
    by_key: HashMap<String, Shared>,
    flaws: &'a mut Vec<Flaw>,
}

/// Reads them; what cannot be read is a flaw.
pub(super) async fn read_shared(
    tx: &mut Transaction,
    batch: BatchId,
    recordings: &[Own],
    flaws: &mut Vec<Flaw>,
) -> Result<HashMap<String, Shared>, LedgerError> {
    let mut reading = Reading { batch, by_key: HashMap::with_capacity(recordings.len()), flaws };
    for chunk in chunks(recordings) {
        reading.read(tx, chunk).await?;
    }
    Ok(reading.by_key)
}

impl Reading<'_> {
    async fn read(&mut self, tx: &mut Transaction, chunk: &[Own]) -> Result<(), LedgerError> {
        let by_name = |name, text: &str| {
            let select = Statement::named(name, text).bind(self.batch.0);
            select.list(chunk.iter().map(|own| own.audio_name.as_str()))
        };
        let files = by_name(
            "files_to_check",
            "SELECT `file`, ip, lidDone FROM fileDistribution WHERE batchId = ? AND `file` IN ",
        );
        let calls = by_name("calls_to_check", &format!("{CALL}batchId = ? AND audioName IN "));
        let lids = by_name(
            "lids_to_check",
            "SELECT audioName, id, `language`, audioDuration FROM lidStatus WHERE batchId = ? AND audioName IN ",
        );
        for row in tx.rows(files).await? {
            self.put("fileDistribution", &row, file, |shared, file| shared.files.push(file))?;
        }
        for row in tx.rows(calls).await? {
            self.put("call", &row, call, |shared, call| shared.calls.push(call))?;
        }
        for row in tx.rows(lids).await? {
            self.put("lidStatus", &row, said, |shared, said| shared.lids.push(said))?;
        }
        self.follow_pointers(tx, chunk).await
    }

    fn put<T>(
        &mut self,
        table: &str,
        row: &Row,
        read: fn(&Row) -> Result<T, LedgerError>,
        put: impl FnOnce(&mut Shared, T),
    ) -> Result<(), LedgerError> {
        match row.text(0).and_then(|name| Ok((name_key(&name), read(row)?))) {
            Ok((key, row)) => put(self.by_key.entry(key).or_default(), row),
            Err(error) => {
                let audio_name = row.opt_text(0).ok().flatten();
                self.flaws.push(Flaw { audio_name, ..unreadable(self.batch, None, table, error)? });
            }
        }
        Ok(())
    }

    /// Reads the calls that recordings point to and that are not among the rows
    /// of their names.
    async fn follow_pointers(&mut self, tx: &mut Transaction, chunk: &[Own]) -> Result<(), LedgerError> {
        let is_found = |own: &Own, call: i64| {
            let shared = self.by_key.get(&own.key);
            shared.is_some_and(|shared| shared.calls.iter().any(|found| found.id == call))
        };
        let astray: Vec<(i64, &Own)> = chunk
            .iter()
            .filter_map(|own| Some((own.call?, own)))
            .filter(|(call, own)| !is_found(own, *call))
            .collect();
        for chunk in chunks(&astray) {
            let select = Statement::named("calls_pointed_to", CALL).push("id IN ");
            for row in tx.rows(select.list(chunk.iter().map(|(call, _)| *call))).await? {
                let id = row.int(1)?;
                for (_, own) in chunk.iter().filter(|(call, _)| *call == id) {
                    match call(&row) {
                        Ok(call) => self.by_key.entry(own.key.clone()).or_default().pointed_to = Some(call),
                        Err(error) => {
                            self.flaws.push(unreadable(self.batch, Some(own.ordinal), "call", error)?);
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

fn file(row: &Row) -> Result<File, LedgerError> {
    Ok(File { ip: row.opt_text(1)?, lid_done: row.opt_int(2)?.unwrap_or_default() })
}

fn call(row: &Row) -> Result<Call, LedgerError> {
    Ok(Call {
        audio_name: row.opt_text(0)?,
        id: row.int(1)?,
        batch: row.opt_int(2)?,
        audio_url: row.opt_text(3)?,
        ip: row.opt_text(4)?,
        lang: row.opt_text(5)?,
        language: row.opt_int(6)?,
        duration_seconds: row.opt_real(7)?,
    })
}

fn said(row: &Row) -> Result<Said, LedgerError> {
    Ok(Said { id: row.int(1)?, language: row.opt_text(2)?, duration_seconds: row.opt_real(3)? })
}
