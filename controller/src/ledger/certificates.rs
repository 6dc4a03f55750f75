//! Certificates of agents: joining, renewing, revoking.
//!
//! What gives or takes a certificate runs one after another ([`lock`]): a
//! certificate that is issued while the agent's are revoked would stay good.

use cofi_identity::{
    AgentCertificate, Facts, IssueError, KeyHash, Serial, Validity,
    token::{Admission, JoinRefused, JoinToken, TokenId},
};
use cofi_proto::AgentName;

use super::{
    AgentRevoked, Joined, Ledger, LedgerError, TokenRecord, agents, audit::Target, batches,
    database::Transaction, read_transaction, sql::Statement, standing, tokens, write_transaction,
};

/// Certificates of one agent that are good at a time. One that renews in time
/// has three.
const MOST_CERTIFICATES: u64 = 16;

impl Ledger {
    /// Lets a machine join that says it is `agent`, holds `token` and wants a
    /// certificate for `key`: `issue` makes it, perhaps more than once. The
    /// certificates that the agent had before are revoked. The same token with
    /// the same key gets the same certificate again.
    pub async fn join(
        &self,
        token: &JoinToken,
        agent: &AgentName,
        key: KeyHash,
        now: i64,
        mut issue: impl FnMut() -> Result<AgentCertificate, IssueError> + Send,
    ) -> Result<Joined, LedgerError> {
        // Anybody may ask: who is refused anyhow must not hold up those who
        // write.
        admit(self.find_token(token.id()).await?.as_ref(), token, agent, key, now)?;
        write_transaction!(self, |tx| {
            lock(tx).await?;
            let admission = admit(tokens::read(tx, token.id()).await?.as_ref(), token, agent, key, now)?;
            standing::must_not_be_removed(tx, agent).await?;
            let certificate = match admission {
                Admission::Again => answered_before(tx, token.id(), agent, key).await?,
                Admission::First => {
                    let issued = issue().map_err(|error| LedgerError::Issue(agent.clone(), error))?;
                    revoke(tx, agent, now).await?;
                    insert(tx, agent, key, &issued, now).await?;
                    use_token(tx, token.id(), key, &issued, now).await?;
                    let words = format!("joined with token {}, certificate {}", token.id(), issued.serial);
                    self.note_deed(tx, Target::Agent(agent), &words).await?;
                    issued.der.to_vec()
                }
            };
            Ok(Joined { certificate, revoked: revoked_of(tx, agent, now).await? })
        })
    }

    /// Gives an agent that came with the certificate `shown` one for `key`;
    /// `issue` makes it, perhaps more than once. Asked again with the same key:
    /// the same certificate, as long as it is good. The one that it came with
    /// stays good.
    pub async fn renew(
        &self,
        agent: &AgentName,
        shown: Serial,
        key: KeyHash,
        now: i64,
        mut issue: impl FnMut() -> Result<AgentCertificate, IssueError> + Send,
    ) -> Result<Vec<u8>, LedgerError> {
        write_transaction!(self, |tx| {
            lock(tx).await?;
            must_not_be_revoked(tx, agent, shown).await?;
            standing::must_not_be_removed(tx, agent).await?;
            if let Some(certificate) = good_for(tx, agent, key, now).await? {
                return Ok(certificate);
            }
            must_not_have_too_many(tx, agent, now).await?;
            let issued = issue().map_err(|error| LedgerError::Issue(agent.clone(), error))?;
            insert(tx, agent, key, &issued, now).await?;
            self.note_deed(tx, Target::Agent(agent), &format!("certificate {}", issued.serial)).await?;
            Ok(issued.der.to_vec())
        })
    }

    /// Revokes the certificates of an agent that are not expired. Two calls have
    /// two times; the same one again is answered alike.
    pub async fn revoke_agent(&self, agent: &AgentName, now: i64) -> Result<AgentRevoked, LedgerError> {
        write_transaction!(self, |tx| {
            lock(tx).await?;
            let revoked = revoke(tx, agent, now).await?;
            if revoked > 0 {
                self.note_deed(tx, Target::Agent(agent), &format!("{revoked} certificates")).await?;
            } else if !had_one(tx, agent).await? {
                agents::must_be_known(tx, agent).await?;
            }
            let count = "SELECT COUNT(*) FROM cofiAgentCertificate WHERE agent = ? AND revokedAt = ?";
            let count = Statement::named("count_revoked_now", count).bind(agent.as_str()).bind(now);
            Ok(AgentRevoked {
                certificates: batches::count_rows(tx, count).await?,
                serials: revoked_of(tx, agent, now).await?,
            })
        })
    }

    /// Notes a certificate that an agent shows and the ledger may not know: one
    /// that was issued after the backup from which the database was restored.
    /// From then on it can be revoked. Nothing happens to one that is known.
    pub async fn know_certificate(
        &self,
        agent: &AgentName,
        facts: &Facts,
        certificate: &[u8],
    ) -> Result<(), LedgerError> {
        if read_transaction!(self, |tx| { is_known(tx, facts.serial).await })? {
            return Ok(());
        }
        write_transaction!(self, |tx| {
            lock(tx).await?;
            if is_known(tx, facts.serial).await? {
                return Ok(());
            }
            let Validity { not_before_micros, not_after_micros } = facts.validity;
            let row =
                insertion(agent, facts.serial, facts.key, [not_before_micros, not_after_micros], certificate);
            tx.execute(row).await.map(|_| ())
        })
    }

    /// All certificates that are revoked and would be good at `now`.
    pub async fn revoked_serials(&self, now: i64) -> Result<Vec<Serial>, LedgerError> {
        read_transaction!(self, |tx| {
            let select =
                "SELECT serial FROM cofiAgentCertificate WHERE expiresAt >= ? AND revokedAt IS NOT NULL";
            let rows = tx.rows(Statement::named("revoked_serials", select).bind(now)).await?;
            rows.iter().map(|row| row.parsed(0)).collect()
        })
    }

    /// Forgets certificates that expired before: how many.
    pub async fn prune_certificates(&self, expired_before: i64) -> Result<u64, LedgerError> {
        write_transaction!(self, |tx| {
            let delete = "DELETE FROM cofiAgentCertificate WHERE expiresAt < ?";
            tx.execute(Statement::named("prune_certificates", delete).bind(expired_before)).await
        })
    }
}

/// Waits for others that give or take certificates: perhaps this very call,
/// whose COMMIT is not answered and not done. These calls are rare, and a row
/// for each agent is not there before its first session.
pub(super) async fn lock(tx: &mut Transaction) -> Result<(), LedgerError> {
    let select = "SELECT one FROM cofiMeta WHERE one = 1";
    tx.row(Statement::named("lock_certificates", select).push(tx.for_update())).await.map(|_| ())
}

/// A token of another kind is as good as none.
fn admit(
    found: Option<&TokenRecord>,
    token: &JoinToken,
    agent: &AgentName,
    key: KeyHash,
    now: i64,
) -> Result<Admission, LedgerError> {
    let record = found.and_then(TokenRecord::join_record);
    let record = record.ok_or_else(|| JoinRefused::Unknown { asked: agent.clone() })?;
    Ok(record.admit(token, agent, key, now)?)
}

/// What the machine was answered when it joined.
async fn answered_before(
    tx: &mut Transaction,
    token: TokenId,
    agent: &AgentName,
    key: KeyHash,
) -> Result<Vec<u8>, LedgerError> {
    let select = "SELECT certificate FROM cofiToken WHERE tokenId = ?";
    let row = tx.row(Statement::named("answered_before", select).bind(token.to_string())).await?;
    let certificate = row.ok_or(LedgerError::NoSuchToken(token))?.blob(0)?;
    // It would be refused at once: that there must be a new token is said here.
    let select = "SELECT serial FROM cofiAgentCertificate WHERE agent = ? AND keyHash = ? \
                  AND certificate = ? AND revokedAt IS NOT NULL";
    let select = Statement::named("answer_is_revoked", select)
        .bind(agent.as_str())
        .bind(&key.as_bytes()[..])
        .bind(&certificate[..]);
    if tx.row(select).await?.is_some() {
        return Err(LedgerError::CertificateRevoked(agent.clone()));
    }
    Ok(certificate)
}

async fn use_token(
    tx: &mut Transaction,
    token: TokenId,
    key: KeyHash,
    issued: &AgentCertificate,
    now: i64,
) -> Result<(), LedgerError> {
    let update = "UPDATE cofiToken SET usedAt = ?, usedBy = ?, certificate = ? WHERE tokenId = ? AND usedAt IS NULL \
                  AND revokedAt IS NULL";
    let update = Statement::named("use_token", update)
        .bind(now)
        .bind(&key.as_bytes()[..])
        .bind(&issued.der[..])
        .bind(token.to_string());
    tx.guarded("use_token", update, 1).await
}

/// One that the ledger does not know was issued by the authority all the same,
/// before a backup of the database was restored.
async fn must_not_be_revoked(
    tx: &mut Transaction,
    agent: &AgentName,
    shown: Serial,
) -> Result<(), LedgerError> {
    let select = "SELECT revokedAt FROM cofiAgentCertificate WHERE serial = ?";
    let row = tx.row(Statement::named("certificate_shown", select).bind(shown.to_string())).await?;
    let revoked_at = row.map(|row| row.opt_int(0)).transpose()?.flatten();
    revoked_at.map_or(Ok(()), |_| Err(LedgerError::CertificateRevoked(agent.clone())))
}

/// Each renewal leaves a row, and another one in the audit.
async fn must_not_have_too_many(
    tx: &mut Transaction,
    agent: &AgentName,
    now: i64,
) -> Result<(), LedgerError> {
    let count =
        "SELECT COUNT(*) FROM cofiAgentCertificate WHERE agent = ? AND revokedAt IS NULL AND expiresAt >= ?";
    let count = Statement::named("count_good_certificates", count).bind(agent.as_str()).bind(now);
    if batches::count_rows(tx, count).await? >= MOST_CERTIFICATES {
        return Err(LedgerError::TooManyCertificates(agent.clone(), MOST_CERTIFICATES));
    }
    Ok(())
}

/// The newest certificate of an agent for a key, if one is good.
async fn good_for(
    tx: &mut Transaction,
    agent: &AgentName,
    key: KeyHash,
    now: i64,
) -> Result<Option<Vec<u8>>, LedgerError> {
    let select = "SELECT certificate FROM cofiAgentCertificate WHERE agent = ? AND keyHash = ? \
                  AND revokedAt IS NULL AND expiresAt >= ? ORDER BY issuedAt DESC LIMIT 1";
    let select =
        Statement::named("good_certificate", select).bind(agent.as_str()).bind(&key.as_bytes()[..]).bind(now);
    tx.row(select).await?.map(|row| row.blob(0)).transpose()
}

async fn is_known(tx: &mut Transaction, serial: Serial) -> Result<bool, LedgerError> {
    let select = "SELECT agent FROM cofiAgentCertificate WHERE serial = ?";
    Ok(tx.row(Statement::named("is_certificate_known", select).bind(serial.to_string())).await?.is_some())
}

async fn insert(
    tx: &mut Transaction,
    agent: &AgentName,
    key: KeyHash,
    issued: &AgentCertificate,
    now: i64,
) -> Result<(), LedgerError> {
    let times = [now, issued.validity.not_after_micros];
    tx.execute(insertion(agent, issued.serial, key, times, &issued.der)).await.map(|_| ())
}

/// `times` are when it was issued and its last moment.
fn insertion(
    agent: &AgentName,
    serial: Serial,
    key: KeyHash,
    times: [i64; 2],
    certificate: &[u8],
) -> Statement {
    let columns = "INSERT INTO cofiAgentCertificate (serial, agent, keyHash, issuedAt, expiresAt, certificate) \
                   VALUES (?, ?, ?, ?, ?, ?)";
    let [issued_at, expires_at] = times;
    Statement::named("insert_certificate", columns)
        .bind(serial.to_string())
        .bind(agent.as_str())
        .bind(&key.as_bytes()[..])
        .bind(issued_at)
        .bind(expires_at)
        .bind(certificate)
}

/// Revokes what an agent has of good certificates: how many.
async fn revoke(tx: &mut Transaction, agent: &AgentName, now: i64) -> Result<u64, LedgerError> {
    let update = "UPDATE cofiAgentCertificate SET revokedAt = ? WHERE agent = ? AND revokedAt IS NULL AND expiresAt >= ?";
    tx.execute(Statement::named("revoke_certificates", update).bind(now).bind(agent.as_str()).bind(now)).await
}

async fn revoked_of(tx: &mut Transaction, agent: &AgentName, now: i64) -> Result<Vec<Serial>, LedgerError> {
    let select = "SELECT serial FROM cofiAgentCertificate WHERE agent = ? AND revokedAt IS NOT NULL \
                  AND expiresAt >= ? ORDER BY serial";
    let select = Statement::named("revoked_of_agent", select).bind(agent.as_str()).bind(now);
    tx.rows(select).await?.iter().map(|row| row.parsed(0)).collect()
}

async fn had_one(tx: &mut Transaction, agent: &AgentName) -> Result<bool, LedgerError> {
    let select = "SELECT serial FROM cofiAgentCertificate WHERE agent = ? LIMIT 1";
    Ok(tx.row(Statement::named("had_certificate", select).bind(agent.as_str())).await?.is_some())
}
