//! Hostile audio: hundreds of files that are damaged, lie about themselves or
//! are no audio at all go through real agents with the real engine, among good
//! clips. Each ends identified or with a reason; no agent ends, and nobody
//! waits longer for them than a slot takes to get rid of one.
//!
//! `COFI_FULL=1` takes all files of several seeds, and the largest bombs.

mod bombs;
mod containers;
mod corpus;
mod damage;
mod mp4;
mod names;
mod pieces;
mod rubbish;
mod watch;
mod waves;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    env, fs,
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use cofi_proto::pb::v1 as pb;
use cofi_tests::{
    audit::audit,
    cluster::{Agent, Cluster, Engine},
    corpus::{Corpus, Sample},
    given::folder,
    seeds::seeds,
    tables::{RecordingRow, Snapshot},
    worker::KnownAnswer,
};

use self::{
    corpus::{Fate, Hostile, hostile},
    watch::Watch,
};

/// What a worker may take for one recording: the bombs take all of it, and good
/// clips a tenth, on a machine that does other things as well.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// How long a slot may be without a result: a recording that takes all its time,
/// the next worker with its model, and the next recording.
const LONGEST_GAP: Duration = Duration::from_mins(1);

/// Hostile files in a run that is not full.
const HOSTILE_FILES: usize = 210;

/// After so many hostile files comes a good clip.
const GOOD_EVERY: usize = 12;

/// What a file may fail with. A worker that crashed, hung or panicked is not
/// among it: no known input does that.
const REASONS: [&str; 5] = ["empty", "undecodable", "unsupported_format", "too_slow", "too_much_memory"];

/// What an agent logs when a worker dies or hangs, and not when it gives up.
const LOST: &str = "worker lost";

/// Seconds by which a duration may differ once it has been through decimals.
const EXACT: f64 = 1e-9;

/// The clips have samples of 16 bits, so many a second, after so many bytes.
const RATE: u32 = 8_000;
const HEADER: usize = 44;

/// What is in a folder of recordings, by name and in its order.
fn recordings(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut recordings = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            recordings.push((name, fs::read(entry.path())?));
        }
    }
    recordings.sort();
    Ok(recordings)
}

/// Clips whose language is known, with it.
fn good_clips() -> Result<Vec<(&'static str, Vec<u8>)>> {
    let clips = recordings(&folder("COFI_TEST_CLIPS", "tools/make-clips --hard")?)?;
    let known = |name: &str| ["en", "es", "fr", "it", "ru"].into_iter().find(|lang| name.starts_with(lang));
    let plain = |(name, clip): (String, Vec<u8>)| {
        let plain = name.rsplit('_').next().is_some_and(|number| number.starts_with('0'));
        known(&name).filter(|_| plain && name.len() == 9).map(|lang| (lang, clip))
    };
    let clips: Vec<_> = clips.into_iter().filter_map(plain).collect();
    ensure!(!clips.is_empty(), "no clips");
    Ok(clips)
}

/// A recording as the audit is to find it. Each has a folder of its own, so that
/// the order of sending is that of the numbers, whatever the names.
fn sample(number: usize, name: &str, size: u64, lang: &'static str, duration_seconds: f64) -> Sample {
    let answer = KnownAnswer { said: lang.to_owned(), duration_seconds, processing_seconds: None };
    let source_path = format!("{number:04}/{name}");
    Sample { name: name.to_owned(), source_path, size, answer, lang, has_language_row: true }
}

/// Writes hostile files with good clips between them: the names of the clips.
fn write(corpus: &mut Corpus, hostile: &[Hostile]) -> Result<Vec<String>> {
    let clips = good_clips()?;
    let mut good = Vec::new();
    for (number, file) in hostile.iter().enumerate() {
        let folder = corpus.root.join(format!("{number:04}"));
        fs::create_dir(&folder)?;
        if number % GOOD_EVERY == 0 {
            let (lang, clip) = &clips[good.len() % clips.len()];
            let name = format!("good {number:04}.wav");
            fs::write(folder.join(&name), clip)?;
            let samples = u32::try_from(clip.len() - HEADER)? / 2;
            let seconds = f64::from(samples) / f64::from(RATE);
            let size = u64::try_from(clip.len())?;
            corpus.samples.insert(name.clone(), sample(number, &name, size, lang, seconds));
            good.push(name);
        }
        let size = file.write(&folder)?;
        corpus.samples.insert(file.name.clone(), sample(number, &file.name, size, "und", 0.0));
    }
    Ok(good)
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_files_end_with_a_reason_and_cost_nobody_else_more_than_a_slot() -> Result<()> {
    let full = env::var_os("COFI_FULL").is_some_and(|full| full == "1");
    for seed in seeds(1, 3)? {
        eprintln!("seed {seed}");
        let clips = folder("COFI_TEST_CLIPS", "tools/make-clips --hard")?;
        let clip = fs::read(clips.join("en_01.wav"))?;
        let variants = folder("COFI_TEST_VARIANTS", "tools/make-clips --variants")?;
        let files = hostile(seed, (!full).then_some(HOSTILE_FILES), &clip, &recordings(&variants)?);
        take_through(&files).await?;
    }
    Ok(())
}

async fn take_through(files: &[Hostile]) -> Result<()> {
    let model = folder("COFI_TEST_MODEL", "tools/make-model")?;
    let mut cluster = Cluster::new()?;
    let mut corpus = Corpus::empty(&cluster.path("calls"))?;
    let good = write(&mut corpus, files)?;
    cluster.controller.start().await?;
    for (name, address) in [("host-0", "10.77.0.1"), ("host-1", "10.77.0.2")] {
        let mut agent = Agent::new(&cluster.path(""), name, address, Engine::Builtin(model.clone()))?;
        agent.limit_engine(TIME_LIMIT);
        agent.start(&cluster.controller).await?;
        cluster.agents.push(agent);
    }
    cluster.agents_are_ready().await?;
    let batch = cluster.submit(&corpus).await?;
    let watch = Watch::until_at_rest(&mut cluster, batch).await?;
    let snapshot = cluster.tables().await?.snapshot(batch).await?;
    tell(&snapshot, &watch);
    for agent in &cluster.agents {
        let lost: Vec<_> =
            agent.log_text()?.lines().filter(|line| line.contains(LOST)).map(str::to_owned).collect();
        ensure!(lost.is_empty(), "{} lost workers: {lost:#?}", agent.name);
    }
    ensure!(watch.longest_gap < LONGEST_GAP, "a slot stood still for {:?}", watch.longest_gap);
    ends_are_as_expected(files, &good, &snapshot)?;
    learn(&mut corpus, &good, &snapshot)?;
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!(tally.stored() == u64::try_from(files.len() + good.len())?, "{tally:?}");
    let ended = cluster.client()?.batch(batch).await?;
    ensure!(ended.state() == pb::BatchState::CompleteWithFailures, "{ended:?}");
    cluster.stop().await
}

/// Every file has ended as it must, with words for it.
fn ends_are_as_expected(files: &[Hostile], good: &[String], snapshot: &Snapshot) -> Result<()> {
    let rows: HashMap<&str, &RecordingRow> =
        snapshot.recordings.iter().map(|row| (row.audio_name.as_str(), row)).collect();
    let mut wrong = Vec::new();
    for file in files {
        let row = rows.get(file.name.as_str()).with_context(|| format!("no row of {:?}", file.name))?;
        let reason = row.reason.as_deref().unwrap_or_default();
        let right = match (row.lid.as_str(), row.code.as_deref(), file.fate) {
            ("done", None, Fate::Identified | Fate::Ends) => true,
            ("failed", Some(code), Fate::Ends) => REASONS.contains(&code) && !reason.is_empty(),
            ("failed", Some(code), Fate::Fails(must)) => code == must && !reason.is_empty(),
            (_, _, Fate::Identified | Fate::Ends | Fate::Fails(_)) => false,
        };
        if !right {
            wrong.push(format!(
                "{:?} must be {:?}: {} {:?} {reason}",
                file.name, file.fate, row.lid, row.code
            ));
        }
    }
    ensure!(wrong.is_empty(), "{} files ended otherwise:\n{}", wrong.len(), wrong.join("\n"));
    let done = good.iter().filter(|name| rows.get(name.as_str()).is_some_and(|row| row.lid == "done"));
    ensure!(done.count() == good.len(), "good clips failed");
    Ok(())
}

/// What a damaged file still says, nobody knows beforehand: the audit is told
/// what `call` holds, and compares everything else with it. Good clips must be
/// in their language and last as long as they do.
fn learn(corpus: &mut Corpus, good: &[String], snapshot: &Snapshot) -> Result<()> {
    let known: BTreeSet<&str> = snapshot.languages.iter().map(|(_, code)| code.as_str()).collect();
    for call in snapshot.calls.iter().filter(|call| call.lang != "unknown") {
        let name = &call.audio_name;
        let sample = corpus.samples.get_mut(name).with_context(|| format!("{name:?} was never sent"))?;
        ensure!(call.audio_duration.is_finite() && call.audio_duration >= 0.0, "{call:?}");
        if good.contains(name) {
            let differs = (call.audio_duration - sample.answer.duration_seconds).abs();
            ensure!(call.lang == sample.lang && differs < EXACT, "{call:?} must be {sample:?}");
        }
        sample.answer.duration_seconds = call.audio_duration;
        sample.has_language_row = known.contains(call.lang.as_str());
        // Samples name languages that are known when the test is written; these live as long as it runs.
        sample.lang = Box::leak(call.lang.clone().into_boxed_str());
    }
    Ok(())
}

/// The figures, for whoever reads the test's output.
fn tell(snapshot: &Snapshot, watch: &Watch) {
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &snapshot.recordings {
        *ends.entry(row.code.as_deref().unwrap_or(&row.lid)).or_default() += 1;
    }
    let seconds = |time: &str| time.parse::<f64>().unwrap_or_default();
    let times = snapshot.lids.iter().map(|row| (seconds(&row.lid_processing_time), row.audio_name.as_str()));
    let slowest = times.max_by(|one, other| one.0.total_cmp(&other.0));
    eprintln!(
        "{} files: {ends:?}; in {:?}; a slot's longest gap {:?}; slowest answer {slowest:?}; a worker's peak {} KiB",
        snapshot.recordings.len(),
        watch.took,
        watch.longest_gap,
        watch.peak_kib,
    );
}
