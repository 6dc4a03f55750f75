//! Small files of which much comes out, and large ones with nothing in them.

use super::{
    corpus::{Content, Fate, Hostile},
    pieces::{Format, flac_head, flac_silence, ogg_page, wave_of},
};

/// Samples in a frame of FLAC: as many as it can hold.
const BLOCK: u16 = u16::MAX;

/// Packets of Opus in a page, and the milliseconds that they last: 60 each, as
/// many as one of a byte can stand for.
const PACKETS: usize = 250;
const PAGE_MILLIS: u32 = 15_000;

pub(super) fn all(full: bool) -> Vec<Hostile> {
    let mut files = vec![
        Hostile::new("an hour.flac", silent_flac(8_000, 1), Fate::Identified),
        Hostile::ends("30 hours.flac", silent_flac(8_000, 30)),
        Hostile::ends("an hour of 384 kHz.flac", silent_flac(384_000, 1)),
        Hostile::ends("half an hour.opus", silent_opus(30)),
        zeros("an hour.wav", 57_600_000),
    ];
    if full {
        files.push(zeros("a gigabyte.wav", 1 << 30));
        files.push(Hostile::ends("20 hours of 384 kHz.flac", silent_flac(384_000, 20)));
        files.push(Hostile::ends("23 hours.opus", silent_opus(23 * 60)));
    }
    files
}

/// A WAVE file of that size whose header is honest, and which takes no room.
fn zeros(name: &str, size: u64) -> Hostile {
    let mut head = wave_of(Format::CALL, &[]);
    let samples = u32::try_from(size).unwrap_or(u32::MAX).saturating_sub(44);
    head[4..8].copy_from_slice(&(samples + 36).to_le_bytes());
    head[40..44].copy_from_slice(&samples.to_le_bytes());
    Hostile { name: name.to_owned(), content: Content::Sparse { head, size }, fate: Fate::Ends }
}

/// A dozen bytes for every 65,535 samples.
fn silent_flac(rate: u32, hours: u32) -> Vec<u8> {
    let samples = u64::from(rate) * u64::from(hours) * 3_600;
    let frames = u32::try_from(samples / u64::from(BLOCK)).unwrap_or(u32::MAX);
    let mut file = flac_head(rate, BLOCK, u64::from(frames) * u64::from(BLOCK));
    file.extend((0..frames).flat_map(|number| flac_silence(number, BLOCK)));
    file
}

/// A byte, and one more for its length, for every 60 ms.
fn silent_opus(minutes: u32) -> Vec<u8> {
    let head: &[u8] = b"OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0";
    let mut file = ogg_page(1, 0, 2, 0, &[head]);
    file.extend(ogg_page(1, 1, 0, 0, &[b"OpusTags\0\0\0\0\0\0\0\0"]));
    // SILK, narrow band, 60 ms, mono, one frame, and no bytes for it.
    let packet: &[u8] = &[0x18];
    let packets = [packet; PACKETS];
    for page in 0..minutes * 60_000 / PAGE_MILLIS {
        let granule = u64::from(page + 1) * u64::from(PAGE_MILLIS * 48);
        file.extend(ogg_page(1, page + 2, 0, granule, &packets));
    }
    file
}
