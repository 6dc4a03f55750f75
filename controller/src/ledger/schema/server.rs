//! How a server is set up, as far as it is in Cofi's way or of interest.

use std::collections::HashMap;

use super::{Finding, mend::Mend};
use crate::ledger::{LedgerError, database::Transaction, sql::Statement};

/// Least bytes of a statement that a server must take: those of the ledger
/// stay below half of it.
const LEAST_PACKET: u64 = 2 << 20;

/// The variables of a server that matter. Those of MySQL are unknown to
/// MariaDB and the other way round, which is no error.
#[derive(Debug)]
pub(super) struct Server(HashMap<String, String>);

impl Server {
    #[cfg(test)]
    pub(super) fn of_version(version: &str) -> Self {
        Self(HashMap::from([("version".to_owned(), version.to_owned())]))
    }

    pub(super) async fn read(tx: &mut Transaction) -> Result<Self, LedgerError> {
        let select = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'lower_case_table_names', \
                      'innodb_page_size', 'innodb_force_primary_key', 'sql_require_primary_key', 'log_bin', \
                      'binlog_format', 'max_allowed_packet', 'innodb_flush_log_at_trx_commit', 'wsrep_on')";
        let rows = tx.rows(Statement::named("server_variables", select)).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect::<Result<_, LedgerError>>().map(Self)
    }

    fn variable(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn is_on(&self, name: &str) -> bool {
        self.variable(name).eq_ignore_ascii_case("ON")
    }

    /// Whether defaults of columns are told as SQL has them, not as bare
    /// values.
    pub(super) fn quotes_defaults(&self) -> bool {
        self.variable("version").contains("MariaDB")
    }

    /// Whether names of tables are the same in upper and lower case.
    pub(super) fn folds_names(&self) -> bool {
        !matches!(self.variable("lower_case_table_names"), "" | "0")
    }

    /// Bytes of a page of `InnoDB`.
    pub(super) fn page_size(&self) -> i64 {
        self.variable("innodb_page_size").parse().unwrap_or(16_384)
    }

    /// The variable by which the server refuses tables without a primary key.
    pub(super) fn demands_keys(&self) -> Option<&'static str> {
        ["innodb_force_primary_key", "sql_require_primary_key"].into_iter().find(|name| self.is_on(name))
    }

    /// What keeps a controller from working with the server.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let format = self.variable("binlog_format");
        if self.is_on("log_bin") && format.eq_ignore_ascii_case("STATEMENT") {
            findings.push(Finding::new(
                "the server logs statements (binlog_format), which it refuses to do at READ COMMITTED",
                Mend::Statement("SET GLOBAL binlog_format = 'ROW'".to_owned()),
            ));
        }
        let packet: Option<u64> = self.variable("max_allowed_packet").parse().ok();
        if let Some(packet) = packet.filter(|packet| *packet < LEAST_PACKET) {
            findings.push(Finding::new(
                format!("the server takes statements of {packet} bytes at most (max_allowed_packet)"),
                Mend::Statement("SET GLOBAL max_allowed_packet = 16777216".to_owned()),
            ));
        }
        findings
    }

    /// What whoever looks after the server should know.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let flush = self.variable("innodb_flush_log_at_trx_commit");
        if !matches!(flush, "" | "1") {
            notes.push(format!(
                "innodb_flush_log_at_trx_commit is {flush}: when the server's machine fails, rows of the last \
                 moments may be lost although Cofi acted on them; set it to 1"
            ));
        }
        if self.is_on("wsrep_on") {
            notes.push(
                "the server is part of a Galera cluster: connect to one node only; with several writers Cofi \
                 promises nothing"
                    .to_owned(),
            );
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(variables: &[(&str, &str)]) -> Server {
        Server(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn usual_server_has_nothing_in_the_way_and_nothing_to_note() {
        for version in ["10.11.6-MariaDB-log", "8.0.36"] {
            let server = server(&[
                ("version", version),
                ("log_bin", "ON"),
                ("binlog_format", "ROW"),
                ("max_allowed_packet", "67108864"),
                ("innodb_flush_log_at_trx_commit", "1"),
                ("innodb_page_size", "16384"),
                ("lower_case_table_names", "0"),
                ("sql_require_primary_key", "OFF"),
                ("wsrep_on", "OFF"),
            ]);
            assert_eq!(server.findings(), []);
            assert!(server.notes().is_empty());
            assert_eq!(server.demands_keys(), None);
            assert!(!server.folds_names());
            assert_eq!(server.quotes_defaults(), version.contains("MariaDB"));
        }
    }

    #[test]
    fn format_of_a_log_that_is_not_kept_is_in_nobodys_way() {
        assert_eq!(server(&[("log_bin", "OFF"), ("binlog_format", "STATEMENT")]).findings(), []);
    }

    #[test]
    fn cluster_is_noted_and_keys_that_mysql_demands_are_known() {
        assert!(server(&[("wsrep_on", "ON")]).notes()[0].contains("Galera"));
        let demands = server(&[("sql_require_primary_key", "ON")]).demands_keys();
        assert_eq!(demands, Some("sql_require_primary_key"));
    }
}
