//! Planning told twice, as when the answer to a COMMIT is lost and the
//! transaction runs again: the second answer is that of the first, and nothing
//! is there twice. (The other calls are told twice in `model`.)

use cofi_controller::ledger::{Begun, SourceStamp};
use rstest::rstest;

use crate::{
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture,
    },
    scene,
};

#[rstest]
#[tokio::test]
async fn batch_that_was_begun_is_found_by_its_request(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let wish = scene::wish();
    let batch = scene::begin(db.ledger(), &wish).await;
    assert_eq!(db.ledger().begin_batch(&wish).await.unwrap(), Begun::Unpublished(batch));
    assert_eq!(db.value("SELECT COUNT(*) FROM batchStatus").await, "1");
}

#[rstest]
#[tokio::test]
async fn manifest_that_was_written_is_not_taken_for_equal_names(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::begin(db.ledger(), &scene::wish()).await;
    let entries = scene::entries(&["a.wav", "b.wav", "B.wav", "c.wav"]);
    for _ in 0..2 {
        assert_eq!(db.ledger().add_to_manifest(batch, &entries).await.unwrap(), [2]);
        assert_eq!(db.column("SELECT ordinal FROM cofiRecording ORDER BY 1").await, ["0", "1", "3"]);
    }
}

#[rstest]
#[tokio::test]
async fn published_batch_is_left_as_it_is(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 3).await;
    // A later batch is the current one by now.
    let later = scene::batch_of(db.ledger(), 1).await;
    let before = db.records("SELECT * FROM batchStatus ORDER BY id").await;
    db.ledger().publish_batch(batch).await.unwrap();
    assert_eq!(db.records("SELECT * FROM batchStatus ORDER BY id").await, before);
    assert_eq!(db.column("SELECT id FROM batchStatus WHERE currentBatch = 1").await, [later.to_string()]);
}

#[rstest]
#[tokio::test]
async fn batch_that_was_discarded_is_gone(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::begin(db.ledger(), &scene::wish()).await;
    db.ledger().add_to_manifest(batch, &scene::entries(&["a.wav"])).await.unwrap();
    for _ in 0..2 {
        db.ledger().discard_batch(batch).await.unwrap();
        for table in ["batchStatus", "cofiBatch", "cofiRecording"] {
            assert_eq!(db.value(&format!("SELECT COUNT(*) FROM {table}")).await, "0", "{table}");
        }
    }
}

#[rstest]
#[tokio::test]
async fn source_that_was_restamped_stays_so(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 2).await;
    db.ledger().fail_placements(&[scene::unplaceable(batch, 1)], scene::NOW).await.unwrap();
    for _ in 0..2 {
        let stamp = SourceStamp { ordinal: 1, size: 70, mtime: 6 };
        db.ledger().restamp_sources(batch, &[stamp]).await.unwrap();
        assert_eq!(db.column("SELECT size FROM cofiRecording ORDER BY ordinal").await, ["1000", "70"]);
        assert_eq!(db.value("SELECT bytes FROM cofiBatch").await, "1070");
    }
}
