//! What is not decoded here, decoded by the host's ffmpeg.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
    process::{Child, Command, Stdio},
};

use super::{
    AudioError,
    excerpts::{Excerpts, Recording},
};

const RATE: u32 = super::SAMPLE_RATE;
/// A call has two sides; ffmpeg gives a mono recording twice, which is noticed later.
const CHANNELS: usize = 2;
const READ_BYTES: usize = 64 * 1024;
/// It outlives a worker that is given up only if it computes without end: it never waits for its input, which is
/// a file, nor for its output, which is closed then.
const CPU_SECONDS: &str = "600";
/// As much of what ffmpeg complains about as fits into a reason.
const MAX_COMPLAINT: u64 = 400;

/// Decodes a file of the given codec, if there is an ffmpeg.
pub(super) fn decode(path: &Path, codec: &str) -> Result<Recording, AudioError> {
    let file = File::open(path).map_err(AudioError::Read)?;
    let mut child = match start(file, path) {
        Ok(child) => Running(child),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(AudioError::UnsupportedFormat { codec: codec.to_owned() });
        }
        Err(error) => return Err(AudioError::Ffmpeg(error)),
    };
    let excerpts = read_samples(&mut child.0)?;
    let mut complaint = String::new();
    if let Some(stderr) = child.0.stderr.take() {
        // What is no text is no loss: it only adorns the reason.
        let _partial = stderr.take(MAX_COMPLAINT).read_to_string(&mut complaint);
    }
    let status = child.0.wait().map_err(AudioError::Ffmpeg)?;
    if excerpts.is_empty() {
        let why = complaint.lines().next().unwrap_or("no sample came out");
        return Err(if status.success() {
            AudioError::Empty("ffmpeg found no sample in it")
        } else {
            AudioError::Undecodable(format!("{codec}, and ffmpeg says: {why}"))
        });
    }
    Ok(excerpts.finish())
}

/// The file is ffmpeg's standard input and the only thing that it may open: a playlist in disguise leads nowhere.
fn start(file: File, path: &Path) -> std::io::Result<Child> {
    Command::new("ffmpeg")
        .args(["-v", "error", "-timelimit", CPU_SECONDS, "-protocol_whitelist", "pipe"])
        .args(input_format(path))
        .args(["-i", "pipe:0", "-vn", "-f", "s16le"])
        .args(["-ac", &CHANNELS.to_string(), "-ar", &RATE.to_string(), "pipe:1"])
        .stdin(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// What ffmpeg must be told about files without a header.
fn input_format(path: &Path) -> &'static [&'static str] {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("gsm") => &["-f", "gsm"],
        Some("g722") => &["-f", "g722"],
        Some("g723" | "g723_1") => &["-f", "g723_1"],
        Some("g726") => &["-f", "g726"],
        Some("g729") => &["-f", "g729"],
        Some("sln" | "raw" | "pcm") => &["-f", "s16le", "-ar", "8000", "-ac", "1"],
        Some("sln16") => &["-f", "s16le", "-ar", "16000", "-ac", "1"],
        Some("ul" | "ulaw") => &["-f", "mulaw", "-ar", "8000", "-ac", "1"],
        Some("al" | "alaw") => &["-f", "alaw", "-ar", "8000", "-ac", "1"],
        Some(_) | None => &[],
    }
}

fn read_samples(child: &mut Child) -> Result<Excerpts, AudioError> {
    let broken = |why: String| AudioError::Undecodable(why);
    let mut excerpts = Excerpts::new(RATE, CHANNELS).map_err(|error| broken(error.to_string()))?;
    let Some(mut stdout) = child.stdout.take() else {
        return Ok(excerpts);
    };
    let mut buffer = vec![0; READ_BYTES];
    let mut filled = 0;
    let mut planes = vec![Vec::new(); CHANNELS];
    loop {
        let read = stdout.read(&mut buffer[filled..]).map_err(AudioError::Ffmpeg)?;
        filled += read;
        let (frames, _rest) = buffer[..filled].as_chunks::<{ CHANNELS * 2 }>();
        planes.iter_mut().for_each(Vec::clear);
        for [a, b, c, d] in frames {
            planes[0].push(i16::from_le_bytes([*a, *b]));
            planes[1].push(i16::from_le_bytes([*c, *d]));
        }
        excerpts.push(&planes).map_err(|error| broken(error.to_string()))?;
        let used = frames.len() * CHANNELS * 2;
        buffer.copy_within(used..filled, 0);
        filled -= used;
        if read == 0 {
            return Ok(excerpts);
        }
    }
}

/// Leaves no ffmpeg behind, whatever happens meanwhile.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It fails when the process has ended by itself, which is as good.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}
