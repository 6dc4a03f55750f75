//! A production database of 20 batches with 10,000 calls each.

use crate::{
    driving::{self, NEW_ROWS},
    filling::fill,
    fingerprint::Fingerprint,
    place::{PRODUCTION, Place, UNICODE},
};

const BATCHES: u32 = 20;
const CALLS: u32 = 10_000;

#[tokio::test]
async fn years_of_others_rows_stay_as_they_are() {
    let place = Place::empty(UNICODE).await;
    place.execute(PRODUCTION).await;
    fill(&place, BATCHES, CALLS).await;
    let before = Fingerprint::of(&place).await;
    assert_eq!(before.rows("call"), 200_000);
    assert_eq!(before.rows("fileDistribution"), 200_000);
    assert_eq!(before.rows("lidStatus"), 200_000);

    place.migrate().await;
    assert_eq!(Fingerprint::of(&place).await, before, "after migrate");
    place.open().await.unwrap().close().await;
    assert_eq!(Fingerprint::of(&place).await, before, "after a controller looked at it");

    let current = "SELECT id, currentBatch FROM batchStatus WHERE id <= 20 ORDER BY id";
    let current_before = place.rows(current).await;
    let aside = [("batchStatus", "currentBatch")];
    let before = Fingerprint::without(&place, &aside).await;
    driving::drive(&place).await;
    before.assert_kept_in(&Fingerprint::without(&place, &aside).await, &NEW_ROWS);

    // The one thing of theirs that the contract changes.
    let ended: Vec<Vec<String>> =
        current_before.iter().map(|row| vec![row[0].clone(), row[1].replace('1', "0")]).collect();
    assert_ne!(ended, current_before, "no batch of theirs was current");
    assert_eq!(place.rows(current).await, ended);
}

#[tokio::test]
async fn fingerprint_sees_every_change() {
    let place = Place::production().await;
    let mut before = Fingerprint::of(&place).await;
    for change in [
        // The last digit of a float, a trailing blank, a case, a NULL, a zero date, a byte.
        "UPDATE `call` SET confidence = 0.10000001 WHERE confidence = CAST(0.1 AS FLOAT) LIMIT 1",
        "UPDATE fileDistribution SET `file` = CONCAT(`file`, ' ') WHERE `file` LIKE '%.wav' LIMIT 1",
        "UPDATE lidStatus SET `language` = 'hindi' WHERE `language` = 'Hindi' LIMIT 1",
        "UPDATE `user` SET name = NULL WHERE name = 'Zoë'",
        "UPDATE batchStatus SET createdAt = '2020-02-29' WHERE createdAt = 0",
        "UPDATE callMetadata SET payload = UNHEX('00ff81') LIMIT 1",
        "DELETE FROM tradeMetadata LIMIT 1",
        "ALTER TABLE lidStatus MODIFY audioName varchar(101)",
        "ALTER TABLE `call` AUTO_INCREMENT = 1000",
        "CREATE INDEX others ON fileDistribution (ip)",
        "CREATE TRIGGER t BEFORE INSERT ON `user` FOR EACH ROW SET NEW.name = 'x'",
        "CREATE TABLE more (a int)",
    ] {
        place.execute(change).await;
        let after = Fingerprint::of(&place).await;
        assert_ne!(after, before, "{change}");
        assert_eq!(Fingerprint::of(&place).await, after, "{change}");
        before = after;
    }
}
