//! What is kept of agents.

use cofi_proto::AgentName;

use super::{
    AgentRecord, Custody, Ledger, LedgerError, Lid,
    batches::count_rows,
    database::Transaction,
    read_transaction,
    sql::{Row, Statement},
    write_transaction,
};

const AGENT_COLUMNS: &str =
    "SELECT name, storageId, advertiseAddress, version, connected, lastSeen FROM cofiAgent";

/// Agents read at a time, where all are wanted.
const PAGE: i64 = 1_000;

impl Ledger {
    /// Writes what is known of an agent.
    pub async fn put_agent(&self, agent: &AgentRecord) -> Result<(), LedgerError> {
        write_transaction!(self, |tx| {
            let update = "UPDATE cofiAgent SET storageId = ?, advertiseAddress = ?, version = ?, connected = ?, \
                          lastSeen = ? WHERE name = ?";
            if tx.execute(bind(Statement::named("update_agent", update), agent)).await? == 0 {
                let insert = "INSERT INTO cofiAgent (storageId, advertiseAddress, version, connected, lastSeen, \
                              name) VALUES (?, ?, ?, ?, ?, ?)";
                tx.execute(bind(Statement::named("insert_agent", insert), agent)).await?;
            }
            Ok(())
        })
    }

    /// Notes that an agent's session has ended.
    pub async fn agent_left(&self, agent: &AgentName, now: i64) -> Result<(), LedgerError> {
        write_transaction!(self, |tx| {
            let update = "UPDATE cofiAgent SET connected = 0, lastSeen = ? WHERE name = ?";
            let update = Statement::named("agent_left", update).bind(now).bind(agent.as_str());
            tx.execute(update).await.map(|_| ())
        })
    }

    /// One agent.
    pub async fn agent(&self, name: &AgentName) -> Result<AgentRecord, LedgerError> {
        read_transaction!(self, |tx| {
            let select = format!("{AGENT_COLUMNS} WHERE name = ?");
            let row = tx.row(Statement::named("read_agent", &select).bind(name.as_str())).await?;
            agent(&row.ok_or_else(|| LedgerError::NoSuchAgent(name.clone()))?)
        })
    }

    /// What the rows say that an agent holds.
    pub async fn custody(&self, name: &AgentName) -> Result<Custody, LedgerError> {
        read_transaction!(self, |tx| {
            let select = "SELECT lid, COUNT(*) FROM cofiRecording WHERE agent = ? GROUP BY lid";
            let select = Statement::named("custody", select).long().bind(name.as_str());
            let mut custody = Custody::default();
            for row in tx.rows(select).await? {
                let recordings = row.count(1)?;
                custody.stored += recordings;
                custody.settled += if row.word::<Lid>(0)? == Lid::None { 0 } else { recordings };
            }
            let select = "SELECT COUNT(*) FROM cofiRelease WHERE agent = ? AND doneAt IS NULL";
            let select = Statement::named("count_releasing", select).long().bind(name.as_str());
            custody.releasing = count_rows(tx, select).await?;
            Ok(custody)
        })
    }

    /// All agents that were ever seen, by name.
    pub async fn all_agents(&self) -> Result<Vec<AgentRecord>, LedgerError> {
        let mut agents: Vec<AgentRecord> = Vec::new();
        loop {
            let after = agents.last().map(|agent| agent.name.to_string()).unwrap_or_default();
            let page = self.agents(&after, PAGE).await?;
            if page.is_empty() {
                return Ok(agents);
            }
            agents.extend(page);
        }
    }

    /// Agents whose name comes after `after`, by name.
    pub async fn agents(&self, after: &str, limit: i64) -> Result<Vec<AgentRecord>, LedgerError> {
        read_transaction!(self, |tx| {
            let select = format!("{AGENT_COLUMNS} WHERE name > ? ORDER BY name LIMIT ?");
            let rows = tx.rows(Statement::named("list_agents", &select).bind(after).bind(limit)).await?;
            rows.iter().map(agent).collect()
        })
    }
}

/// Refuses an agent that was never here.
pub(super) async fn must_be_known(tx: &mut Transaction, agent: &AgentName) -> Result<(), LedgerError> {
    let known = "SELECT name FROM cofiAgent WHERE name = ?";
    let known = Statement::named("agent_is_known", known).bind(agent.as_str());
    tx.row(known).await?.map(|_| ()).ok_or_else(|| LedgerError::NoSuchAgent(agent.clone()))
}

fn bind(statement: Statement, agent: &AgentRecord) -> Statement {
    statement
        .bind(agent.storage_id.as_str())
        .bind(agent.advertise_address.as_str())
        .bind(agent.version.as_str())
        .bind(agent.connected)
        .bind(agent.last_seen)
        .bind(agent.name.as_str())
}

fn agent(row: &Row) -> Result<AgentRecord, LedgerError> {
    Ok(AgentRecord {
        name: row.agent(0, "cofiAgent")?,
        storage_id: row.text(1)?,
        advertise_address: row.text(2)?,
        version: row.text(3)?,
        connected: row.flag(4)?,
        last_seen: row.int(5)?,
    })
}
