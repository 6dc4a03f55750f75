//! Recordings in every format, damaged at random.

use rand::{Rng as _, rngs::StdRng};

use super::corpus::Hostile;

/// Much of what can be damaged to effect lies at the beginning.
const HEAD: usize = 512;

/// Files are kept small: decoders stumble over headers, not over length.
const LONGEST: usize = 60_000;

/// `each` variants of every recording.
pub(super) fn all(
    random: &mut StdRng,
    each: usize,
    clip: &[u8],
    encoded: &[(String, Vec<u8>)],
) -> Vec<Hostile> {
    let clip = [("en_clip.wav".to_owned(), clip.to_vec())];
    let mut files = Vec::new();
    for (name, content) in clip.iter().chain(encoded) {
        for number in 0..each {
            let whole = &content[..content.len().min(LONGEST)];
            let (what, damaged) = damage(random, whole);
            files.push(Hostile::ends(format!("{what} {number} {name}"), damaged));
        }
    }
    files
}

fn damage(random: &mut StdRng, whole: &[u8]) -> (&'static str, Vec<u8>) {
    let mut bytes = whole.to_vec();
    let head = HEAD.min(bytes.len());
    match random.random_range(0..6) {
        0 => {
            bytes.truncate(random.random_range(1..bytes.len()));
            ("truncated", bytes)
        }
        1 => {
            for _ in 0..random.random_range(1..8) {
                bytes[random.random_range(0..head)] = random.random();
            }
            ("head flipped", bytes)
        }
        2 => {
            for _ in 0..random.random_range(1..200) {
                let at = random.random_range(0..bytes.len());
                bytes[at] ^= 1 << random.random_range(0..8);
            }
            ("bits flipped", bytes)
        }
        3 => {
            // Numbers at the edge, where lengths and counts are.
            let at = random.random_range(0..head.saturating_sub(4));
            let edge = [[0; 4], [0xff; 4], [0x7f, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0x7f]];
            bytes[at..at + 4].copy_from_slice(&edge[random.random_range(0..edge.len())]);
            ("edge number", bytes)
        }
        4 => {
            let (from, to) = (random.random_range(0..bytes.len()), random.random_range(0..bytes.len()));
            let moved = bytes[from.min(to)..from.max(to)].to_vec();
            bytes.extend(moved);
            let at = random.random_range(0..head);
            bytes.drain(at..at + random.random_range(1..16));
            ("shuffled", bytes)
        }
        _ => {
            let from = random.random_range(0..bytes.len());
            random.fill(&mut bytes[from..]);
            ("noise at the end", bytes)
        }
    }
}
