//! The built-in engine with the real model on real speech.
//!
//! `COFI_TEST_MODEL` names the folder that tools/make-model made, `COFI_TEST_CLIPS` the one that
//! `tools/make-clips --hard` made: wav files whose names begin with their language, among them
//! `*_music_*`, `*_silence_*` and `*_announcement_*`. Without them these tests fail: a skipped test shows nothing.

mod limits;

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use cofi_lid::protocol::{Answer, Failure, FailureClass, Request, WorkerLine};
use tempfile::TempDir;

fn folder(variable: &str, maker: &str) -> PathBuf {
    let Some(folder) = env::var_os(variable).map(PathBuf::from) else {
        panic!("set {variable} to the folder that {maker} makes");
    };
    assert!(folder.is_absolute(), "{variable} is {}, and must be absolute", folder.display());
    assert!(folder.is_dir(), "{variable} is {}, which is no folder", folder.display());
    folder
}

/// The worker as a process of its own: an example of this crate, which cargo builds before it runs all tests.
///
/// What it finds on its search path is up to the test, and so is whether there is an ffmpeg.
fn worker(arguments: &[&str], programs: &Path, input: &str) -> Output {
    let test = env::current_exe().expect("the test knows where it is");
    let target = test.ancestors().nth(2).expect("tests lie in a folder of the target folder");
    let worker = target.join("examples").join("lid_worker");
    assert!(worker.is_file(), "build it first: cargo build -p cofi-lid --example lid_worker");
    let mut child = Command::new(worker)
        .args(arguments)
        .env("PATH", programs)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the worker starts");
    let mut stdin = child.stdin.take().expect("its input is a pipe");
    // A worker that ends early closes the pipe; what it said is what the test looks at.
    let _told = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("the worker ends when its input does")
}

/// The clips of which `wanted` is true of the name, by language.
fn clips(wanted: impl Fn(&str) -> bool) -> Vec<(String, PathBuf)> {
    let folder = folder("COFI_TEST_CLIPS", "tools/make-clips --hard");
    let mut clips: Vec<_> = fs::read_dir(&folder)
        .expect("the clips can be listed")
        .map(|entry| entry.expect("the clips can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wav"))
        .filter_map(|path| {
            let name = path.file_stem()?.to_str()?.to_owned();
            let (language, rest) = name.split_once('_')?;
            wanted(rest).then(|| (language.to_owned(), path))
        })
        .collect();
    clips.sort();
    assert!(!clips.is_empty(), "no such clips in {}", folder.display());
    clips
}

fn request(path: &Path, candidates: &[&str]) -> Request {
    let candidates = candidates.iter().map(|&code| code.to_owned()).collect();
    Request { id: path.display().to_string(), path: path.to_owned(), candidates }
}

fn folder_of_model() -> String {
    folder("COFI_TEST_MODEL", "tools/make-model").display().to_string()
}

/// What a worker says to the requests after it said that it is ready.
fn work(requests: &[Request]) -> Vec<WorkerLine> {
    work_with(&[], requests)
}

fn work_with(arguments: &[&str], requests: &[Request]) -> Vec<WorkerLine> {
    let no_programs = TempDir::new().expect("a folder");
    work_beside(no_programs.path(), arguments, requests)
}

fn work_beside(programs: &Path, arguments: &[&str], requests: &[Request]) -> Vec<WorkerLine> {
    let model = folder_of_model();
    let arguments = [&["--model", &model], arguments].concat();
    let input: String = requests.iter().map(|request| request.to_line().expect("a request") + "\n").collect();
    let output = worker(&arguments, programs, &input);
    assert!(output.status.success(), "{output:?}");
    let mut lines = parse(&output);
    assert_eq!(lines.len(), requests.len() + 1);
    assert!(matches!(lines.remove(0), WorkerLine::Ready { .. }));
    lines
}

fn parse(output: &Output) -> Vec<WorkerLine> {
    let said = str::from_utf8(&output.stdout).expect("a worker speaks UTF-8");
    said.lines().map(|line| WorkerLine::parse(line).expect("nothing but protocol lines")).collect()
}

fn answers(lines: Vec<WorkerLine>) -> Vec<Answer> {
    lines
        .into_iter()
        .map(|line| match line {
            WorkerLine::Answer(answer) => answer,
            WorkerLine::Ready { .. }
            | WorkerLine::Fatal { .. }
            | WorkerLine::Failure(_)
            | WorkerLine::GivenUp(_) => {
                panic!("{line:?}")
            }
        })
        .collect()
}

fn all_are_right(clips: &[(String, PathBuf)]) {
    let requests: Vec<_> = clips.iter().map(|(_, path)| request(path, &[])).collect();
    let answers = answers(work(&requests));
    for ((language, path), answer) in clips.iter().zip(&answers) {
        assert_eq!(&answer.language, language, "{}: {answer:?}", path.display());
    }
}

#[test]
fn every_plain_clip_has_its_language() {
    all_are_right(&clips(|name| name.chars().all(|letter| letter.is_ascii_digit())));
}

#[test]
fn music_at_the_start_misleads_nobody() {
    all_are_right(&clips(|name| name.starts_with("music")));
}

#[test]
fn silence_at_the_start_misleads_nobody() {
    all_are_right(&clips(|name| name.starts_with("silence")));
}

#[test]
fn an_announcement_in_another_language_misleads_nobody() {
    all_are_right(&clips(|name| name.starts_with("announcement")));
}

#[test]
fn an_answer_says_how_sure_it_is_and_how_long_the_recording_is() {
    let (language, path) = clips(|name| name.starts_with("silence")).remove(0);
    let answer = answers(work(&[request(&path, &[])])).remove(0);
    let size = u32::try_from(fs::metadata(&path).expect("a clip").len()).expect("a clip");
    // 8 kHz, 16 bits, one channel; the header is smaller than 0.1 s.
    assert!((answer.duration_seconds - f64::from(size) / 16_000.0).abs() < 0.1, "{answer:?}");
    assert_eq!(answer.probabilities.len(), 5);
    assert!(answer.probabilities.is_sorted_by(|a, b| a.probability >= b.probability));
    assert_eq!(answer.probabilities[0].language, language);
    assert_eq!(answer.unrestricted, Some(answer.probabilities[0].clone()));
    assert!(answer.processing_seconds.is_some_and(|seconds| seconds > 0.0));
}

#[test]
fn candidates_restrict_the_answer_and_not_what_was_heard() {
    let (language, path) = clips(|name| name == "01").remove(0);
    let others: Vec<_> = ["en", "fr", "ru"].into_iter().filter(|code| *code != language).collect();
    let answer = answers(work_with(&["--floor", "0"], &[request(&path, &others)])).remove(0);
    assert!(others.contains(&answer.language.as_str()), "{answer:?}");
    assert_eq!(answer.probabilities.len(), others.len());
    let total: f64 = answer.probabilities.iter().map(|each| each.probability).sum();
    assert!((total - 1.0).abs() < 1e-6);
    assert_eq!(answer.unrestricted.map(|heard| heard.language), Some(language));
}

#[test]
fn candidates_in_any_spelling_are_understood_and_unknown_ones_refused() {
    let (language, path) = clips(|name| name == "01").remove(0);
    let requests =
        [request(&path, &[&format!("{}-XX", language.to_uppercase())]), request(&path, &["klingon"])];
    let lines = work(&requests);
    assert!(matches!(&lines[0], WorkerLine::Answer(answer) if answer.language == language), "{lines:?}");
    assert!(matches!(&lines[1], WorkerLine::Failure(failure) if failure.code == "unknown_candidates"));
}

#[test]
fn below_the_floor_the_language_is_undetermined() {
    let (_, path) = clips(|name| name == "01").remove(0);
    let answer = answers(work_with(&["--floor", "1"], &[request(&path, &[])])).remove(0);
    assert_eq!(answer.language, "und");
    assert_eq!(answer.probabilities.len(), 5, "what was heard is told all the same");
}

/// A wav file of 8 kHz, 16 bits.
fn wav(folder: &Path, name: &str, channels: u16, samples: &[i16]) -> PathBuf {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let size = u32::try_from(data.len()).expect("a small file");
    let bytes = [
        b"RIFF".as_slice(),
        &(size + 36).to_le_bytes(),
        b"WAVEfmt \x10\0\0\0\x01\0",
        &channels.to_le_bytes(),
        &8_000_u32.to_le_bytes(),
        &(u32::from(channels) * 16_000).to_le_bytes(),
        &(channels * 2).to_le_bytes(),
        b"\x10\0data",
        &size.to_le_bytes(),
        &data,
    ];
    let path = folder.join(name);
    fs::write(&path, bytes.concat()).expect("the file is written");
    path
}

/// The samples of a clip, which tools/make-clips writes with a plain header of 44 bytes.
fn samples(clip: &Path) -> Vec<i16> {
    fs::read(clip).expect("a clip")[44..]
        .as_chunks::<2>()
        .0
        .iter()
        .map(|bytes| i16::from_le_bytes(*bytes))
        .collect()
}

#[test]
fn where_nobody_speaks_there_is_no_language() {
    let folder = TempDir::new().unwrap();
    let mut seed = 1_u32;
    let noise: Vec<i16> = (0..8_000 * 40)
        .map(|_| {
            seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            i16::try_from(seed >> 20).unwrap() - 2_048
        })
        .collect();
    // Ringing: 440 and 480 Hz as square waves, 2 s in 6.
    let ringing: Vec<i16> = (0..8_000 * 40)
        .map(|n: i32| if n % 48_000 < 16_000 { (n / 9 % 2 + n / 8 % 2) * 8_000 - 8_000 } else { 0 })
        .map(|sample| i16::try_from(sample).unwrap())
        .collect();
    let requests = [
        request(&wav(folder.path(), "silence.wav", 1, &vec![0; 8_000 * 40]), &[]),
        request(&wav(folder.path(), "noise.wav", 1, &noise), &["en", "hi"]),
        request(&wav(folder.path(), "ringing.wav", 1, &ringing), &[]),
        request(&wav(folder.path(), "short.wav", 1, &[100, -100]), &[]),
    ];
    for answer in answers(work(&requests)) {
        assert_eq!(answer.language, "zxx", "{answer:?}");
        assert!(answer.probabilities.is_empty() && answer.unrestricted.is_none());
    }
}

#[test]
fn of_two_sides_the_one_that_says_more_gives_the_language() {
    let all = clips(|name| name.chars().all(|letter| letter.is_ascii_digit()));
    let (language, long) = &all[0];
    let (_, short) = all.iter().find(|(other, _)| other != language).unwrap();
    let (long, mut short) = (samples(long), samples(short));
    short.truncate(long.len() / 3);
    short.resize(long.len(), 0);
    let folder = TempDir::new().unwrap();
    let stereo = |left: &[i16], right: &[i16]| -> Vec<i16> {
        left.iter().zip(right).flat_map(|(left, right)| [*left, *right]).collect()
    };
    let requests = [
        request(&wav(folder.path(), "left.wav", 2, &stereo(&long, &short)), &[]),
        request(&wav(folder.path(), "right.wav", 2, &stereo(&short, &long)), &[]),
    ];
    for answer in answers(work(&requests)) {
        assert_eq!(&answer.language, language, "{answer:?}");
    }
}

#[test]
fn one_bad_recording_does_not_stop_the_worker() {
    let folder = TempDir::new().unwrap();
    let (language, good) = clips(|name| name == "01").remove(0);
    let text = folder.path().join("text.wav");
    fs::write(&text, "no sound here").unwrap();
    let empty = folder.path().join("empty.wav");
    fs::write(&empty, "").unwrap();
    let cut = folder.path().join("cut.wav");
    fs::write(&cut, &fs::read(&good).unwrap()[..16_000 * 8]).unwrap();
    let missing = folder.path().join("missing.wav");
    let paths = [text, empty, missing, cut, good];
    let requests: Vec<_> = paths.iter().map(|path| request(path, &[])).collect();
    let lines = work(&requests);
    let failure = |line: &WorkerLine| match line {
        WorkerLine::Failure(Failure { code, class, .. }) => (code.clone(), *class),
        WorkerLine::Ready { .. }
        | WorkerLine::Fatal { .. }
        | WorkerLine::Answer(_)
        | WorkerLine::GivenUp(_) => panic!("{line:?}"),
    };
    assert_eq!(failure(&lines[0]), ("undecodable".to_owned(), FailureClass::Recording));
    assert_eq!(failure(&lines[1]), ("empty".to_owned(), FailureClass::Recording));
    assert_eq!(failure(&lines[2]), ("unreadable".to_owned(), FailureClass::Engine));
    for (line, seconds) in [(&lines[3], Some(8.0)), (&lines[4], None)] {
        let WorkerLine::Answer(answer) = line else { panic!("{line:?}") };
        assert_eq!(answer.language, language);
        assert!(
            seconds.is_none_or(|seconds: f64| (answer.duration_seconds - seconds).abs() < 0.01),
            "{answer:?}"
        );
    }
}

/// A call in a codec that only ffmpeg reads: GSM 06.10 in wav, by its header.
fn gsm(folder: &Path) -> PathBuf {
    let header =
        b"RIFF\x75\0\0\0WAVEfmt \x14\0\0\0\x31\0\x01\0\x40\x1f\0\0\x59\x06\0\0\x41\0\0\0\x02\0\x40\x01";
    let path = folder.join("gsm.wav");
    fs::write(&path, [header.as_slice(), b"data\x41\0\0\0", &[0x5a; 65]].concat()).expect("a small file");
    path
}

/// A program that is found as ffmpeg.
fn stand_in_for_ffmpeg(folder: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("ffmpeg");
    fs::write(&path, format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")).expect("a small file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it becomes a program");
}

fn only_failure(lines: Vec<WorkerLine>) -> Failure {
    match <[WorkerLine; 1]>::try_from(lines) {
        Ok([WorkerLine::Failure(failure)]) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_codec_that_needs_ffmpeg_is_named_where_there_is_none() {
    let folder = TempDir::new().unwrap();
    let failure = only_failure(work(&[request(&gsm(folder.path()), &[])]));
    assert_eq!((failure.code.as_str(), failure.class), ("unsupported_format", FailureClass::Recording));
    assert!(failure.error.contains("GSM 06.10") && failure.error.contains("ffmpeg"), "{}", failure.error);
}

#[test]
fn what_ffmpeg_decodes_is_identified() {
    let folder = TempDir::new().unwrap();
    let (language, clip) = clips(|name| name == "01").remove(0);
    // As ffmpeg would give it: 16 kHz, and a mono call on both of two channels.
    let decoded: Vec<u8> =
        samples(&clip).iter().flat_map(|sample| [sample.to_le_bytes(); 4]).flatten().collect();
    let output = folder.path().join("decoded");
    fs::write(&output, &decoded).unwrap();
    // It is given the recording as its input and nothing else to open.
    let call = gsm(folder.path());
    let size = fs::metadata(&call).unwrap().len();
    let opens_nothing = r#"case "$*" in *pipe:0*pipe:1) ;; *) exit 2 ;; esac"#;
    let output = output.display();
    stand_in_for_ffmpeg(
        folder.path(),
        &format!("{opens_nothing}\ntest $(wc -c) -eq {size} || exit 3\ncat {output}"),
    );
    let requests = [request(&call, &[])];
    let answer = answers(work_beside(folder.path(), &[], &requests)).remove(0);
    assert_eq!(answer.language, language);
    let seconds = f64::from(u32::try_from(decoded.len()).unwrap()) / 64_000.0;
    assert!((answer.duration_seconds - seconds).abs() < 0.001, "{answer:?}");
}

#[test]
fn what_ffmpeg_cannot_decode_is_undecodable_in_its_words() {
    let folder = TempDir::new().unwrap();
    stand_in_for_ffmpeg(folder.path(), "echo 'Invalid data found' >&2; exit 1");
    let failure = only_failure(work_beside(folder.path(), &[], &[request(&gsm(folder.path()), &[])]));
    assert_eq!((failure.code.as_str(), failure.class), ("undecodable", FailureClass::Recording));
    assert!(failure.error.contains("Invalid data found"), "{}", failure.error);
}

#[test]
fn a_model_that_is_not_there_is_fatal_and_says_where_it_was_expected() {
    let folder = TempDir::new().expect("a folder");
    let model = folder.path().display().to_string();
    let output = worker(&["--model", &model], folder.path(), "");
    assert!(!output.status.success());
    let lines = parse(&output);
    let [WorkerLine::Fatal { fatal }] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(fatal.contains(&model), "{fatal}");
}
