//! Servers that are set up in other ways than most.

use cofi_mariadb::Server;

use crate::{
    driving::{self, NEW_ROWS},
    filling::fill,
    fingerprint::Fingerprint,
    place::{PRODUCTION, Place, UNICODE},
};

/// Names of tables in lower case, no strict mode, the strictest isolation, a
/// narrow character set, tables that cannot roll back, a short patience.
const ODD: [&str; 9] = [
    "--lower-case-table-names=1",
    "--sql-mode=",
    "--transaction-isolation=SERIALIZABLE",
    "--character-set-server=latin1",
    "--default-storage-engine=MyISAM",
    "--innodb-default-row-format=compact",
    "--autocommit=0",
    "--lock-wait-timeout=1",
    "--explicit-defaults-for-timestamp=OFF",
];

#[tokio::test]
async fn server_with_odd_settings_is_worked_with() {
    let server = Server::start(&ODD).unwrap();
    let place = Place::named(&server, "old", UNICODE).await;
    // Its tables are what they are whatever the server would make today.
    let tables = PRODUCTION.replace("\n);", "\n) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;");
    place.execute(&tables).await;
    fill(&place, 3, 8).await;
    let before = Fingerprint::of(&place).await;
    assert!(before.rows("batchstatus") == 3);
    place.migrate().await;
    assert_eq!(Fingerprint::of(&place).await, before);
    let aside = [("batchstatus", "currentBatch")];
    let before = Fingerprint::without(&place, &aside).await;
    driving::drive(&place).await;
    let new_rows = NEW_ROWS.map(|(table, rows)| (table.to_lowercase(), rows));
    let new_rows: Vec<(&str, usize)> = new_rows.iter().map(|(table, rows)| (table.as_str(), *rows)).collect();
    before.assert_kept_in(&Fingerprint::without(&place, &aside).await, &new_rows);

    // An empty database is made whole as on any server.
    let empty = Place::named(&server, "New", "").await;
    empty.migrate().await;
    empty.execute("UPDATE `process` SET auditFormId = NULL; INSERT INTO auditForm (id) VALUES (1), (2); UPDATE `process` SET auditFormId = 2").await;
    driving::drive(&empty).await;
    let engines = empty.rows("SELECT DISTINCT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND ENGINE IS NOT NULL").await;
    assert_eq!(engines, [["InnoDB"]]);
    let charsets = empty.rows("SELECT DISTINCT CHARACTER_SET_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'call' AND CHARACTER_SET_NAME IS NOT NULL").await;
    assert_eq!(charsets, [["utf8mb4"]]);
}

#[tokio::test]
async fn server_that_demands_primary_keys_gets_the_indexes_that_it_allows() {
    let server = Server::start(&[]).unwrap();
    let place = Place::named(&server, "keys", UNICODE).await;
    place.execute(PRODUCTION).await;
    fill(&place, 3, 8).await;
    place.execute("SET GLOBAL innodb_force_primary_key = ON").await;
    let before = Fingerprint::of(&place).await;
    let plan = place.migrate().await;
    assert_eq!(
        plan.notes,
        [
            "`fileDistribution` gets no index: it has no primary key, and with innodb_force_primary_key the server changes \
          no such table; distribution is slower without it"
        ]
    );
    assert_eq!(Fingerprint::of(&place).await, before);
    driving::drive(&place).await;

    // There is no table without a key to be made, and that is said.
    let empty = Place::named(&server, "empty", UNICODE).await;
    let findings = empty.plan().await.unwrap_err().to_string();
    assert!(findings.contains("SET GLOBAL innodb_force_primary_key = OFF"), "{findings}");
    empty.execute("SET GLOBAL innodb_force_primary_key = OFF").await;
    empty.migrate().await;
}

#[tokio::test]
async fn server_that_would_refuse_or_lose_rows_is_told() {
    let server = Server::start(&[
        "--log-bin",
        "--binlog-format=STATEMENT",
        "--max-allowed-packet=1M",
        "--innodb-flush-log-at-trx-commit=2",
    ])
    .unwrap();
    let place = Place::named(&server, "logged", UNICODE).await;
    place.execute(PRODUCTION).await;
    fill(&place, 3, 8).await;
    let told = place.plan().await.unwrap_err().to_string();
    for statement in ["SET GLOBAL binlog_format = 'ROW'", "SET GLOBAL max_allowed_packet = 16777216"] {
        assert!(told.contains(statement), "{told}");
        place.execute(statement).await;
    }
    let plan = place.migrate().await;
    assert!(plan.notes[0].starts_with("innodb_flush_log_at_trx_commit is 2: "), "{:?}", plan.notes);
    driving::drive(&place).await;
    place.execute("SET GLOBAL binlog_format = 'STATEMENT'").await;
    assert!(place.open().await.unwrap_err().to_string().contains("binlog_format"));
}
