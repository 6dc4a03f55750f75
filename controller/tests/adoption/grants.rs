//! The rights in `docs/operating-mysql.md`: run as they stand there, and
//! enough for everything, and no more.

use cofi_controller::ledger::{LedgerError, migrate};

use crate::{
    driving::{self, NEW_ROWS},
    filling::fill,
    fingerprint::Fingerprint,
    place::{PRODUCTION, Place, UNICODE, execute},
};

const DOCUMENT: &str = include_str!("../../../docs/operating-mysql.md");

/// The statements of the document behind a mark, for this database.
fn statements(mark: &str, database: &str) -> String {
    let (_, rest) = DOCUMENT.split_once(&format!("<!-- test: {mark} -->\n```sql\n")).unwrap();
    let (statements, _) = rest.split_once("\n```").unwrap();
    statements.replace("controller.example", "127.0.0.1").replace(" calls.", &format!(" `{database}`."))
}

/// Makes the users of the document for one database only: tests run side by
/// side on one server.
async fn make_users(place: &Place<'_>) {
    place.execute(&renamed(place, &statements("users", place.database()))).await;
}

async fn grant(place: &Place<'_>, mark: &str) {
    place.execute(&renamed(place, &statements(mark, place.database()))).await;
}

fn renamed(place: &Place<'_>, sql: &str) -> String {
    sql.replace("'cofi", &format!("'{}_cofi", place.database()))
}

fn user(place: &Place<'_>, name: &str) -> String {
    format!("{}_{name}", place.database())
}

#[tokio::test]
async fn rights_in_the_document_are_enough_for_everything() {
    let place = Place::empty(UNICODE).await;
    place.execute(PRODUCTION).await;
    fill(&place, 3, 8).await;
    let before = Fingerprint::of(&place).await;
    make_users(&place).await;
    grant(&place, "migrator").await;
    place.as_user(&user(&place, "cofi_migrate"), "one password").migrate().await;
    assert_eq!(Fingerprint::of(&place).await, before);

    // Again, with another column in `call`: the view is replaced.
    place.execute("ALTER TABLE `call` ADD COLUMN score int").await;
    let migrator = place.as_user(&user(&place, "cofi_migrate"), "one password");
    assert_eq!(migrator.migrate().await.steps.len(), 1);

    grant(&place, "controller").await;
    let controller = place.as_user(&user(&place, "cofi"), "another password");
    let aside = [("batchStatus", "currentBatch")];
    let before = Fingerprint::without(&place, &aside).await;
    driving::drive(&controller).await;
    before.assert_kept_in(&Fingerprint::without(&place, &aside).await, &NEW_ROWS);
    let ledger = controller.open().await.unwrap();
    drop(ledger.claim().await.unwrap());
    ledger.close().await;

    grant(&place, "reader").await;
    let mut reader = place.as_user(&user(&place, "cofi_reader"), "a third password").own_connection().await;
    for read in [
        "SELECT audioName, ip, status, lang, audioDuration FROM `call` WHERE batchId = 4 ORDER BY id",
        "SELECT COUNT(*) FROM cofiReadyCall",
        "SELECT batchStatus, remarks FROM batchStatus",
    ] {
        execute(&mut reader, read).await.unwrap();
    }
}

#[tokio::test]
async fn rights_in_the_document_are_not_more_than_needed() {
    let place = Place::production().await;
    make_users(&place).await;
    grant(&place, "migrator").await;
    let migrator = place.as_user(&user(&place, "cofi_migrate"), "one password");
    migrator.migrate().await;
    grant(&place, "controller").await;
    grant(&place, "reader").await;
    for (name, password, forbidden) in [
        (
            "cofi_migrate",
            "one password",
            &[
                "UPDATE `call` SET ip = ''",
                "DELETE FROM lidStatus",
                "ALTER TABLE `call` DROP COLUMN ip",
                "DROP TABLE fileDistribution",
                "INSERT INTO batchStatus (id) VALUES (99)",
            ][..],
        ),
        (
            "cofi",
            "another password",
            &[
                "DELETE FROM `call`",
                "DELETE FROM lidStatus",
                "UPDATE `language` SET languageCode = ''",
                "UPDATE `process` SET name = ''",
                "DROP TABLE cofiBatch",
                "CREATE TABLE t (a int)",
                "ALTER TABLE `call` DROP COLUMN ip",
                "DELETE FROM cofiMeta",
                "DELETE FROM cofiMigration",
                "DELETE FROM cofiAudit",
                "UPDATE cofiAudit SET actor = ''",
                "DELETE FROM cofiToken",
            ],
        ),
        (
            "cofi_reader",
            "a third password",
            &[
                "UPDATE `call` SET ip = ''",
                "SELECT * FROM cofiRecording",
                "SELECT * FROM cofiToken",
                "DELETE FROM cofiReadyCall",
                "UPDATE cofiReadyCall SET ip = ''",
            ],
        ),
    ] {
        let mut connection = place.as_user(&user(&place, name), password).own_connection().await;
        for sql in forbidden {
            let error = execute(&mut connection, sql).await.unwrap_err().to_string();
            assert!(error.contains("denied"), "{name}: {sql}: {error}");
        }
    }
    // Each right is needed: without any one of them something is refused.
    for right in [
        "CREATE VIEW",
        "INDEX ON calls.lidStatus",
        "DROP ON calls.cofiReadyCall",
        "UPDATE ON calls.cofiMigration",
    ] {
        let place = Place::production().await;
        make_users(&place).await;
        grant(&place, "migrator").await;
        let (rights, on) = right.split_once(" ON calls.").unwrap_or((right, "*"));
        let on = if on == "*" { "*".to_owned() } else { format!("`{on}`") };
        let take = format!("REVOKE {rights} ON `{}`.{on} FROM 'cofi_migrate'@'127.0.0.1'", place.database());
        place.execute(&renamed(&place, &take)).await;
        let migrator = place.as_user(&user(&place, "cofi_migrate"), "one password");
        let plan = migrator.plan().await.unwrap();
        let error = migrate(&migrator.url(), &plan, |_| ()).await.unwrap_err();
        assert!(matches!(error, LedgerError::Step { .. }), "{right}: {error:?}");
    }
}

#[tokio::test]
async fn rights_in_the_document_make_an_empty_database_whole() {
    let place = Place::empty(UNICODE).await;
    make_users(&place).await;
    grant(&place, "migrator of an empty database").await;
    place.as_user(&user(&place, "cofi_migrate"), "one password").migrate().await;
    grant(&place, "controller").await;
    place.as_user(&user(&place, "cofi"), "another password").open().await.unwrap().close().await;
}
