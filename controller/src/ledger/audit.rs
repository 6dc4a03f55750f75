//! What was done by whom: rows in `cofiAudit`, which nobody changes.
//!
//! A row about something that was done is written in the transaction that did
//! it, so that neither is there without the other. It carries the id of its
//! deed: a transaction that runs again, and the next one of the same deed, find
//! it. What was refused is counted elsewhere and comes here in groups.

use std::fmt;

use cofi_identity::token::TokenId;
use cofi_proto::{AgentName, BatchId};
use uuid::Uuid;

use super::{
    AuditEntry, AuditFilter, AuditRecord, Ledger, LedgerError,
    database::Transaction,
    read_transaction,
    sql::{Row, Statement, chunks},
    write_transaction,
};

/// Characters that the columns hold. What clients say must not fail an insert.
const ACTOR: usize = 100;
const PEER: usize = 64;
const ACTION: usize = 100;
const TARGET: usize = 200;
const DETAIL: usize = 1_000;

/// What a change is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<'a> {
    Batch(BatchId),
    Agent(&'a AgentName),
    Token(TokenId),
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch(batch) => write!(f, "batch:{batch}"),
            Self::Agent(agent) => write!(f, "agent:{agent}"),
            Self::Token(token) => write!(f, "token:{token}"),
        }
    }
}

impl Ledger {
    /// Writes the deed that this ledger acts for, unless it is written already.
    pub(super) async fn note_deed(
        &self,
        tx: &mut Transaction,
        target: Target<'_>,
        words: &str,
    ) -> Result<(), LedgerError> {
        let Some(deed) = &self.deed else { return Ok(()) };
        if is_noted(tx, deed.id()).await? {
            return Ok(());
        }
        let filled = |said: &str, found: String| if said.is_empty() { found } else { said.to_owned() };
        let entry = AuditEntry {
            at: deed.at,
            actor: deed.actor.clone(),
            peer: deed.peer.clone(),
            action: deed.action.clone(),
            target: filled(&deed.target, target.to_string()),
            denied: false,
            detail: filled(&deed.detail, words.to_owned()),
            count: 1,
        };
        insert(tx, &[(deed.id(), &entry)]).await
    }

    /// Writes down what was refused: entries that count what was alike.
    pub async fn note_denials(&self, denials: &[AuditEntry]) -> Result<(), LedgerError> {
        let denials: Vec<(Uuid, &AuditEntry)> = denials.iter().map(|entry| (Uuid::new_v4(), entry)).collect();
        let Some((first, _)) = denials.first() else { return Ok(()) };
        write_transaction!(self, |tx| {
            if is_noted(tx, *first).await? {
                return Ok(());
            }
            insert(tx, &denials).await
        })
    }

    /// Entries of the audit with numbers below `before`, newest first.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        before: i64,
        limit: i64,
    ) -> Result<Vec<AuditRecord>, LedgerError> {
        read_transaction!(self, |tx| {
            let columns = "SELECT id, `at`, actor, peer, action, target, denied, detail, `count` \
                           FROM cofiAudit WHERE id < ?";
            let mut select = Statement::named("list_audit", columns).bind(before);
            if let Some(actor) = &filter.actor {
                select = select.push(" AND actor = ?").bind(actor.as_str());
            }
            if let Some(target) = &filter.target {
                select = select.push(" AND target = ?").bind(target.as_str());
            }
            if filter.denied_only {
                select = select.push(" AND denied = 1");
            }
            let rows = tx.rows(select.push(" ORDER BY id DESC LIMIT ?").bind(limit)).await?;
            rows.iter().map(record).collect()
        })
    }
}

async fn is_noted(tx: &mut Transaction, deed: Uuid) -> Result<bool, LedgerError> {
    let select = "SELECT id FROM cofiAudit WHERE deed = ?";
    let select = Statement::named("deed_is_noted", select).bind(&deed.as_bytes()[..]);
    Ok(tx.row(select).await?.is_some())
}

async fn insert(tx: &mut Transaction, entries: &[(Uuid, &AuditEntry)]) -> Result<(), LedgerError> {
    for chunk in chunks(entries) {
        let columns = "INSERT INTO cofiAudit (deed, `at`, actor, peer, action, target, denied, detail, `count`) \
                       VALUES ";
        let insert = Statement::named("note_audit", columns).tuples(
            "(?, ?, ?, ?, ?, ?, ?, ?, ?)",
            chunk,
            |insert, (deed, entry)| {
                insert
                    .bind(&deed.as_bytes()[..])
                    .bind(entry.at)
                    .bind(beginning(&entry.actor, ACTOR))
                    .bind(beginning(&entry.peer, PEER))
                    .bind(beginning(&entry.action, ACTION))
                    .bind(beginning(&entry.target, TARGET))
                    .bind(entry.denied)
                    .bind(beginning(&entry.detail, DETAIL))
                    .bind(i64::from(entry.count))
            },
        );
        // Written by this very call, whose COMMIT is not answered and was not
        // done when it looked: found when it runs again.
        tx.execute(insert).await.map_err(LedgerError::contended_key)?;
    }
    Ok(())
}

/// So many characters of a text at most.
pub(super) fn beginning(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(end, _)| &text[..end])
}

fn record(row: &Row) -> Result<AuditRecord, LedgerError> {
    let entry = AuditEntry {
        at: row.int(1)?,
        actor: row.text(2)?,
        peer: row.text(3)?,
        action: row.text(4)?,
        target: row.text(5)?,
        denied: row.flag(6)?,
        detail: row.text(7)?,
        count: u32::try_from(row.count(8)?).unwrap_or(u32::MAX),
    };
    Ok(AuditRecord { id: row.int(0)?, entry })
}

#[cfg(test)]
mod tests {
    use super::beginning;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(beginning("äöü", 2), "äö");
        assert_eq!(beginning("äöü", 3), "äöü");
        assert_eq!(beginning("", 0), "");
    }
}
