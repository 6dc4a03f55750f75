//! Folders with files that cannot be recordings: each of them is named, and
//! nothing is written.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{PermissionsExt as _, symlink},
    },
    path::PathBuf,
};

use anyhow::{Result, ensure};
use cofi_proto::pb::v1::{self as pb, create_batch_response::Outcome};
use cofi_tests::{cluster::Cluster, database::change};
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// Takes the right to read everything away from root, by which else nothing is
/// unreadable.
const WITHOUT_PRIVILEGE: [&str; 2] = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];

/// `lidStatus` as production has it, where names have 100 characters.
const NARROW: &str = "DROP TABLE lidStatus; \
    CREATE TABLE lidStatus (id INTEGER PRIMARY KEY AUTOINCREMENT, audioName varchar(100), `language` varchar(100), \
    lidProcessingTime varchar(100), batchId int DEFAULT 0, createdAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP, \
    updatedAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP, audioDuration float, ip varchar(100)); \
    CREATE INDEX lidStatusBatchName ON lidStatus (batchId, audioName)";

/// A controller and a folder, in which one file is fine.
struct Bench {
    cluster: Cluster,
    source: PathBuf,
}

impl Bench {
    /// Nothing runs yet.
    fn new() -> Result<Self> {
        let cluster = Cluster::new()?;
        let source = cluster.path("calls");
        fs::create_dir(&source)?;
        fs::write(source.join("fine.wav"), "fine")?;
        Ok(Self { cluster, source })
    }

    async fn started() -> Result<Self> {
        let mut bench = Self::new()?;
        bench.cluster.controller.start().await?;
        Ok(bench)
    }

    fn add(&self, path: impl AsRef<OsStr>) -> Result<()> {
        let path = self.source.join(path.as_ref());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(fs::write(path, "content")?)
    }

    fn request(&self) -> pb::CreateBatchRequest {
        pb::CreateBatchRequest { source: self.source.display().to_string(), ..Default::default() }
    }

    /// The folder is refused because of exactly these files, by path, each
    /// with words about it; nothing is written.
    async fn rejects(&self, request: pb::CreateBatchRequest, expected: &[(&str, &str)]) -> Result<()> {
        let tables = self.cluster.tables().await?;
        let before = tables.totals().await?;
        let outcome = self.cluster.client()?.create(request).await?;
        let Outcome::Rejection(rejection) = outcome else { anyhow::bail!("not rejected: {outcome:?}") };
        let offenders: BTreeMap<&str, &str> =
            rejection.offenders.iter().map(|it| (it.path.as_str(), it.reason.as_str())).collect();
        ensure!(u64::try_from(offenders.len())? == rejection.total_offenders, "{rejection:?}");
        let paths: Vec<&str> = offenders.keys().copied().collect();
        let mut expected_paths: Vec<&str> = expected.iter().map(|(path, _)| *path).collect();
        expected_paths.sort_unstable();
        ensure!(paths == expected_paths, "{rejection:?}");
        for (path, words) in expected {
            ensure!(offenders[path].contains(words), "{path} is refused with {:?}", offenders[path]);
        }
        ensure!(tables.totals().await? == before, "a rejected batch was written");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_no_table_should_hold_are_refused() -> Result<()> {
    let bench = Bench::started().await?;
    bench.add("line\nfeed.wav")?;
    bench.add("tab\tulator.wav")?;
    bench.add("bell\u{7}.wav")?;
    bench.add(OsStr::from_bytes(b"latin \xe9.wav"))?;
    bench.add(OsStr::from_bytes(b"folder \xff/inside.wav"))?;
    let expected = [
        ("line\\nfeed.wav", "control characters"),
        ("tab\\tulator.wav", "control characters"),
        ("bell\\u{7}.wav", "control characters"),
        ("latin \\xe9.wav", "UTF-8"),
        ("folder \\xff/inside.wav", "UTF-8"),
    ];
    bench.rejects(bench.request(), &expected).await
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_some_database_takes_for_equal_are_refused() -> Result<()> {
    let bench = Bench::started().await?;
    for name in [
        "a/same.wav",
        "b/same.wav",
        "case.wav",
        "CASE.wav",
        "cafe.wav",
        "café.wav",
        "blank.wav",
        "blank.wav  ",
    ] {
        bench.add(name)?;
    }
    // The first of each in the order of paths is not to blame.
    let equal = "equal name";
    let expected = [("b/same.wav", equal), ("case.wav", equal), ("café.wav", equal), ("blank.wav  ", equal)];
    bench.rejects(bench.request(), &expected).await
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_lead_out_and_what_is_no_file_are_refused() -> Result<()> {
    let bench = Bench::started().await?;
    let outside = bench.cluster.path("outside.wav");
    fs::write(&outside, "secret")?;
    symlink(&outside, bench.source.join("absolute.wav"))?;
    symlink("../outside.wav", bench.source.join("relative.wav"))?;
    symlink("nowhere.wav", bench.source.join("broken.wav"))?;
    symlink("..", bench.source.join("folder.wav"))?;
    symlink("fine.wav", bench.source.join("within.wav"))?;
    mknodat(CWD, bench.source.join("pipe.wav"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    symlink("pipe.wav", bench.source.join("to a pipe.wav"))?;
    let expected = [
        ("absolute.wav", "cannot be opened"),
        ("relative.wav", "cannot be opened"),
        ("broken.wav", "cannot be opened"),
        ("folder.wav", "cannot be opened"),
        ("pipe.wav", "no regular file"),
        ("to a pipe.wav", "no regular file"),
    ];
    bench.rejects(bench.request(), &expected).await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_folders_that_cannot_be_read_are_refused() -> Result<()> {
    let mut bench = Bench::new()?;
    bench.add("locked.wav")?;
    bench.add("closed/inside.wav")?;
    fs::set_permissions(bench.source.join("locked.wav"), fs::Permissions::from_mode(0o0))?;
    fs::set_permissions(bench.source.join("closed"), fs::Permissions::from_mode(0o0))?;
    if rustix::process::geteuid().is_root() {
        bench.cluster.controller.wrap(&WITHOUT_PRIVILEGE);
    }
    bench.cluster.controller.start().await?;
    let outcome = bench.rejects(bench.request(), &[("locked.wav", "denied"), ("closed", "denied")]).await;
    // Or the folder of the test could not be removed.
    fs::set_permissions(bench.source.join("closed"), fs::Permissions::from_mode(0o700))?;
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn names_longer_than_a_column_are_refused_with_what_would_widen_it() -> Result<()> {
    let mut bench = Bench::started().await?;
    bench.cluster.controller.stop().await?;
    change(bench.cluster.controller.database(), NARROW).await?;
    bench.cluster.controller.start().await?;
    // Characters count, not bytes.
    let fits = format!("{}.wav", "é".repeat(96));
    let too_long = format!("{}.wav", "é".repeat(97));
    bench.add(&fits)?;
    bench.add(&too_long)?;
    bench.rejects(bench.request(), &[(&too_long, "ALTER TABLE `lidStatus` MODIFY")]).await?;

    fs::remove_file(bench.source.join(&too_long))?;
    let long_endpoint = format!("https://{}.example", "e".repeat(400));
    let request = pb::CreateBatchRequest { audio_endpoint: long_endpoint, ..bench.request() };
    bench.rejects(request, &[(&fits, "call.audioUrl")]).await?;

    let batch = bench.cluster.client()?.plan(bench.request()).await?;
    ensure!(bench.cluster.client()?.batch(batch).await?.counts.unwrap_or_default().recordings == 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_offenders_a_thousand_are_told_and_all_are_counted() -> Result<()> {
    const OFFENDERS: u64 = 1_234;
    let bench = Bench::started().await?;
    for index in 0..OFFENDERS {
        bench.add(format!("call\t{index:04}.wav"))?;
    }
    let tables = bench.cluster.tables().await?;
    let outcome = bench.cluster.client()?.create(bench.request()).await?;
    let Outcome::Rejection(rejection) = outcome else { anyhow::bail!("not rejected: {outcome:?}") };
    ensure!(rejection.offenders.len() == 1_000, "{} are told", rejection.offenders.len());
    ensure!(rejection.total_offenders == OFFENDERS, "{} are counted", rejection.total_offenders);
    ensure!(rejection.offenders[0].path == "call\\t0000.wav", "{:?}", rejection.offenders[0]);
    ensure!(tables.totals().await?.cofi_recording == 0, "a rejected batch was written");
    Ok(())
}
