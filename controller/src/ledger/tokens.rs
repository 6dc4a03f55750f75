//! Tokens: their hashes, and what has become of them.

use cofi_identity::{
    KeyHash,
    token::{AccessRecord, Role, TokenHash, TokenId},
};

use super::{
    Ledger, LedgerError, NewToken, TokenKind, TokenPurpose, TokenRecord,
    audit::{Target, beginning},
    database::Transaction,
    read_transaction,
    sql::{Row, Statement},
    standing, write_transaction,
};

const COLUMNS: &str = "SELECT id, tokenId, kind, agent, hash, note, createdAt, expiresAt, revokedAt, usedAt, usedBy \
                       FROM cofiToken";
/// Characters that the column of notes holds.
const NOTE: usize = 200;

impl Ledger {
    /// Records a token. The same one again is left as it is. A removed agent
    /// gets none to join with.
    pub async fn add_token(&self, new: &NewToken) -> Result<(), LedgerError> {
        write_transaction!(self, |tx| {
            if read(tx, new.id).await?.is_some_and(|known| known.hash == new.hash) {
                return Ok(());
            }
            let (kind, agent) = match &new.purpose {
                TokenPurpose::Join(agent) => {
                    standing::must_not_be_removed(tx, agent).await?;
                    (TokenKind::Join, Some(agent))
                }
                TokenPurpose::Access(Role::Viewer) => (TokenKind::Viewer, None),
                TokenPurpose::Access(Role::Operator) => (TokenKind::Operator, None),
            };
            let columns = "INSERT INTO cofiToken (tokenId, kind, agent, hash, note, createdAt, expiresAt) \
                           VALUES (?, ?, ?, ?, ?, ?, ?)";
            let insert = Statement::named("add_token", columns)
                .bind(new.id.to_string())
                .bind(kind.as_str())
                .bind(agent.map(cofi_proto::AgentName::as_str))
                .bind(&new.hash.as_bytes()[..])
                .bind(beginning(&new.note, NOTE))
                .bind(new.created_at)
                .bind(new.expires_at);
            tx.execute(insert).await.map_err(LedgerError::contended_key)?;
            let words = match (agent, new.note.as_str()) {
                (Some(agent), _) => format!("{} {agent}", kind.as_str()),
                (None, "") => kind.as_str().to_owned(),
                (None, note) => format!("{}: {note}", kind.as_str()),
            };
            self.note_deed(tx, Target::Token(new.id), &words).await
        })
    }

    /// One token.
    pub async fn token(&self, id: TokenId) -> Result<TokenRecord, LedgerError> {
        self.find_token(id).await?.ok_or(LedgerError::NoSuchToken(id))
    }

    pub(super) async fn find_token(&self, id: TokenId) -> Result<Option<TokenRecord>, LedgerError> {
        read_transaction!(self, |tx| { read(tx, id).await })
    }

    /// The tokens with which callers can come in at `now` or later: neither
    /// revoked nor expired.
    pub async fn access_tokens(&self, now: i64) -> Result<Vec<(TokenId, AccessRecord)>, LedgerError> {
        read_transaction!(self, |tx| {
            let select = format!(
                "{COLUMNS} WHERE kind <> 'join' AND revokedAt IS NULL AND (expiresAt IS NULL OR expiresAt > ?) \
                 ORDER BY id"
            );
            let rows = tx.rows(Statement::named("access_tokens", &select).bind(now)).await?;
            let mut tokens = Vec::with_capacity(rows.len());
            for row in rows {
                let token = token(&row)?;
                tokens.extend(token.access_record().map(|record| (token.id, record)));
            }
            Ok(tokens)
        })
    }

    /// Tokens that come before `before` in the order of their sequence, newest
    /// first: all, or those that let somebody in at `now`.
    pub async fn tokens(
        &self,
        all: bool,
        before: i64,
        limit: i64,
        now: i64,
    ) -> Result<Vec<TokenRecord>, LedgerError> {
        read_transaction!(self, |tx| {
            let mut select = Statement::named("list_tokens", COLUMNS).push(" WHERE id < ?").bind(before);
            if !all {
                let good =
                    " AND revokedAt IS NULL AND usedAt IS NULL AND (expiresAt IS NULL OR expiresAt > ?)";
                select = select.push(good).bind(now);
            }
            let rows = tx.rows(select.push(" ORDER BY id DESC LIMIT ?").bind(limit)).await?;
            rows.iter().map(token).collect()
        })
    }

    /// Revokes a token, and says what is recorded of it. Again: nothing more.
    pub async fn revoke_token(&self, id: TokenId, now: i64) -> Result<TokenRecord, LedgerError> {
        write_transaction!(self, |tx| {
            let update = "UPDATE cofiToken SET revokedAt = ? WHERE tokenId = ? AND revokedAt IS NULL";
            let update = Statement::named("revoke_token", update).bind(now).bind(id.to_string());
            let revoked = tx.execute(update).await? > 0;
            let record = read(tx, id).await?.ok_or(LedgerError::NoSuchToken(id))?;
            if revoked {
                self.note_deed(tx, Target::Token(id), &described(&record)).await?;
            }
            Ok(record)
        })
    }
}

/// What a token is, in words.
fn described(token: &TokenRecord) -> String {
    match &token.purpose {
        TokenPurpose::Join(agent) => format!("join {agent}"),
        TokenPurpose::Access(role) if token.note.is_empty() => role.to_string(),
        TokenPurpose::Access(role) => format!("{role}: {}", token.note),
    }
}

/// The row of a token.
pub(super) async fn read(tx: &mut Transaction, id: TokenId) -> Result<Option<TokenRecord>, LedgerError> {
    let select = Statement::named("token", COLUMNS).push(" WHERE tokenId = ?").bind(id.to_string());
    tx.row(select).await?.as_ref().map(token).transpose()
}

fn token(row: &Row) -> Result<TokenRecord, LedgerError> {
    let purpose = match row.word(2)? {
        TokenKind::Join => TokenPurpose::Join(row.agent(3, "cofiToken")?),
        TokenKind::Viewer => TokenPurpose::Access(Role::Viewer),
        TokenKind::Operator => TokenPurpose::Access(Role::Operator),
    };
    Ok(TokenRecord {
        sequence: row.int(0)?,
        id: row.parsed(1)?,
        purpose,
        hash: TokenHash::from_bytes(row.array(4)?),
        note: row.text(5)?,
        created_at: row.int(6)?,
        expires_at: row.opt_int(7)?,
        revoked_at: row.opt_int(8)?,
        used_at: row.opt_int(9)?,
        used_by: row.opt_array(10)?.map(KeyHash::from_bytes),
    })
}
