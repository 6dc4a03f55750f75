//! Files of every container, with their headers mutated: whatever comes out, it comes out in bounds.

use proptest::{prelude::*, sample::Index};

use super::{Wav, open_bytes, pcm};
use crate::protocol::FailureClass;

/// Numbers at which lengths and counts go wrong.
const EDGES: [u32; 12] = [0, 1, 2, 7, 8, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fff8, u32::MAX];

/// One thing that is done to a file.
#[derive(Debug, Clone)]
enum Mutation {
    Byte(Index, u8),
    Edge(Index, usize, bool),
    Cut(Index),
    Repeat(Index, Index),
    Remove(Index, u8),
    Grow(u16, u8),
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        match self {
            Self::Byte(at, value) => bytes[at.index(length)] = *value,
            Self::Edge(at, edge, big) => {
                let edge = EDGES[edge % EDGES.len()];
                let edge = if *big { edge.to_be_bytes() } else { edge.to_le_bytes() };
                let at = at.index(length);
                bytes.iter_mut().skip(at).zip(edge).for_each(|(byte, edge)| *byte = edge);
            }
            Self::Cut(at) => bytes.truncate(at.index(length)),
            Self::Repeat(one, other) => {
                let (one, other) = (one.index(length), other.index(length));
                let part = bytes[one.min(other)..one.max(other)].to_vec();
                bytes.splice(one..one, part);
            }
            Self::Remove(at, count) => {
                let at = at.index(length);
                bytes.drain(at..length.min(at + usize::from(*count)));
            }
            Self::Grow(count, value) => bytes.resize(length + usize::from(*count), *value),
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, value)| Mutation::Byte(at, value)),
        4 => (at(), any::<usize>(), any::<bool>()).prop_map(|(at, edge, big)| Mutation::Edge(at, edge, big)),
        1 => at().prop_map(Mutation::Cut),
        1 => (at(), at()).prop_map(|(one, other)| Mutation::Repeat(one, other)),
        1 => (at(), 1..16_u8).prop_map(|(at, count)| Mutation::Remove(at, count)),
        1 => (any::<u16>(), any::<u8>()).prop_map(|(count, value)| Mutation::Grow(count, value)),
    ]
}

/// Whole files, small, so that mutations meet their headers.
fn whole() -> [(&'static str, Vec<u8>); 11] {
    let sound = pcm(500);
    let big_sound: Vec<u8> = sound.chunks(2).flat_map(|sample| [sample[1], sample[0]]).collect();
    let mut ima = Wav::new(0x11, 1, 4, vec![0; 256 * 2]);
    ima.format[12..14].copy_from_slice(&256_u16.to_le_bytes());
    ima.format.extend([2, 0, 249, 1]);
    let aiff = [
        b"FORM\0\0\x04\x16AIFFCOMM\0\0\0\x12\0\x01\0\0\x01\xf4\0\x10\x40\x0b\xfa\0\0\0\0\0\0\0SSND\0\0\x03\xf0",
        &[0; 8][..],
        &big_sound,
    ];
    let caf = [
        b"caff\0\x01\0\0desc\0\0\0\0\0\0\0\x20\x40\xbf\x40\0\0\0\0\0lpcm\0\0\0\x02",
        &b"\0\0\0\x02\0\0\0\x01\0\0\0\x01\0\0\0\x10data\0\0\0\0\0\0\x03\xec\0\0\0\0"[..],
        &sound,
    ];
    let flac =
        [&b"fLaC\x80\0\0\x22\x10\0\x10\0\0\0\0\0\0\0\x01\xf4\0\xf0\0\0\x10\0"[..], &[0; 16], &flac_frame()];
    let mp3 = [&b"ID3\x04\0\0\0\0\0\x0aTIT2\0\0\0\0\0\0"[..], &mpeg_frames(10)];
    let mp3_wav = Wav::new(0x55, 1, 0, mpeg_frames(10));
    let movie =
        b"\0\0\0\x10ftypM4A \0\0\0\0\0\0\0\x28moov\0\0\0\x20trak\0\0\0\x18mdia\0\0\0\x10minf\0\0\0\x08stbl";
    let matroska =
        b"\x1a\x45\xdf\xa3\x84\x42\x82\x81\x61\x18\x53\x80\x67\x8c\x16\x54\xae\x6b\x87\xae\x85\x86\x83A_L";
    let ogg =
        [&b"OggS\0\x02"[..], &[0; 20], b"\x01\x1e\x01vorbis\0\0\0\0\x01\x40\x1f\0\0", &[0; 12], b"\xb8\x01"];
    [
        ("a.wav", Wav::new(1, 1, 16, sound.clone()).bytes()),
        ("b.wav", Wav::new(3, 2, 32, sound.clone()).bytes()),
        ("c.wav", Wav::new(6, 1, 8, sound.clone()).bytes()),
        ("d.wav", ima.bytes()),
        ("e.wav", mp3_wav.bytes()),
        ("a.aiff", aiff.concat()),
        ("a.caf", caf.concat()),
        ("a.flac", flac.concat()),
        ("a.mp3", mp3.concat()),
        ("a.m4a", [&movie[..], matroska].concat()),
        ("a.ogg", [&ogg.concat()[..], matroska].concat()),
    ]
}

/// 4,096 silent samples.
fn flac_frame() -> Vec<u8> {
    vec![0xff, 0xf8, 0xc0, 0, 0, 7, 0, 0, 0, 0, 0x1e]
}

/// MPEG 2.5 layer III, 8 kHz, 8 kbit/s: all zeros, which is silence.
fn mpeg_frames(count: usize) -> Vec<u8> {
    [&b"\xff\xe3\x18\xc4"[..], &[0; 68]].concat().repeat(count)
}

#[test]
fn the_files_that_are_mutated_are_read_where_they_are_whole() {
    let mut read = Vec::new();
    for (name, bytes) in whole() {
        if open_bytes(&bytes, name).is_ok() {
            read.push(name);
        }
    }
    assert_eq!(read, ["a.wav", "b.wav", "c.wav", "d.wav", "e.wav", "a.aiff", "a.caf", "a.flac", "a.mp3"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn mutated_headers_end_in_sound_or_in_a_reason(
        seed in 0..11_usize, mutations in prop::collection::vec(mutation(), 1..6),
    ) {
        let (name, mut bytes) = whole()[seed].clone();
        for mutation in &mutations {
            mutation.apply(&mut bytes);
        }
        match open_bytes(&bytes, name) {
            Ok(recording) => {
                prop_assert!((1..=2).contains(&recording.channels()));
                prop_assert!((2_000..=384_000).contains(&recording.rate()));
                prop_assert!(recording.duration_seconds().is_finite());
                for span in recording.spans() {
                    let samples = recording.samples(0, span);
                    prop_assert!(samples.iter().all(|sample| (-1.0..=1.0).contains(sample)));
                }
            }
            Err(error) => {
                prop_assert_eq!(error.class(), FailureClass::Recording, "{}: {}", error.code(), error);
                let known = ["empty", "undecodable", "unsupported_format"].contains(&error.code());
                prop_assert!(known, "{}", error.code());
            }
        }
    }
}
