//! Names from a folder to the tables: as wide as the columns and one wider, of
//! four bytes a character, and such that a database may take for equal.

use std::{fs, sync::Arc};

use cofi_controller::plan::{PlanRequest, Planned, Planner};
use cofi_language::LanguageTable;
use cofi_proto::{BatchId, clock::SystemClock};
use rstest::rstest;
use tempfile::TempDir;

use crate::{
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture,
    },
    scene,
};

/// Plans a folder with files of these names.
async fn plan<S: AsRef<str>>(db: &Fixture, names: &[S]) -> (TempDir, Planned) {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        fs::write(folder.path().join(name.as_ref()), b"RIFF").unwrap();
    }
    let languages = Arc::new(LanguageTable::new([]).unwrap());
    let root = folder.path().canonicalize().unwrap();
    let planner = Planner::new(db.ledger().clone(), languages, vec![root.clone()], Arc::new(SystemClock));
    let request = PlanRequest { source: root.to_str().unwrap().to_owned(), ..PlanRequest::default() };
    (folder, planner.plan(request).await.unwrap())
}

async fn planned<S: AsRef<str>>(db: &Fixture, names: &[S]) -> BatchId {
    match plan(db, names).await.1 {
        Planned::Batch { batch, new: true } => batch,
        other @ (Planned::Batch { .. } | Planned::Rejected { .. } | Planned::NothingNew { .. }) => {
            panic!("{other:?}")
        }
    }
}

/// Nothing of the batch may be left: what was said of it.
async fn rejected<S: AsRef<str>>(db: &Fixture, names: &[S]) -> Vec<(String, String)> {
    let Planned::Rejected { offenders, total } = plan(db, names).await.1 else { panic!("not rejected") };
    assert_eq!(offenders.len(), usize::try_from(total).unwrap());
    for table in ["batchStatus", "cofiBatch", "cofiRecording"] {
        assert_eq!(db.value(&format!("SELECT COUNT(*) FROM {table}")).await, "0", "{table}");
    }
    offenders.into_iter().map(|offender| (offender.path, offender.reason)).collect()
}

/// Records and identifies everything, and compares the names in all tables
/// with those of the files.
async fn assert_unchanged<S: AsRef<str>>(db: &Fixture, names: &[S]) {
    let batch = planned(db, names).await;
    let count = i64::try_from(names.len()).unwrap();
    scene::record(db.ledger(), batch, 0..count, "a").await;
    let results: Vec<_> = (0..count).map(|ordinal| scene::identified(batch, ordinal, 1, "hi")).collect();
    scene::apply(db.ledger(), &results).await;
    let mut expected: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    expected.sort_unstable();
    for (table, column) in [
        ("cofiRecording", "audioName"),
        ("fileDistribution", "`file`"),
        ("`call`", "audioName"),
        ("lidStatus", "audioName"),
    ] {
        let mut found = db.column(&format!("SELECT {column} FROM {table} WHERE batchId = {batch}")).await;
        found.sort_unstable();
        assert_eq!(found, expected, "{table}");
    }
    assert_eq!(db.value("SELECT COUNT(*) FROM fileDistribution WHERE lidDone = 1").await, count.to_string());
}

#[rstest]
#[tokio::test]
async fn name_as_wide_as_the_narrowest_column_is_kept_whole(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    db.narrow_lid_status().await;
    // 100 characters, one of them of four bytes.
    let names = ["x".repeat(96) + ".wav", "📞".to_owned() + &"y".repeat(95) + ".wav"];
    assert!(names.iter().all(|name| name.chars().count() == 100));
    assert_unchanged(&db, &names).await;
}

#[rstest]
#[tokio::test]
async fn name_one_wider_refuses_the_batch_with_the_statement_that_mends_it(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = Fixture::new(on).await;
    db.narrow_lid_status().await;
    let wide = "é".repeat(97) + ".wav";
    let said = rejected(&db, &["a.wav", &wide]).await;
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].0.starts_with("ééé"), "{said:?}");
    assert!(said[0].1.contains("101") && said[0].1.contains("ALTER TABLE `lidStatus`"), "{said:?}");
}

#[rstest]
#[tokio::test]
async fn names_of_255_bytes_and_of_four_byte_characters_are_kept_whole(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = Fixture::new(on).await;
    let names = ["x".repeat(251) + ".wav", "🎧".repeat(62) + ".wav", "श्रीमती 📞.wav".to_owned()];
    assert_unchanged(&db, &names).await;
}

#[rstest]
#[tokio::test]
async fn names_that_differ_by_case_accent_or_trailing_blank_refuse_the_batch(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = Fixture::new(on).await;
    let names = [
        "one.wav",
        "ONE.wav",
        "öne.wav",
        "o\u{308}ne.wav",
        "two.wav",
        "two.wav ",
        "three.wav",
        "STRASSE.wav",
        "straße.wav",
    ];
    let said = rejected(&db, &names).await;
    // Of each set of equal names one would have stayed.
    assert_eq!(said.len(), names.len() - 4, "{said:?}");
    assert!(said.iter().all(|(_, reason)| reason.contains("equal name")), "{said:?}");
    assert!(said.iter().all(|(path, _)| path != "three.wav"), "{said:?}");
}

#[rstest]
#[tokio::test]
async fn the_same_names_in_another_case_are_another_batchs_own(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    for names in [["one.wav", "two.wav"], ["ONE.wav", "twö.wav"]] {
        let batch = planned(&db, &names).await;
        scene::record(db.ledger(), batch, 0..2, "a").await;
        scene::apply(
            db.ledger(),
            &[scene::identified(batch, 0, 1, "hi"), scene::identified(batch, 1, 1, "en")],
        )
        .await;
    }
    for table in ["fileDistribution", "`call`", "lidStatus"] {
        let rows = db.value(&format!("SELECT COUNT(*) FROM {table}")).await;
        assert_eq!(rows, "4", "{table}");
    }
    let mut names = db.column("SELECT audioName FROM lidStatus").await;
    names.sort_unstable();
    assert_eq!(names, ["ONE.wav", "one.wav", "two.wav", "twö.wav"]);
}
