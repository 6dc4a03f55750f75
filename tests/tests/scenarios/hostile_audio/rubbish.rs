//! What is no audio at all, under names that say it is.

use rand::{Rng as _, rngs::StdRng};

use super::corpus::{Fate, Hostile};

/// Endings under which recordings are taken.
const ENDINGS: [&str; 18] = [
    "wav", "mp3", "flac", "ogg", "opus", "m4a", "gsm", "amr", "aac", "aif", "aiff", "au", "caf", "mka",
    "mp4", "wma", "webm", "ulaw",
];

pub(super) fn all(random: &mut StdRng) -> Vec<Hostile> {
    let mut files = Vec::new();
    for ending in ENDINGS {
        let mut noise = vec![0; random.random_range(2_000..20_000)];
        random.fill(&mut noise[..]);
        files.push(Hostile::ends(format!("noise.{ending}"), noise));
        files.push(Hostile::ends(format!("one byte.{ending}"), vec![random.random()]));
        files.push(Hostile::new(format!("empty.{ending}"), Vec::new(), Fate::Fails("empty")));
        files.push(Hostile::ends(format!("zeros.{ending}"), vec![0; 4_096]));
        files.push(Hostile::ends(format!("ones.{ending}"), vec![0xff; 4_096]));
    }
    let deflated = [0x63, 0x60, 0x18, 0x05, 0xa3, 0x60, 0x14].repeat(300);
    let beginnings: [(&str, &[u8]); 12] = [
        ("zip", b"PK\x03\x04\x14\0\0\0\x08\0"),
        ("png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0"),
        ("program", b"\x7fELF\x02\x01\x01\0"),
        ("document", b"%PDF-1.7\n"),
        ("page", b"<!DOCTYPE html><html><body>"),
        ("playlist", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\nhttp://127.0.0.1:9/\n"),
        ("concatenation", b"ffconcat version 1.0\nfile /etc/passwd\n"),
        ("script", b"#!/bin/sh\nrm -rf /tmp/nothing\n"),
        ("database", b"SQLite format 3\0"),
        ("film", b"\0\0\x01\xba\x44\0\x04\0\x04\x01"),
        ("riff that is none", b"RIFF\xff\0\0\0AVI LIST"),
    ];
    for (what, start) in beginnings {
        let content = [start, &deflated[..]].concat();
        files.push(Hostile::ends(format!("{what}.wav"), content.clone()));
        // What only ffmpeg reads gets there by its name.
        files.push(Hostile::ends(format!("{what}.gsm"), content));
    }
    files
}
