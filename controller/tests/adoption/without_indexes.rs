//! A database whose owner wants no index on shared tables: a controller works
//! there, and each group of recordings takes as long as reading both tables.

use std::time::{Duration, Instant};

use cofi_controller::ledger::{Ledger, MigrationPlan, migrate, plan_migration};

use crate::{
    driving,
    filling::fill,
    place::{PRODUCTION, Place, UNICODE},
    scene,
};

/// Recordings in a group, as the recorder makes them.
const GROUP: i64 = 200;
const GROUPS: i64 = 3;

async fn migrate_without_indexes(place: &Place<'_>) -> MigrationPlan {
    let plan = plan_migration(&place.url(), false).await.unwrap();
    migrate(&place.url(), &plan, |_| ()).await.unwrap();
    plan
}

#[tokio::test]
async fn controller_works_without_the_indexes() {
    let place = Place::production().await;
    let plan = migrate_without_indexes(&place).await;
    assert!(plan.steps.iter().all(|step| !step.sql.contains("CREATE INDEX")), "{plan:?}");
    assert_eq!(plan_migration(&place.url(), false).await.unwrap().steps, []);
    driving::drive(&place).await;
    assert_eq!(place.plan().await.unwrap().steps.len(), 2);
    place.migrate().await;
    driving::drive(&place).await;
}

/// Rows that the server has read of a table since it counts.
async fn rows_read(place: &Place<'_>, table: &str) -> u64 {
    let select = "SELECT COALESCE(SUM(ROWS_READ), 0) FROM information_schema.TABLE_STATISTICS \
                  WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ";
    place.value(&format!("{select}'{table}'")).await.parse().unwrap()
}

/// Records and identifies a few groups: rows read of the two tables for each
/// group, and its time.
async fn run_groups(place: &Place<'_>, ledger: &Ledger) -> ([u64; 2], Duration) {
    let batch = scene::batch_of(ledger, GROUP * GROUPS).await;
    let tables = ["fileDistribution", "lidStatus"];
    let before = [rows_read(place, tables[0]).await, rows_read(place, tables[1]).await];
    let began = Instant::now();
    for group in 0..GROUPS {
        let ordinals = group * GROUP..(group + 1) * GROUP;
        scene::record(ledger, batch, ordinals.clone(), "a").await;
        let results: Vec<_> = ordinals.map(|ordinal| scene::identified(batch, ordinal, 1, "hi")).collect();
        scene::apply(ledger, &results).await;
    }
    let groups = u32::try_from(GROUPS).unwrap();
    let took = began.elapsed() / groups;
    let after = [rows_read(place, tables[0]).await, rows_read(place, tables[1]).await];
    ([0, 1].map(|table| (after[table] - before[table]) / u64::from(groups)), took)
}

#[tokio::test]
async fn indexes_are_worth_their_room() {
    // 20 batches of 10,000 with COFI_FULL=1.
    let batches = if std::env::var_os("COFI_FULL").is_some() { 20 } else { 2 };
    let old_rows = u64::from(batches) * 10_000;
    let place = Place::empty(UNICODE).await;
    place.execute(PRODUCTION).await;
    fill(&place, batches, 10_000).await;
    migrate_without_indexes(&place).await;
    place.execute("SET GLOBAL userstat = ON").await;
    let ledger = place.open().await.unwrap();
    let (without, slow) = run_groups(&place, &ledger).await;
    place.migrate().await;
    let (with, fast) = run_groups(&place, &ledger).await;
    println!(
        "{GROUP} recordings beside {old_rows} old rows: {slow:?} without the indexes, {fast:?} with them"
    );
    println!(
        "rows read of fileDistribution and lidStatus: {without:?} without the indexes, {with:?} with them"
    );
    assert!(without.iter().all(|read| *read >= old_rows), "{without:?}");
    // Each recording's row a few times.
    assert!(with.iter().all(|read| *read <= 5 * GROUP.unsigned_abs()), "{with:?}");
}
