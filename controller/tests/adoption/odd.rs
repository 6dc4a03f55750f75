//! Databases that are worse than production's and still work: adopted without
//! a change, and a controller's whole work on them.

use cofi_language::LanguageTable;
use cofi_proto::BatchId;
use rstest::rstest;

use crate::{
    driving::{self, NEW_ROWS},
    fingerprint::Fingerprint,
    place::{PRODUCTION, Place, UNICODE},
    scene,
};

/// Migrates and drives; every old row and column is the same afterwards. What
/// triggers of others add is told with the rows.
async fn adopt(place: &Place<'_>, more_rows: &[(&str, usize)]) {
    let before = Fingerprint::of(place).await;
    place.migrate().await;
    assert_eq!(Fingerprint::of(place).await, before, "after migrate");
    let aside = [("batchStatus", "currentBatch")];
    let before = Fingerprint::without(place, &aside).await;
    driving::drive(place).await;
    let after = Fingerprint::without(place, &aside).await;
    before.assert_kept_in(&after, &[&NEW_ROWS[..], more_rows].concat());
    bring_in_line(place).await;
}

/// Batches of earlier services take the results that lie in `lidStatus`,
/// whatever collations the two tables have; a second time nothing is left.
async fn bring_in_line(place: &Place<'_>) {
    let ledger = place.open().await.unwrap();
    let languages = LanguageTable::new([]).unwrap();
    for batch in (1..=3).map(BatchId) {
        let report = ledger.apply_lid_results(batch, &languages, scene::NOW).await.unwrap();
        assert!(report.changed > 0, "{report:?}");
        assert_eq!(ledger.apply_lid_results(batch, &languages, scene::NOW).await.unwrap().changed, 0);
    }
    ledger.close().await;
}

/// Without foreign keys, which hold columns to their types.
fn unbound() -> String {
    let lines: Vec<&str> = PRODUCTION.lines().filter(|line| !line.contains("FOREIGN KEY")).collect();
    lines.join("\n").replace(",\n)", "\n)")
}

#[rstest]
#[case::as_in_production("")]
#[case::lid_status_without_primary_key(
    "ALTER TABLE lidStatus MODIFY id int NOT NULL, DROP PRIMARY KEY; ALTER TABLE lidStatus ADD KEY (id);
     ALTER TABLE lidStatus MODIFY id int NOT NULL AUTO_INCREMENT"
)]
#[case::a_primary_key_on_file_distribution(
    "ALTER TABLE fileDistribution ADD COLUMN id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY FIRST"
)]
#[case::no_denoise_done("ALTER TABLE fileDistribution DROP COLUMN denoiseDone, DROP COLUMN ivrDone")]
#[case::columns_beside_those_that_are_known(
    "ALTER TABLE `call` ADD COLUMN `select` int, ADD COLUMN `order` varchar(10) NOT NULL DEFAULT 'it''s' AFTER id,
       ADD COLUMN nameLength int AS (CHAR_LENGTH(audioName)) STORED, ADD COLUMN half double AS (audioDuration / 2),
       ADD COLUMN changed timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
       ADD COLUMN hidden int INVISIBLE DEFAULT 5;
     ALTER TABLE fileDistribution ADD COLUMN `group` json FIRST;
     ALTER TABLE lidStatus ADD COLUMN `key` enum('a','b') NOT NULL;
     ALTER TABLE batchStatus ADD COLUMN `current user` set('x','y') NOT NULL DEFAULT 'x'"
)]
#[case::columns_in_another_order(
    "ALTER TABLE `call` MODIFY lang text FIRST, MODIFY ip varchar(100) AFTER lang; ALTER TABLE lidStatus MODIFY ip varchar(100) FIRST"
)]
#[case::more_words_in_enums(
    "ALTER TABLE `call` MODIFY status enum('Draft','Pending','InProgress','Complete','AuditDone','It''s') DEFAULT 'Draft';
     ALTER TABLE batchStatus MODIFY lidStatus enum('Failed','Complete','InProgress','Pending') NOT NULL DEFAULT 'Failed'"
)]
#[case::texts_in_place_of_enums(
    "ALTER TABLE `call` MODIFY status varchar(20), MODIFY `type` varchar(9) NOT NULL;
     ALTER TABLE batchStatus MODIFY batchStatus varchar(50) NOT NULL DEFAULT '', MODIFY lidStatus text"
)]
#[case::other_kinds_of_times(
    "ALTER TABLE `call` MODIFY createdAt datetime(6) DEFAULT CURRENT_TIMESTAMP(6), MODIFY updatedAt timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3);
     ALTER TABLE lidStatus MODIFY updatedAt timestamp NULL; UPDATE batchStatus SET createdAt = NULL, updatedAt = NULL; ALTER TABLE batchStatus MODIFY updatedAt timestamp NULL"
)]
#[case::other_kinds_of_numbers(
    "ALTER TABLE `call` MODIFY audioDuration decimal(12,3); ALTER TABLE lidStatus MODIFY audioDuration double NOT NULL;
     ALTER TABLE fileDistribution MODIFY lidDone tinyint unsigned NOT NULL DEFAULT 0, MODIFY batchId bigint unsigned DEFAULT 0;
     ALTER TABLE batchStatus MODIFY currentBatch int"
)]
#[case::names_of_any_length(
    "ALTER TABLE fileDistribution MODIFY `file` text; ALTER TABLE lidStatus MODIFY audioName varchar(2000)"
)]
#[case::compact_rows(
    "ALTER TABLE fileDistribution ROW_FORMAT=COMPACT; ALTER TABLE lidStatus ROW_FORMAT=REDUNDANT"
)]
#[case::compressed_rows(
    "ALTER TABLE `call` ROW_FORMAT=COMPRESSED; ALTER TABLE fileDistribution ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=4; ALTER TABLE lidStatus ROW_FORMAT=COMPRESSED"
)]
#[case::partitions("ALTER TABLE fileDistribution PARTITION BY HASH (batchId) PARTITIONS 5")]
#[case::indexes_of_others(
    "CREATE INDEX mine ON fileDistribution (`file`, batchId, ip); ALTER TABLE lidStatus ADD KEY (audioName), ADD FULLTEXT KEY (audioName)"
)]
#[case::a_table_of_nearly_the_same_name(
    "CREATE TABLE `CALL` (id varchar(3)) ENGINE=MyISAM; INSERT INTO `CALL` VALUES ('abc'); CREATE VIEW callstatus AS SELECT 1; CREATE TABLE COFIBATCH (a int)"
)]
#[tokio::test]
async fn odd_database_is_adopted_and_worked_on(#[case] worse: &str) {
    let place = Place::empty(UNICODE).await;
    place.execute(PRODUCTION).await;
    crate::filling::fill(&place, 3, 8).await;
    if !worse.is_empty() {
        place.execute(worse).await;
    }
    adopt(&place, &[]).await;
}

#[rstest]
#[case::no_foreign_keys(unbound())]
#[case::wide_unsigned_ids(PRODUCTION.replace("id int ", "id bigint unsigned ").replace("Id int", "Id bigint unsigned"))]
#[case::ids_without_a_sign(PRODUCTION.replace("id int ", "id int unsigned ").replace("Id int", "Id int unsigned"))]
#[case::no_indexes_on_calls(unbound().replace("  KEY (batchId),\n", "").replace("  KEY (audioName)", "  KEY (ip)"))]
#[tokio::test]
async fn other_tables_are_adopted_and_worked_on(#[case] tables: String) {
    adopt(&Place::with(UNICODE, &tables).await, &[]).await;
}

fn clause(collation: &str) -> String {
    let charset = collation.split('_').next().unwrap().replace("uca1400", "utf8mb4");
    format!("CHARACTER SET {charset} COLLATE {collation}")
}

#[rstest]
#[tokio::test]
async fn any_collation_is_adopted_and_worked_on(
    #[values(
        "utf8mb4_general_ci",
        "utf8mb4_unicode_520_ci",
        "utf8mb4_unicode_nopad_ci",
        "uca1400_ai_ci",
        "utf8mb4_bin",
        "utf8mb3_general_ci",
        "utf8mb3_unicode_ci",
        "latin1_swedish_ci",
        "latin1_bin",
        "latin1_general_cs"
    )]
    collation: &str,
) {
    adopt(&Place::with(&clause(collation), PRODUCTION).await, &[]).await;
}

/// Some tables alone, so that those that are read together differ.
#[rstest]
#[tokio::test]
async fn tables_of_different_collations_are_adopted_and_worked_on(
    #[values("uca1400_ai_ci", "utf8mb4_bin", "utf8mb3_unicode_ci", "latin1_swedish_ci")] collation: &str,
    #[values(&["call"], &["fileDistribution", "language"], &["lidStatus", "batchStatus"])] tables: &[&str],
) {
    let place = Place::with(UNICODE, PRODUCTION).await;
    for table in tables {
        // What a character set does not have was lost long ago.
        place.execute(&format!("ALTER TABLE `{table}` CONVERT TO {}", clause(collation))).await;
    }
    adopt(&place, &[]).await;
}

#[tokio::test]
async fn database_of_two_bytes_a_character_is_adopted_and_worked_on() {
    adopt(&Place::with("CHARACTER SET ucs2 COLLATE ucs2_general_ci", PRODUCTION).await, &[]).await;
}

#[tokio::test]
async fn triggers_of_others_are_told_and_run_along() {
    let place = Place::production().await;
    place
        .execute(
            "CREATE TABLE seen (what varchar(20));
             CREATE TRIGGER noteCall AFTER INSERT ON `call` FOR EACH ROW INSERT INTO seen VALUES ('call');
             CREATE TRIGGER `note file` BEFORE UPDATE ON fileDistribution FOR EACH ROW INSERT INTO seen VALUES ('file')",
        )
        .await;
    let notes = place.plan().await.unwrap().notes;
    assert_eq!(
        notes,
        [
            "trigger `noteCall` on `call` will run on Cofi's writes too, and an error in it stops them",
            "trigger `note file` on `fileDistribution` will run on Cofi's writes too, and an error in it stops them",
        ]
    );
    // A call for each recording; lidDone once for each that is identified, and
    // once more for the one that is identified again.
    adopt(&place, &[("seen", 250 + 250)]).await;
}

#[rstest]
#[tokio::test]
async fn database_may_have_any_name(
    #[values(
        "calls-2024",
        "years of calls",
        "anrufe_äöü_通話",
        "select",
        "1234",
        "sixty-four-characters-sixty-four-characters-sixty-four-characte",
        "dotted.name",
        "100%"
    )]
    name: &str,
) {
    let place = Place::named(cofi_mariadb::shared(), name, UNICODE).await;
    place.execute(PRODUCTION).await;
    crate::filling::fill(&place, 3, 8).await;
    adopt(&place, &[]).await;
}

#[tokio::test]
async fn indexes_that_are_there_are_not_added_again() {
    let place = Place::production().await;
    place
        .execute("CREATE INDEX mine ON fileDistribution (`file`(50), batchId); CREATE UNIQUE INDEX yours ON lidStatus (batchId, audioName, id)")
        .await;
    let plan = place.migrate().await;
    assert!(plan.steps.iter().all(|step| !step.sql.contains("CREATE INDEX")), "{plan:?}");
}

/// An engine may say anything of 20 characters; a group is not stopped by it.
#[rstest]
#[case("CHARACTER SET utf8mb4", "日本語😀")]
#[case("CHARACTER SET utf8mb3", "日本語")]
#[case("CHARACTER SET latin1", "français")]
#[tokio::test]
async fn language_is_kept_where_the_columns_can_hold_it(#[case] options: &str, #[case] kept: &str) {
    let place = Place::with(options, PRODUCTION).await;
    place.migrate().await;
    let ledger = place.open().await.unwrap();
    let said = ["日本語😀", "日本語", "français", "hi"];
    let batch = scene::batch_of(&ledger, 4).await;
    scene::record(&ledger, batch, 0..4, "a").await;
    let results: Vec<_> =
        (0..).zip(said).map(|(ordinal, said)| scene::identified(batch, ordinal, 1, said)).collect();
    scene::apply(&ledger, &results).await;
    ledger.close().await;
    let first = said.iter().position(|said| *said == kept).unwrap();
    let expected: Vec<String> = said
        .iter()
        .enumerate()
        .map(|(index, said)| if index < first { "und" } else { said }.to_owned())
        .collect();
    for (table, column) in [("`call`", "lang"), ("lidStatus", "`language`")] {
        let select = format!("SELECT {column} FROM {table} WHERE batchId = {} ORDER BY id", batch.0);
        assert_eq!(place.rows(&select).await.concat(), expected, "{table}");
    }
}
