//! Files as recorders leave them, written byte by byte.

mod mutated;

use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::{Allowance, AudioError, Recording, Span, open};
use crate::protocol::FailureClass;

const RATE: u32 = 8_000;
const ALLOWANCE: Allowance = Allowance { memory_bytes: 1 << 30, cpu_seconds: 60 };

/// The parts of a wav file, which a test may set to lies.
struct Wav {
    riff_size: Option<u32>,
    data_size: Option<u32>,
    format: Vec<u8>,
    samples: Vec<u8>,
    tail: Vec<u8>,
}

impl Wav {
    fn new(tag: u16, channels: u16, bits: u16, samples: Vec<u8>) -> Self {
        let block = channels * bits / 8;
        let mut format = Vec::new();
        format.extend(tag.to_le_bytes());
        format.extend(channels.to_le_bytes());
        format.extend(RATE.to_le_bytes());
        format.extend((RATE * u32::from(block)).to_le_bytes());
        format.extend(block.to_le_bytes());
        format.extend(bits.to_le_bytes());
        Self { riff_size: None, data_size: None, format, samples, tail: Vec::new() }
    }

    /// One second of 16-bit sound.
    fn second() -> Self {
        Self::new(1, 1, 16, pcm(8_000))
    }

    fn bytes(&self) -> Vec<u8> {
        let size = |bytes: usize| u32::try_from(bytes).unwrap();
        let body = 4 + 8 + self.format.len() + 8 + self.samples.len() + self.tail.len();
        [
            b"RIFF".as_slice(),
            &self.riff_size.unwrap_or(size(body)).to_le_bytes(),
            b"WAVEfmt ",
            &size(self.format.len()).to_le_bytes(),
            &self.format,
            b"data",
            &self.data_size.unwrap_or(size(self.samples.len())).to_le_bytes(),
            &self.samples,
            &self.tail,
        ]
        .concat()
    }

    fn open(&self) -> Result<Recording, AudioError> {
        open_bytes(&self.bytes(), "a.wav")
    }
}

/// A tone of 16-bit samples.
fn pcm(samples: u16) -> Vec<u8> {
    (0..samples).flat_map(|n| (i16::try_from(n % 40).unwrap() * 400 - 8_000).to_le_bytes()).collect()
}

fn open_bytes(bytes: &[u8], name: &str) -> Result<Recording, AudioError> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    open(&path, ALLOWANCE)
}

fn lasts(recording: Result<Recording, AudioError>, seconds: f64) {
    let duration = recording.unwrap().duration_seconds();
    assert!((duration - seconds).abs() < 0.001, "{duration} for {seconds}");
}

fn code(recording: Result<Recording, AudioError>) -> &'static str {
    let error = recording.unwrap_err();
    assert_eq!(error.class(), FailureClass::Recording);
    error.code()
}

#[test]
fn samples_come_out_as_they_went_in() {
    let recording = Wav::second().open().unwrap();
    assert_eq!((recording.rate(), recording.channels()), (RATE, 1));
    let samples = recording.samples(0, Span { start: 0, end: 3 });
    let wanted = [-8_000.0, -7_600.0, -7_200.0].map(|sample: f32| sample / 32_768.0);
    assert!(samples.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-6), "{samples:?}");
}

#[test]
fn an_unfinished_header_hides_nothing() {
    for (riff_size, data_size) in [(0, 0), (36, 0), (u32::MAX, u32::MAX), (0, u32::MAX)] {
        let wav = Wav { riff_size: Some(riff_size), data_size: Some(data_size), ..Wav::second() };
        lasts(wav.open(), 1.0);
    }
}

#[test]
fn a_file_that_was_cut_off_lasts_as_long_as_what_is_left() {
    let bytes = Wav::second().bytes();
    lasts(open_bytes(&bytes[..bytes.len() - 8_000], "a.wav"), 0.5);
    // An odd byte is half a sample, which is none.
    lasts(open_bytes(&bytes[..bytes.len() - 8_001], "a.wav"), 0.499_875);
}

#[test]
fn a_header_that_admits_too_little_is_not_believed() {
    lasts(Wav { data_size: Some(1_000), ..Wav::second() }.open(), 1.0);
}

#[test]
fn chunks_after_the_samples_are_no_samples() {
    let tail = [b"LIST".as_slice(), &8_u32.to_le_bytes(), b"INFOabcd"].concat();
    lasts(Wav { tail, ..Wav::second() }.open(), 1.0);
}

#[test]
fn telephone_codecs_are_read_whatever_the_length_of_their_format_chunk() {
    for tag in [6, 7] {
        let mut wav = Wav::new(tag, 1, 8, vec![0x55; 8_000]);
        lasts(wav.open(), 1.0);
        wav.format.extend([0, 0]);
        lasts(wav.open(), 1.0);
    }
}

#[test]
fn ima_adpcm_is_read() {
    let mut wav = Wav::new(0x11, 1, 4, vec![0; 256 * 16]);
    wav.format[12..14].copy_from_slice(&256_u16.to_le_bytes());
    wav.format.extend([2, 0, 249, 1]);
    lasts(wav.open(), f64::from(505 * 16) / f64::from(RATE));
}

#[test]
fn rf64_says_its_size_elsewhere() {
    let long = [&0_u64.to_le_bytes()[..], &16_000_u64.to_le_bytes(), &[0; 12]].concat();
    let bytes = [
        b"RF64\xff\xff\xff\xffWAVEds64".as_slice(),
        &28_u32.to_le_bytes(),
        &long,
        b"fmt ",
        &16_u32.to_le_bytes(),
        &Wav::second().format,
        b"data\xff\xff\xff\xff",
        &pcm(8_000),
    ];
    lasts(open_bytes(&bytes.concat(), "a.wav"), 1.0);
}

#[test]
fn recordings_without_a_sample_are_empty() {
    assert_eq!(code(open_bytes(b"", "a.wav")), "empty");
    let nothing = Wav::new(1, 1, 16, Vec::new());
    assert_eq!(code(nothing.open()), "empty");
    let tail = [b"LIST".as_slice(), &4_u32.to_le_bytes(), b"INFO"].concat();
    assert_eq!(code(Wav { tail, ..nothing }.open()), "empty");
}

#[test]
fn what_is_no_audio_is_undecodable() {
    assert_eq!(code(open_bytes(b"Dear customer, your call was not recorded.\n", "a.wav")), "undecodable");
    assert_eq!(code(open_bytes(&Wav::second().bytes()[..30], "a.wav")), "undecodable");
    for channels in [0, 27, u16::MAX] {
        let mut wav = Wav::second();
        wav.format[2..4].copy_from_slice(&channels.to_le_bytes());
        assert_eq!(code(wav.open()), "undecodable");
    }
    assert_eq!(code(Wav::new(1, 1, 7, pcm(100)).open()), "undecodable");
    let mut wav = Wav::second();
    wav.format[4..8].copy_from_slice(&0_u32.to_le_bytes());
    assert_eq!(code(wav.open()), "undecodable");
}

#[test]
fn a_recording_that_is_not_there_is_no_fault_of_the_recording() {
    let error = open(&PathBuf::from("/no/such/call.wav"), ALLOWANCE).unwrap_err();
    assert_eq!((error.code(), error.class()), ("unreadable", FailureClass::Engine));
}

#[test]
fn stereo_is_kept_apart_where_it_differs() {
    let same: Vec<u8> = pcm(4_000).chunks(2).flat_map(|sample| [sample, sample].concat()).collect();
    assert_eq!(Wav::new(1, 2, 16, same).open().unwrap().channels(), 1);
    let one_side: Vec<u8> = pcm(4_000).chunks(2).flat_map(|sample| [sample, &[0, 0]].concat()).collect();
    assert_eq!(Wav::new(1, 2, 16, one_side).open().unwrap().channels(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damage_never_panics_and_never_adds_sound(
        cut in 0_usize..16_044, flips in prop::collection::vec((0_usize..16_044, any::<u8>()), 0..8),
    ) {
        let mut bytes = Wav::second().bytes();
        for (at, value) in flips {
            bytes[at] = value;
        }
        bytes.truncate(cut);
        if let Ok(recording) = open_bytes(&bytes, "a.wav") {
            let kept: u64 = recording.spans().iter().map(|span| span.end - span.start).sum();
            prop_assert!(kept <= 40_000, "{kept}");
        }
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..4_000)) {
        match open_bytes(&bytes, "a.mp3") {
            Ok(recording) => prop_assert!((1..=2).contains(&recording.channels())),
            Err(error) => prop_assert_eq!(error.class(), FailureClass::Recording),
        }
    }
}
