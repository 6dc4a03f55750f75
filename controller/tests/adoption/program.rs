//! The program itself: what it says, what it ends with, what it changes.

use std::{
    io::Read,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use cofi_mariadb::PASSWORD;

use crate::{
    fingerprint::Fingerprint,
    place::{Place, UNICODE},
};

const FAILED: i32 = 70;

fn controller(place: &Place<'_>, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofi-controller"));
    command
        .args(arguments)
        .env_clear()
        .env("COFI_DATABASE_URL", place.url().url)
        .env("COFI_DATABASE_PASSWORD", PASSWORD)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Tries to serve; what it ended with and said.
fn serve(place: &Place<'_>) -> (Option<i32>, String) {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().to_str().unwrap();
    let listen = ["--state-dir", folder, "--control-listen", "127.0.0.1:0", "--agent-listen", "127.0.0.1:0"];
    let mut running = controller(place, &listen).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while running.try_wait().unwrap().is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    // One that serves goes on until it is ended.
    drop(running.kill());
    let mut said = String::new();
    running.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (running.wait().unwrap().code(), said)
}

async fn whole(place: &Place<'_>) -> (Fingerprint, Vec<Vec<String>>) {
    (Fingerprint::of(place).await, place.rows("SHOW FULL TABLES").await)
}

#[tokio::test]
async fn dry_run_prints_everything_and_changes_nothing() {
    let place = Place::production().await;
    let before = whole(&place).await;
    let output = controller(&place, &["migrate", "--dry-run"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    assert_eq!(whole(&place).await, before);
    for step in place.plan().await.unwrap().steps {
        assert!(words(&output).contains(&format!("-- {}\n{};\n", step.what, step.sql)), "{}", words(&output));
    }

    let output = controller(&place, &["migrate", "--dry-run", "--no-add-indexes"]).output().unwrap();
    assert!(words(&output).contains("VIEW cofiReadyCall") && !words(&output).contains("INDEX"));
}

#[tokio::test]
async fn what_dry_run_prints_does_the_same_when_a_person_runs_it() {
    for shared_tables in [true, false] {
        let place = if shared_tables { Place::production().await } else { Place::empty(UNICODE).await };
        let output = controller(&place, &["migrate", "--dry-run"]).output().unwrap();
        place.execute(&words(&output)).await;
        assert_eq!(place.plan().await.unwrap().steps, []);
        place.open().await.unwrap().close().await;
    }
}

#[tokio::test]
async fn migrate_tells_what_it_does_and_a_second_time_that_nothing_is_left() {
    let place = Place::production().await;
    place
        .execute("CREATE TRIGGER others BEFORE UPDATE ON `call` FOR EACH ROW SET NEW.summary = OLD.summary")
        .await;
    let steps = place.plan().await.unwrap().steps;
    let output = controller(&place, &["migrate"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let mut expected = vec![
        "-- note: trigger `others` on `call` will run on Cofi's writes too, and an error in it stops them"
            .to_owned(),
    ];
    expected.extend(steps.iter().map(|step| format!("done: {}", step.what)));
    expected.push("the database is ready".to_owned());
    assert_eq!(words(&output).lines().collect::<Vec<_>>(), expected);

    let output = controller(&place, &["migrate"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(words(&output).lines().last(), Some("the database is up to date, nothing to do"));
}

#[tokio::test]
async fn what_is_in_the_way_ends_with_the_statements_that_mend_it() {
    let place = Place::production().await;
    place
        .execute(
            "ALTER TABLE fileDistribution DROP COLUMN lidDone; ALTER TABLE lidStatus MODIFY ip varchar(9)",
        )
        .await;
    let before = whole(&place).await;
    for arguments in [&["migrate"][..], &["migrate", "--dry-run"]] {
        let output = controller(&place, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(FAILED));
        let told = "cofi-controller: the database cannot be used as it is:
  column `fileDistribution`.`lidDone` is missing
    ALTER TABLE `fileDistribution` ADD COLUMN `lidDone` int DEFAULT 0;
  column `lidStatus`.`ip` is varchar(9): 39 characters are needed
    ALTER TABLE `lidStatus` MODIFY `ip` varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NULL DEFAULT NULL;
";
        assert_eq!(words(&output), told);
    }
    assert_eq!(whole(&place).await, before);
}

#[tokio::test]
async fn server_that_is_away_and_rights_that_are_missing_are_told() {
    let place = Place::production().await;
    let away = controller(&place, &["migrate"])
        .env("COFI_DATABASE_URL", "mysql://tester@127.0.0.1:1/x")
        .output()
        .unwrap();
    assert_eq!(away.status.code(), Some(FAILED));
    assert!(words(&away).contains("the database is unavailable"), "{}", words(&away));

    place
        .execute(
            "CREATE USER IF NOT EXISTS 'looker'@'127.0.0.1' IDENTIFIED BY 'let me in, please'; \
             GRANT SELECT ON *.* TO 'looker'@'127.0.0.1'",
        )
        .await;
    let url = place.url().url.replace("tester@", "looker@");
    let mut look = controller(&place, &["migrate", "--dry-run"]);
    let looked = look.env("COFI_DATABASE_URL", &url).output().unwrap();
    assert_eq!(looked.status.code(), Some(0), "looking needs no more: {}", words(&looked));
    let denied = controller(&place, &["migrate"]).env("COFI_DATABASE_URL", url).output().unwrap();
    assert_eq!(denied.status.code(), Some(FAILED));
    let expected = "cofi-controller: create table cofiMigration: the database refused a statement: ";
    assert!(words(&denied).starts_with(expected), "{}", words(&denied));
    assert!(words(&denied).contains("CREATE command denied to user 'looker'"), "{}", words(&denied));
}

#[tokio::test]
async fn controller_serves_only_what_is_migrated_and_whole() {
    let place = Place::production().await;
    let refused = |what: &str| {
        let (code, said) = serve(&place);
        assert_eq!(code, Some(FAILED), "{said}");
        assert!(said.contains(what), "{said}");
    };
    refused("the database is not migrated to this version: run `cofi-controller migrate` on it first");

    place.migrate().await;
    for (damage, repair, told) in [
        (
            "INSERT INTO cofiMigration VALUES (99, 'of a later version', 1, 0, 0)",
            "DELETE FROM cofiMigration WHERE version = 99",
            "the database was migrated by a newer version of Cofi: install that version here",
        ),
        (
            "UPDATE cofiMigration SET done = 0",
            "UPDATE cofiMigration SET done = 1",
            "the database is not migrated to this version",
        ),
        (
            "ALTER TABLE fileDistribution RENAME COLUMN lidDone TO done",
            "ALTER TABLE fileDistribution RENAME COLUMN done TO lidDone",
            "column `fileDistribution`.`lidDone` is missing\n    ALTER TABLE `fileDistribution` ADD COLUMN `lidDone` int DEFAULT 0;",
        ),
        (
            "ALTER TABLE cofiRecording RENAME COLUMN digest TO digested",
            "ALTER TABLE cofiRecording RENAME COLUMN digested TO digest",
            "Cofi's own column `cofiRecording`.`digest` is missing\n    restore it from a backup",
        ),
        (
            "RENAME TABLE cofiEvent TO events",
            "RENAME TABLE events TO cofiEvent",
            "Cofi's own table `cofiEvent` is missing",
        ),
    ] {
        place.execute(damage).await;
        refused(told);
        place.execute(repair).await;
    }
    // Nothing is left of it all.
    place.open().await.unwrap().close().await;
}
