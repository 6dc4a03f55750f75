//! WAVE files that are cut short, or whose headers lie.

use rand::{Rng as _, rngs::StdRng};

use super::{
    corpus::{Fate, Hostile},
    pieces::{Format, chunk, length, lying_chunk, wave, wave_of},
};

/// The canonical header: nothing between it and the samples.
const HEADER: usize = 44;

/// A clip that ends at every byte of interest in its header, and at some after.
pub(super) fn truncated(clip: &[u8]) -> Vec<Hostile> {
    let mut ends: Vec<(usize, Fate)> = vec![(0, Fate::Fails("empty"))];
    for end in [1, 3, 4, 7, 8, 11, 12, 13, 16, 19, 20, 22, 24, 28, 32, 34, 35, 36, 39, 40, 43] {
        ends.push((end, Fate::Fails("undecodable")));
    }
    // One byte of samples is half a sample, which is none.
    ends.extend([(HEADER, Fate::Ends), (HEADER + 1, Fate::Ends)]);
    for end in [HEADER + 2, HEADER + 3, HEADER + 1_000, clip.len() / 3, clip.len() / 2, clip.len() - 1] {
        ends.push((end, Fate::Identified));
    }
    let cut = |(end, fate)| Hostile::new(format!("cut at {end:06}.wav"), clip[..end].to_vec(), fate);
    ends.into_iter().map(cut).collect()
}

/// Headers that say what is not so.
pub(super) fn lying(clip: &[u8]) -> Vec<Hostile> {
    let samples = clip.get(HEADER..HEADER + 32_000).unwrap_or_default();
    let mut files = Vec::new();
    for size in [0, 1, 3, 7, 36, 0x7fff_ffff, 0xffff_fffe, u32::MAX] {
        let mut riff = wave_of(Format::CALL, samples);
        riff[4..8].copy_from_slice(&size.to_le_bytes());
        files.push(Hostile::new(format!("riff size {size:08x}.wav"), riff, Fate::Identified));
        let mut data = wave_of(Format::CALL, samples);
        data[40..44].copy_from_slice(&size.to_le_bytes());
        files.push(Hostile::ends(format!("data size {size:08x}.wav"), data));
        let format = lying_chunk(b"fmt ", size, &Format::CALL.bytes());
        files.push(Hostile::ends(
            format!("fmt size {size:08x}.wav"),
            wave(&[format, chunk(b"data", samples)]),
        ));
        let other = lying_chunk(b"LIST", size, b"INFO");
        let parts = [chunk(b"fmt ", &Format::CALL.bytes()), other, chunk(b"data", samples)];
        files.push(Hostile::ends(format!("list size {size:08x}.wav"), wave(&parts)));
    }
    for channels in [0, 3, 26, 27, 255, u16::MAX] {
        let fate = if (1..=26).contains(&channels) { Fate::Ends } else { Fate::Fails("undecodable") };
        let format = Format { channels, block: channels.wrapping_mul(2), ..Format::CALL };
        files.push(Hostile::new(format!("{channels} channels.wav"), wave_of(format, samples), fate));
        let format = Format { channels, ..Format::CALL };
        files.push(Hostile::ends(format!("{channels} channels in one block.wav"), wave_of(format, samples)));
    }
    for rate in [0, 1, 1_999, 384_001, 4_000_000_000, u32::MAX] {
        let odd = wave_of(Format { rate, ..Format::CALL }, samples);
        files.push(Hostile::new(format!("rate {rate}.wav"), odd, Fate::Fails("undecodable")));
    }
    // Rates that share no factor with any other make the longest filters; the longest take seconds.
    for (rate, fate) in [
        (2_000, Fate::Identified),
        (7_919, Fate::Identified),
        (44_101, Fate::Identified),
        (383_983, Fate::Ends),
    ] {
        let odd = wave_of(Format { rate, ..Format::CALL }, samples);
        files.push(Hostile::new(format!("rate {rate}.wav"), odd, fate));
    }
    for bits in [0, 1, 7, 12, 24, 33, 64, u16::MAX] {
        files.push(Hostile::ends(
            format!("{bits} bits.wav"),
            wave_of(Format { bits, ..Format::CALL }, samples),
        ));
    }
    for block in [0, 1, 3, 255, u16::MAX] {
        files.push(Hostile::ends(
            format!("block {block}.wav"),
            wave_of(Format { block, ..Format::CALL }, samples),
        ));
    }
    for tag in [0, 2, 3, 6, 7, 0x11, 0x31, 0x50, 0x55, 0xff, 0x161, 0xfffe, u16::MAX] {
        files.push(Hostile::ends(
            format!("tag {tag:04x}.wav"),
            wave_of(Format { tag, ..Format::CALL }, samples),
        ));
    }
    files.extend(odd_chunks(samples));
    files
}

/// Chunks in the wrong order, too many of them, and in circles.
fn odd_chunks(samples: &[u8]) -> Vec<Hostile> {
    let format = chunk(b"fmt ", &Format::CALL.bytes());
    let data = chunk(b"data", samples);
    let empty = chunk(b"JUNK", &[]);
    let crowd = [vec![format.clone()], vec![empty.clone(); 4_000], vec![data.clone()]].concat();
    let mob = [vec![empty; 100_000], vec![format.clone(), data.clone()]].concat();
    let nested = (0..2_000).fold(data.clone(), |inner, _| chunk(b"RIFF", &[b"WAVE", &inner[..]].concat()));
    vec![
        Hostile::new("samples first.wav", wave(&[data.clone(), format.clone()]), Fate::Fails("undecodable")),
        Hostile::new("no samples.wav", wave(std::slice::from_ref(&format)), Fate::Fails("undecodable")),
        Hostile::new("no format.wav", wave(std::slice::from_ref(&data)), Fate::Fails("undecodable")),
        Hostile::new("nothing in it.wav", wave(&[]), Fate::Fails("undecodable")),
        Hostile::new("4000 empty chunks.wav", wave(&crowd), Fate::Identified),
        Hostile::new("100000 empty chunks.wav", wave(&mob), Fate::Fails("undecodable")),
        Hostile::ends("two formats.wav", wave(&[format.clone(), chunk(b"fmt ", &[0xff; 16]), data.clone()])),
        Hostile::ends("two samples chunks.wav", wave(&[format.clone(), data.clone(), data.clone()])),
        Hostile::ends(
            "format again and again.wav",
            wave(&[vec![format.clone(); 5_000], vec![data]].concat()),
        ),
        Hostile::ends("riff in riff.wav", wave(&[format, nested])),
        Hostile::ends("rf64 of everything.wav", rf64(u64::MAX, samples)),
        Hostile::ends("rf64 of nothing.wav", rf64(0, samples)),
        Hostile::ends("rf64 of some.wav", rf64(u64::from(length(samples)) / 2, samples)),
    ]
}

/// A long WAVE file whose samples are said to be so many bytes.
fn rf64(says: u64, samples: &[u8]) -> Vec<u8> {
    let long = [&u64::MAX.to_le_bytes()[..], &says.to_le_bytes(), &u64::MAX.to_le_bytes(), &[0; 4]].concat();
    let (long, format) = (chunk(b"ds64", &long), chunk(b"fmt ", &Format::CALL.bytes()));
    lying_chunk(b"RF64", u32::MAX, &[b"WAVE", &long[..], &format, b"data\xff\xff\xff\xff", samples].concat())
}

/// Samples that no microphone gives.
pub(super) fn odd_samples(random: &mut StdRng) -> Vec<Hostile> {
    let float = Format { tag: 3, block: 4, bits: 32, ..Format::CALL };
    let double = Format { tag: 3, block: 8, bits: 64, ..Format::CALL };
    let mut files = Vec::new();
    for (what, value) in [
        ("nan", f32::NAN),
        ("inf", f32::INFINITY),
        ("minus inf", f32::NEG_INFINITY),
        ("most", f32::MAX),
        ("denormal", 1e-40),
    ] {
        let singles = value.to_le_bytes().repeat(24_000);
        files.push(Hostile::new(format!("float {what}.wav"), wave_of(float, &singles), Fate::Identified));
        let doubles = f64::from(value).to_le_bytes().repeat(24_000);
        files.push(Hostile::new(format!("double {what}.wav"), wave_of(double, &doubles), Fate::Identified));
    }
    let mut noise = vec![0_u8; 96_000];
    random.fill(&mut noise[..]);
    files.push(Hostile::new("float noise.wav", wave_of(float, &noise), Fate::Identified));
    files.push(Hostile::new("loudest noise.wav", wave_of(Format::CALL, &noise), Fate::Identified));
    let full = [0x7fff_i16, -0x8000].map(i16::to_le_bytes).concat().repeat(24_000);
    files.push(Hostile::new("full scale.wav", wave_of(Format::CALL, &full), Fate::Identified));
    files
}
