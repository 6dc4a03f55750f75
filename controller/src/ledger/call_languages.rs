//! The language of calls: which `language.id` a code has, and writing both
//! with the duration.

use std::collections::HashMap;

use cofi_proto::BatchId;

use super::{
    LedgerError,
    database::Transaction,
    repertoire::comparable,
    sql::{Statement, Value, chunks},
};

/// What a row of `call` is to say.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallLanguage<'a> {
    /// `call.id`.
    pub(super) call: i64,
    /// What `lang` becomes.
    pub(super) language: &'a str,
    /// What `audioDuration` becomes.
    pub(super) duration_seconds: Option<f64>,
}

/// `language.id` by code.
#[derive(Debug, Default)]
pub(super) struct LanguageIds(HashMap<String, i64>);

impl LanguageIds {
    /// Reads them for these codes.
    pub(super) async fn read<'a>(
        tx: &mut Transaction,
        codes: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, LedgerError> {
        let mut codes = comparable(tx, ("language", "languageCode"), codes).await?;
        codes.sort_unstable();
        codes.dedup();
        let mut ids = HashMap::with_capacity(codes.len());
        for chunk in chunks(&codes) {
            let select = "SELECT languageCode, MIN(id) FROM `language` WHERE languageCode IN ";
            let select = Statement::named("language_ids", select).list(chunk.iter().copied());
            for row in tx.rows(select.push(" GROUP BY languageCode")).await? {
                ids.insert(row.text(0)?.trim_end().to_lowercase(), row.int(1)?);
            }
        }
        Ok(Self(ids))
    }

    /// None if the table has no such code.
    pub(super) fn of(&self, code: &str) -> Option<i64> {
        self.0.get(&code.to_lowercase()).copied()
    }
}

/// Writes the languages of a batch's calls. Whoever runs it compares how many
/// rows it found: another service may have deleted some, and their ids may
/// have been given to another batch's.
pub(super) fn write_languages(batch: BatchId, chunk: &[CallLanguage<'_>], ids: &LanguageIds) -> Statement {
    Statement::named("identify_calls", "UPDATE `call` SET updatedAt = CURRENT_TIMESTAMP, lang = ")
        .case("id", chunk.iter().map(|it| (it.call, it.language)))
        .push(", languageId = ")
        .case("id", chunk.iter().map(|it| (it.call, Value::from(ids.of(it.language)))))
        .push(", audioDuration = ")
        .case("id", chunk.iter().map(|it| (it.call, Value::from(it.duration_seconds))))
        .push(" WHERE batchId = ? AND id IN ")
        .bind(batch.0)
        .list(chunk.iter().map(|it| it.call))
}
