//! Texts and columns whose character sets differ.
//!
//! A server does not compare a column with a text that has characters which
//! the column's character set lacks ("illegal mix of collations"), and does
//! not store one: each would stop a whole group. No row holds such a text, so
//! it is left out of what is looked for; a language that no column can hold is
//! undetermined.

use cofi_language::LanguageCode;
use cofi_proto::session::LidOutcome;

use super::{LedgerError, ReportedResult, database::Transaction};

/// Columns that get an engine's word for a language.
const LANGUAGE_COLUMNS: [(&str, &str); 2] = [("call", "lang"), ("lidStatus", "language")];

/// Those of these texts that a column may hold.
pub(super) async fn comparable<'a>(
    tx: &mut Transaction,
    (table, column): (&str, &str),
    texts: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<&'a str>, LedgerError> {
    let mut texts: Vec<&str> = texts.into_iter().collect();
    // Every character set has these.
    if texts.iter().all(|text| text.is_ascii()) {
        return Ok(texts);
    }
    if let Some(column) = tx.text_column(table, column).await? {
        texts.retain(|text| column.repertoire.has(text));
    }
    Ok(texts)
}

/// The same results with languages that the columns can hold; none if they can
/// hold these.
pub(super) async fn with_languages_that_fit(
    tx: &mut Transaction,
    group: &[ReportedResult],
) -> Result<Option<Vec<ReportedResult>>, LedgerError> {
    if group.iter().filter_map(language).all(|said| said.is_ascii() && said.len() <= LanguageCode::MAX_CHARS)
    {
        return Ok(None);
    }
    let mut columns = Vec::with_capacity(LANGUAGE_COLUMNS.len());
    for (table, column) in LANGUAGE_COLUMNS {
        columns.extend(tx.text_column(table, column).await?);
    }
    let mut fitted = group.to_vec();
    for result in &mut fitted {
        let LidOutcome::Identified(identified) = &mut result.outcome else { continue };
        if columns.iter().any(|column| !column.holds(&identified.language)) {
            tracing::warn!(
                agent = %result.agent,
                recording = %result.recording,
                said = identified.language,
                "no column can hold this language: it is undetermined"
            );
            LanguageCode::UNDETERMINED.as_str().clone_into(&mut identified.language);
        }
    }
    Ok(Some(fitted))
}

fn language(result: &ReportedResult) -> Option<&str> {
    match &result.outcome {
        LidOutcome::Identified(identified) => Some(&identified.language),
        LidOutcome::Failed(_) => None,
    }
}
