//! What is not decoded here, decoded by the host's ffmpeg.
//!
//! ffmpeg inherits what the worker may not do (leave core files, gain rights) and gets limits of its own on
//! memory, computing time and files.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
    thread::{self, JoinHandle},
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::{
    AudioError,
    excerpts::{Excerpts, Recording},
};

const RATE: u32 = super::SAMPLE_RATE;
/// A call has two sides; ffmpeg gives a mono recording twice, which is noticed later.
const CHANNELS: usize = 2;
const READ_BYTES: usize = 64 * 1024;
/// As much of what ffmpeg complains about as fits into a reason.
const MAX_COMPLAINT: usize = 400;

/// What ffmpeg may take for one recording.
///
/// It outlives a worker that is given up only as long as it computes: it never waits for its input, which is a
/// file, nor for its output, which is closed then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    /// Private memory.
    pub(crate) memory_bytes: u64,
    /// Of computing.
    pub(crate) cpu_seconds: u64,
}

/// Decodes a file of the given codec, if there is an ffmpeg.
pub(super) fn decode(path: &Path, codec: &str, allowance: Allowance) -> Result<Recording, AudioError> {
    let file = File::open(path).map_err(AudioError::Read)?;
    let mut child = match start(file, path) {
        Ok(child) => Running(child),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(AudioError::UnsupportedFormat { codec: codec.to_owned() });
        }
        Err(error) => return Err(AudioError::Ffmpeg(error)),
    };
    limit(&child.0, allowance).map_err(AudioError::Ffmpeg)?;
    let complaints = child.0.stderr.take().map(listen).transpose().map_err(AudioError::Ffmpeg)?;
    let excerpts = read_samples(&mut child.0)?;
    let status = child.0.wait().map_err(AudioError::Ffmpeg)?;
    if excerpts.is_empty() {
        if status.success() {
            return Err(AudioError::Empty("ffmpeg found no sample in it"));
        }
        // A listener that panicked only leaves the reason unadorned.
        let complaint = complaints.and_then(|listener| listener.join().ok()).unwrap_or_default();
        let why = complaint.lines().next().unwrap_or("no sample came out");
        return Err(AudioError::Undecodable(format!("{codec}, and ffmpeg says: {why}")));
    }
    Ok(excerpts.finish())
}

/// The file is ffmpeg's standard input and the only thing that it may open: a playlist in disguise leads nowhere.
fn start(file: File, path: &Path) -> io::Result<Child> {
    Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-threads", "1", "-protocol_whitelist", "pipe"])
        .args(input_format(path))
        .args(["-i", "pipe:0", "-vn", "-f", "s16le"])
        .args(["-ac", &CHANNELS.to_string(), "-ar", &RATE.to_string(), "pipe:1"])
        .stdin(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Limits a process that has just been started; until then it has the worker's own limits.
fn limit(child: &Child, allowance: Allowance) -> io::Result<()> {
    let Some(id) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return Ok(()) };
    for (resource, most) in [
        (Resource::Data, allowance.memory_bytes),
        (Resource::Cpu, allowance.cpu_seconds),
        // It writes to pipes.
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ] {
        match prlimit(Some(id), resource, Rlimit { current: Some(most), maximum: Some(most) }) {
            // It has ended already.
            Ok(_) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Hears all complaints and remembers the first ones: ffmpeg has one for every bad packet, and would wait for
/// ever with a full pipe.
fn listen(mut stderr: ChildStderr) -> io::Result<JoinHandle<String>> {
    thread::Builder::new().name("ffmpeg-says".to_owned()).spawn(move || {
        let mut kept = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stderr.read(&mut buffer) {
            let room = MAX_COMPLAINT.saturating_sub(kept.len());
            kept.extend(buffer.iter().take(read.min(room)));
        }
        String::from_utf8_lossy(&kept).into_owned()
    })
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
