//! Migrations that are cut off at every step, inside of one, and beside each
//! other: running `migrate` again finishes.

use std::time::Duration;

use cofi_controller::ledger::{LedgerError, Step, migrate, plan_migration};
use tokio::task::JoinSet;

use crate::{
    driving,
    fingerprint::Fingerprint,
    place::{Place, UNICODE, execute},
};

/// How long something that must happen may take.
const DEADLINE: Duration = Duration::from_mins(1);

/// Ends the connection that migrates: the one that holds its lock.
async fn kill_migration(place: &Place<'_>) {
    let lock = format!("SELECT IS_USED_LOCK(CONCAT('cofi.migrate.', SHA1('{}')))", place.database());
    let connection = place.value(&lock).await;
    assert_ne!(connection, "NULL", "nobody migrates");
    place.execute(&format!("KILL {connection}")).await;
}

/// Cuts a migration off after its first `steps` steps; whether it had as many.
async fn migrate_until(place: &Place<'_>, steps: usize) -> bool {
    let plan = place.plan().await.unwrap();
    if plan.steps.len() <= steps {
        return false;
    }
    let (told, mut done) = tokio::sync::mpsc::channel(1);
    let url = place.url();
    // Blocks after the last step that it may do, until its connection is gone.
    let (go_on, killed) = std::sync::mpsc::channel();
    let migration = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut left = steps;
        runtime.block_on(migrate(&url, &plan, |_| {
            left -= 1;
            if left == 0 {
                told.try_send(()).unwrap();
                killed.recv_timeout(DEADLINE).unwrap();
            }
        }))
    });
    tokio::time::timeout(DEADLINE, done.recv()).await.unwrap();
    kill_migration(place).await;
    go_on.send(()).unwrap();
    let error = migration.await.unwrap().unwrap_err();
    assert!(matches!(error, LedgerError::Step { .. }), "{error:?}");
    true
}

/// A migration beside the test.
async fn start_migration(place: &Place<'_>) -> JoinSet<Result<(), LedgerError>> {
    let (url, plan) = (place.url(), place.plan().await.unwrap());
    let mut migration = JoinSet::new();
    migration.spawn(async move { migrate(&url, &plan, |_| ()).await });
    migration
}

#[tokio::test]
async fn migration_that_is_cut_off_after_any_step_goes_on() {
    for shared_tables in [true, false] {
        for steps in 1.. {
            let place = if shared_tables { Place::production().await } else { Place::empty(UNICODE).await };
            let before = Fingerprint::of(&place).await;
            if !migrate_until(&place, steps).await {
                break;
            }
            let half =
                place.plan().await.unwrap().steps.iter().any(|step| step.sql.contains("cofiMigration"));
            match place.open().await {
                Ok(ledger) => {
                    assert!(!half, "served after {steps} steps");
                    ledger.close().await;
                }
                Err(error) => assert!(half && matches!(error, LedgerError::NotMigrated), "{error:?}"),
            }
            let left = place.migrate().await;
            assert!(!left.steps.is_empty());
            if shared_tables {
                assert_eq!(Fingerprint::of(&place).await, before);
            } else {
                assert_eq!(place.value("SELECT COUNT(*) FROM `language`").await, "186");
            }
            place.open().await.unwrap().close().await;
            assert_eq!(place.value("SELECT COUNT(*) FROM cofiMeta").await, "1");
        }
    }
}

#[tokio::test]
async fn index_that_is_cut_off_while_it_is_built_is_built_again() {
    let place = Place::production().await;
    let before = Fingerprint::of(&place).await;
    // Whoever reads keeps the index from being finished: it is cut off inside.
    let mut reader = place.connection().await;
    execute(&mut reader, "START TRANSACTION; SELECT COUNT(*) FROM lidStatus").await.unwrap();
    let mut migration = start_migration(&place).await;
    let waits = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'CREATE INDEX cofiLidStatusName%' \
                 AND DB = DATABASE() AND STATE LIKE 'Waiting%'";
    tokio::time::timeout(DEADLINE, async {
        while place.value(waits).await == "0" {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    kill_migration(&place).await;
    let error = migration.join_next().await.unwrap().unwrap().unwrap_err();
    assert!(error.to_string().contains("add an index to `lidStatus`, online"), "{error}");
    execute(&mut reader, "COMMIT").await.unwrap();
    assert_eq!(place.migrate().await.steps.len(), 1);
    assert_eq!(Fingerprint::of(&place).await, before);
    driving::drive(&place).await;
}

#[tokio::test]
async fn table_that_is_in_use_is_waited_for() {
    let place = Place::production().await;
    let mut reader = place.connection().await;
    execute(&mut reader, "START TRANSACTION; SELECT COUNT(*) FROM lidStatus").await.unwrap();
    let mut migration = start_migration(&place).await;
    // While it waits, others go on within the second that it waits at a time.
    for _ in 0..3 {
        let write = place.execute("INSERT INTO lidStatus (audioName) VALUES ('between')");
        tokio::time::timeout(Duration::from_secs(5), write).await.unwrap();
    }
    execute(&mut reader, "COMMIT").await.unwrap();
    tokio::time::timeout(DEADLINE, migration.join_next()).await.unwrap().unwrap().unwrap().unwrap();
    assert_eq!(place.plan().await.unwrap().steps, []);
}

#[tokio::test]
async fn two_migrations_at_a_time_do_each_step_once() {
    for _ in 0..3 {
        let place = Place::production().await;
        let before = Fingerprint::of(&place).await;
        let mut running = JoinSet::new();
        for _ in 0..4 {
            let url = place.url();
            running.spawn(async move {
                let plan = plan_migration(&url, true).await.unwrap();
                let mut done: Vec<Step> = Vec::new();
                let outcome = migrate(&url, &plan, |step| done.push(step.clone())).await;
                (outcome, done)
            });
        }
        let mut steps = Vec::new();
        while let Some(outcome) = running.join_next().await {
            let (outcome, done) = outcome.unwrap();
            outcome.unwrap();
            steps.extend(done.into_iter().map(|step| step.sql));
        }
        let count = steps.len();
        steps.sort_unstable();
        steps.dedup();
        assert_eq!(steps.len(), count, "a step was done twice");
        assert_eq!(place.plan().await.unwrap().steps, []);
        assert_eq!(Fingerprint::of(&place).await, before);
    }
}

#[tokio::test]
async fn migration_beside_a_long_one_says_so() {
    let place = Place::production().await;
    let mut other = place.connection().await;
    let lock = format!("DO GET_LOCK(CONCAT('cofi.migrate.', SHA1('{}')), 0)", place.database());
    execute(&mut other, &lock).await.unwrap();
    let plan = place.plan().await.unwrap();
    let error = migrate(&place.url(), &plan, |_| panic!("a step was done")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "another `cofi-controller migrate` works on this database: wait until it is done"
    );
}
