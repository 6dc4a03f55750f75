//! Databases that Cofi cannot work on as they are: refused with words, and
//! mended by exactly the statements that those words have.

use cofi_controller::ledger::{Finding, LedgerError, Mend};
use rstest::rstest;

use crate::{driving, fingerprint::Fingerprint, place::Place};

/// What is in the way, and that looking at it changed nothing.
async fn findings(place: &Place<'_>) -> Vec<Finding> {
    let before = Fingerprint::of(place).await;
    let findings = match place.plan().await {
        Err(LedgerError::Unfit(findings)) => findings,
        other => panic!("{other:?}"),
    };
    assert_eq!(Fingerprint::of(place).await, before);
    findings
}

/// Runs every statement that is told, until none is left: how many. Each must
/// make its finding go away.
async fn mend(place: &Place<'_>) -> usize {
    let mut mended: Vec<Finding> = Vec::new();
    while let Err(LedgerError::Unfit(findings)) = place.plan().await {
        for finding in &findings {
            let Mend::Statement(statement) = &finding.mend else { panic!("no statement: {finding}") };
            assert!(!mended.contains(finding), "still there: {finding}");
            place.execute(statement).await;
        }
        mended.extend(findings);
    }
    mended.len()
}

const NO_COUNTING: &str = "SET foreign_key_checks = 0; ALTER TABLE `call` MODIFY id int NOT NULL;
     ALTER TABLE batchStatus MODIFY id int NOT NULL; ALTER TABLE lidStatus MODIFY id bigint NOT NULL";

const DEMANDING: &str = "ALTER TABLE `call` ADD COLUMN note varchar(20) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL COMMENT 'it''s \\\\ odd',
       ADD COLUMN seenAt datetime(3) NOT NULL, ADD COLUMN weight decimal(5,2) NOT NULL, ADD COLUMN body mediumblob NOT NULL;
     ALTER TABLE fileDistribution ADD COLUMN host int unsigned NOT NULL PRIMARY KEY AUTO_INCREMENT;
     ALTER TABLE fileDistribution MODIFY host int unsigned NOT NULL;
     ALTER TABLE lidStatus ADD COLUMN engine text NOT NULL;
     ALTER TABLE batchStatus ADD COLUMN owner char(5) NOT NULL";

const POOR_ENUMS: &str =
    "UPDATE `call` SET status = NULL WHERE status = 'Pending'; UPDATE batchStatus SET lidStatus = 'Complete';
     ALTER TABLE `call` MODIFY status enum('Complete','It''s','AuditDone') DEFAULT 'It''s' COMMENT 'state';
     ALTER TABLE batchStatus MODIFY lidStatus enum('Complete') NOT NULL DEFAULT 'Complete'";

const NARROW: &str = "UPDATE `call` SET ip = NULL, lang = LEFT(lang, 5), audioUrl = LEFT(audioUrl, 20);
     ALTER TABLE `call` MODIFY ip varchar(15) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL DEFAULT '0.0.0.0' COMMENT 'v4',
       MODIFY lang char(7) CHARACTER SET ascii, MODIFY audioUrl varchar(30);
     UPDATE batchStatus SET batchDate = '010120', remarks = NULL;
     ALTER TABLE batchStatus MODIFY batchDate varchar(8) NOT NULL DEFAULT 'never', MODIFY remarks varchar(40)";

const OTHER_TYPES: &str = "UPDATE batchStatus SET batchStartTime = NULL, lidStatus = NULL, currentBatch = 0;
     ALTER TABLE batchStatus MODIFY batchStartTime datetime, MODIFY currentBatch bit(1), MODIFY lidStatus int, MODIFY updatedAt varchar(30);
     ALTER TABLE `call` MODIFY lang blob, MODIFY audioDuration int, MODIFY `type` int;
     ALTER TABLE fileDistribution MODIFY lidDone varchar(5)";

const LACKING: &str = "ALTER TABLE fileDistribution DROP COLUMN lidDone, DROP COLUMN ip; ALTER TABLE lidStatus DROP COLUMN id, DROP COLUMN ip;
     ALTER TABLE batchStatus DROP COLUMN remarks, DROP COLUMN lidEndTime, DROP COLUMN currentBatch; ALTER TABLE `call` DROP COLUMN `type`";

const NEVER_EMPTY: &str = "SET foreign_key_checks = 0; UPDATE `call` SET languageId = 1, auditFormId = 1; UPDATE batchStatus SET remarks = '';
     ALTER TABLE `call` MODIFY languageId int NOT NULL DEFAULT 1, DROP FOREIGN KEY call_ibfk_2, DROP FOREIGN KEY call_ibfk_5;
     ALTER TABLE `call` MODIFY auditFormId int NOT NULL; ALTER TABLE batchStatus MODIFY remarks text NOT NULL";

const NO_ROWS: &str = "SET foreign_key_checks = 0; DELETE FROM `user`; DELETE FROM categoryMapping;
     ALTER TABLE `user` ADD COLUMN email varchar(50) NOT NULL, ADD COLUMN born date NOT NULL, ADD COLUMN role enum('a','b') NOT NULL, ADD COLUMN n int NOT NULL";

const TABLES_OF_OUR_NAMES: &str = "CREATE TABLE cofiBatch (batchId int PRIMARY KEY); INSERT INTO cofiBatch VALUES (5);
     CREATE VIEW cofiMeta AS SELECT 1 AS one; CREATE TABLE cofiMigration (version int); INSERT INTO cofiMigration VALUES (9);
     CREATE TABLE cofiReadyCall (id int)";

#[rstest]
#[case::ids_that_nothing_counts(
    NO_COUNTING,
    3,
    "column `call`.`id` is int(11): the database must count it up"
)]
#[case::columns_that_need_a_value(
    DEMANDING,
    7,
    "column `call`.`note` must be given a value, and Cofi has none for it"
)]
#[case::enums_without_our_words(POOR_ENUMS, 2, "it lacks Pending, InProgress")]
#[case::narrow_columns(NARROW, 5, "column `call`.`ip` is varchar(15): 39 characters are needed")]
#[case::columns_of_other_types(OTHER_TYPES, 8, "column `call`.`lang` is blob: text is needed")]
#[case::missing_columns(LACKING, 8, "column `fileDistribution`.`lidDone` is missing")]
#[case::columns_that_are_never_empty(
    NEVER_EMPTY,
    3,
    "column `call`.`languageId` is int(11) and never NULL, and Cofi leaves it empty at times"
)]
#[case::rows_that_others_point_to(NO_ROWS, 2, "there is no `user` with id 1, whom every call is given to")]
#[case::tables_of_our_names(TABLES_OF_OUR_NAMES, 4, "`cofiBatch` is there, and Cofi has not made it")]
#[tokio::test]
async fn what_is_in_the_way_is_mended_by_the_statements_told(
    #[case] worse: &str,
    #[case] expected: usize,
    #[case] words: &str,
) {
    let place = Place::production().await;
    place.execute(worse).await;
    let findings = findings(&place).await;
    let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|finding| finding.contains(words)), "{}", told.join("\n"));
    assert_eq!(findings.len(), expected, "{}", told.join("\n"));
    assert_eq!(mend(&place).await, expected);

    let before = Fingerprint::of(&place).await;
    place.migrate().await;
    assert_eq!(Fingerprint::of(&place).await, before);
    driving::drive(&place).await;
}

#[tokio::test]
async fn everything_at_once_is_told_at_once_and_mended() {
    let place = Place::production().await;
    for worse in [NO_COUNTING, DEMANDING, POOR_ENUMS, NARROW, NEVER_EMPTY, TABLES_OF_OUR_NAMES] {
        place.execute(worse).await;
    }
    assert_eq!(findings(&place).await.len(), 3 + 7 + 2 + 5 + 2 + 4);
    mend(&place).await;
    place.migrate().await;
    driving::drive(&place).await;
}

#[tokio::test]
async fn mended_column_is_otherwise_as_it_was() {
    let place = Place::production().await;
    for worse in [POOR_ENUMS, NARROW] {
        place.execute(worse).await;
    }
    mend(&place).await;
    let definition = place.rows("SHOW CREATE TABLE `call`").await[0][1].clone();
    for line in [
        "`ip` varchar(100) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL DEFAULT '0.0.0.0' COMMENT 'v4'",
        "`status` enum('Complete','It''s','AuditDone','Pending') DEFAULT 'It''s' COMMENT 'state'",
    ] {
        assert!(definition.contains(line), "{definition}");
    }
    let definition = place.rows("SHOW CREATE TABLE batchStatus").await[0][1].clone();
    assert!(definition.contains("`batchDate` varchar(100) NOT NULL DEFAULT 'never'"), "{definition}");
}

#[rstest]
#[tokio::test]
async fn table_that_cannot_roll_back_is_refused(
    #[values("batchStatus", "fileDistribution", "lidStatus", "call")] table: &str,
    #[values("MyISAM", "Aria")] engine: &str,
) {
    let place = Place::production().await;
    place
        .execute("DROP TABLE callMetadata, tradeMetadata; ALTER TABLE `call` DROP FOREIGN KEY call_ibfk_6")
        .await;
    if table == "call" {
        for key in 1..=5 {
            place.execute(&format!("ALTER TABLE `call` DROP FOREIGN KEY call_ibfk_{key}")).await;
        }
    }
    place.execute(&format!("ALTER TABLE `{table}` ENGINE={engine}")).await;
    let findings = findings(&place).await;
    assert_eq!(findings[0].what, format!("table `{table}` is kept by {engine}, which cannot roll back"));
    assert_eq!(mend(&place).await, 1);
    place.migrate().await;
    driving::drive(&place).await;
}

#[tokio::test]
async fn views_and_missing_tables_are_refused_with_words() {
    let place = Place::production().await;
    place
        .execute(
            "RENAME TABLE `call` TO calls, lidStatus TO lids; CREATE VIEW `call` AS SELECT * FROM calls;
             ALTER TABLE fileDistribution RENAME TO filedistribution",
        )
        .await;
    let findings = findings(&place).await;
    let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "table `fileDistribution` is missing\n    create it as the other services have it, or let this user see it",
            "table `lidStatus` is missing\n    create it as the other services have it, or let this user see it",
            "`call` is a view, and Cofi needs the table itself\n    \
             give Cofi the database that has the table, or rename the view and make `call` a table",
        ]
    );
}

#[tokio::test]
async fn database_of_nothing_but_views_is_not_taken_for_an_empty_one() {
    let place = Place::production().await;
    let views = Place::empty("").await;
    for table in [
        "auditForm",
        "categoryMapping",
        "user",
        "language",
        "process",
        "batchStatus",
        "fileDistribution",
        "lidStatus",
        "call",
    ] {
        views
            .execute(&format!("CREATE VIEW `{table}` AS SELECT * FROM {}.`{table}`", place.database()))
            .await;
    }
    assert_eq!(findings(&views).await.len(), 9);
}

#[tokio::test]
async fn columns_that_the_database_computes_are_refused() {
    let place = Place::production().await;
    place
        .execute("ALTER TABLE `call` DROP COLUMN audioDuration; ALTER TABLE `call` ADD COLUMN audioDuration double AS (processingTime / 2)")
        .await;
    let findings = findings(&place).await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].what, "column `call`.`audioDuration` is double, which the database computes");
}
