//! The view for SQL readers, over the years.

use crate::place::Place;

const READY: &str = "SELECT COUNT(*) FROM cofiReadyCall";

#[tokio::test]
async fn view_has_what_waits_and_is_identified() {
    let place = Place::production().await;
    place.migrate().await;
    place.execute("DELETE FROM callMetadata; DELETE FROM `call`").await;
    for (status, lang) in [
        ("'Pending'", "'hi'"),
        ("'Pending'", "'und'"),
        ("'Pending'", "'unknown'"),
        ("'Pending'", "NULL"),
        ("'Complete'", "'hi'"),
        ("NULL", "'hi'"),
    ] {
        place.execute(&format!("INSERT INTO `call` (status, lang) VALUES ({status}, {lang})")).await;
    }
    assert_eq!(place.rows("SELECT lang FROM cofiReadyCall ORDER BY id").await, [["hi"], ["und"]]);
}

#[tokio::test]
async fn view_follows_the_columns_of_calls_when_migrate_runs_again() {
    let place = Place::production().await;
    place.migrate().await;
    let before = place.value(READY).await;
    place
        .execute("ALTER TABLE `call` ADD COLUMN score float DEFAULT 0.5 AFTER ip, DROP COLUMN emotion")
        .await;
    // What the view's list of columns still has is gone: it is of no use until then.
    let plan = place.migrate().await;
    let what: Vec<&str> = plan.steps.iter().map(|step| step.what.as_str()).collect();
    assert_eq!(what, ["bring the view cofiReadyCall in line with the columns of `call`"]);
    assert_eq!(place.value(READY).await, before);
    assert_eq!(place.rows("SELECT DISTINCT score FROM cofiReadyCall").await, [["0.5"]]);
}

#[tokio::test]
async fn column_that_is_added_to_calls_does_not_stop_the_view() {
    let place = Place::production().await;
    place.migrate().await;
    let before = place.value(READY).await;
    place.execute("ALTER TABLE `call` ADD COLUMN score float").await;
    assert_eq!(place.value(READY).await, before);
    place.open().await.unwrap().close().await;
}
