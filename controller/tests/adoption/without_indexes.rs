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

/// Time a group, recording and identifying.
async fn time_a_group(ledger: &Ledger) -> Duration {
    let batch = scene::batch_of(ledger, GROUP * GROUPS).await;
    let began = Instant::now();
    for group in 0..GROUPS {
        let ordinals = group * GROUP..(group + 1) * GROUP;
        scene::record(ledger, batch, ordinals.clone(), "a").await;
        let results: Vec<_> = ordinals.map(|ordinal| scene::identified(batch, ordinal, 1, "hi")).collect();
        scene::apply(ledger, &results).await;
    }
    began.elapsed() / u32::try_from(GROUPS).unwrap()
}

#[tokio::test]
async fn indexes_are_worth_their_room() {
    // 20 batches of 10,000 with COFI_FULL=1.
    let batches = if std::env::var_os("COFI_FULL").is_some() { 20 } else { 2 };
    let place = Place::empty(UNICODE).await;
    place.execute(PRODUCTION).await;
    fill(&place, batches, 10_000).await;
    migrate_without_indexes(&place).await;
    let ledger = place.open().await.unwrap();
    let without = time_a_group(&ledger).await;
    place.migrate().await;
    let with = time_a_group(&ledger).await;
    println!(
        "{GROUP} recordings beside {} old rows: {without:?} without the indexes, {with:?} with them",
        batches * 10_000
    );
    let plan = "EXPLAIN SELECT `file` FROM fileDistribution WHERE batchId = 3 AND `file` IN ('a', 'b')";
    assert_eq!(place.rows(plan).await[0][5], "cofiFileDistributionFile");
    assert!(with < without, "{with:?} {without:?}");
}
