//! What audio files are made of, each piece as its format wants it, so that a
//! test can get one thing wrong at a time.

/// A chunk of RIFF: id, length, body, and a byte of padding where it is odd.
pub(super) fn chunk(id: &[u8], body: &[u8]) -> Vec<u8> {
    let mut chunk = lying_chunk(id, length(body), body);
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

/// A chunk of RIFF that says another length than it has.
pub(super) fn lying_chunk(id: &[u8], says: u32, body: &[u8]) -> Vec<u8> {
    [id, &says.to_le_bytes()[..], body].concat()
}

/// A chunk of AIFF or CAF's elder cousin: as RIFF, with the length in big endian.
pub(super) fn big_chunk(id: &[u8], body: &[u8]) -> Vec<u8> {
    [id, &length(body).to_be_bytes()[..], body].concat()
}

/// The body of a `fmt ` chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    pub(super) tag: u16,
    pub(super) channels: u16,
    pub(super) rate: u32,
    pub(super) block: u16,
    pub(super) bits: u16,
}

impl Format {
    /// A telephone call: PCM, mono, 8 kHz, 16 bits.
    pub(super) const CALL: Self = Self { tag: 1, channels: 1, rate: 8_000, block: 2, bits: 16 };

    pub(super) fn bytes(self) -> Vec<u8> {
        let per_second = self.rate.wrapping_mul(u32::from(self.block));
        [
            &self.tag.to_le_bytes()[..],
            &self.channels.to_le_bytes(),
            &self.rate.to_le_bytes(),
            &per_second.to_le_bytes(),
            &self.block.to_le_bytes(),
            &self.bits.to_le_bytes(),
        ]
        .concat()
    }
}

/// A WAVE file of these chunks.
pub(super) fn wave(chunks: &[Vec<u8>]) -> Vec<u8> {
    chunk(b"RIFF", &[b"WAVE", &chunks.concat()[..]].concat())
}

/// A WAVE file whose samples are of this format.
pub(super) fn wave_of(format: Format, samples: &[u8]) -> Vec<u8> {
    wave(&[chunk(b"fmt ", &format.bytes()), chunk(b"data", samples)])
}

/// An atom of MP4.
pub(super) fn atom(kind: &[u8], body: &[u8]) -> Vec<u8> {
    lying_atom(kind, length(body).saturating_add(8), body)
}

/// An atom of MP4 that says another length than it has, header included.
pub(super) fn lying_atom(kind: &[u8], says: u32, body: &[u8]) -> Vec<u8> {
    [&says.to_be_bytes()[..], kind, body].concat()
}

/// `depth` containers, one in the other: each `wrap`s what is in it.
pub(super) fn nested(depth: usize, innermost: Vec<u8>, wrap: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    (0..depth).fold(innermost, |inner, _| wrap(&inner))
}

/// An element of EBML (Matroska), its length in 8 bytes.
pub(super) fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    lying_element(id, u64::from(length(body)), body)
}

/// An element of EBML that says another length than it has.
pub(super) fn lying_element(id: &[u8], says: u64, body: &[u8]) -> Vec<u8> {
    let size = (1_u64 << 56) | (says & ((1 << 56) - 1));
    [id, &size.to_be_bytes()[..], body].concat()
}

/// A page of Ogg with packets of less than 255 bytes.
pub(super) fn ogg_page(serial: u32, number: u32, kind: u8, granule: u64, packets: &[&[u8]]) -> Vec<u8> {
    let lacing: Vec<u8> =
        packets.iter().map(|packet| u8::try_from(packet.len()).unwrap_or(u8::MAX)).collect();
    let segments = u8::try_from(lacing.len()).unwrap_or(u8::MAX);
    let mut page = [
        b"OggS\0",
        &[kind][..],
        &granule.to_le_bytes(),
        &serial.to_le_bytes(),
        &number.to_le_bytes(),
        &[0; 4],
        &[segments],
        &lacing,
        &packets.concat(),
    ]
    .concat();
    let sum = crc(&page, 32, 0x04C1_1DB7).to_le_bytes();
    page[22..26].copy_from_slice(&sum);
    page
}

/// The start of a FLAC file of 16-bit mono.
pub(super) fn flac_head(rate: u32, block: u16, samples: u64) -> Vec<u8> {
    let described = (u64::from(rate) << 44) | (15 << 36) | (samples & ((1 << 36) - 1));
    let info = [&block.to_be_bytes()[..], &block.to_be_bytes(), &[0; 6], &described.to_be_bytes(), &[0; 16]];
    [b"fLaC\x80\0\0\x22", &info.concat()[..]].concat()
}

/// A frame of FLAC that says "the same sample, `block` times" in a dozen bytes.
pub(super) fn flac_silence(number: u32, block: u16) -> Vec<u8> {
    let coded = char::from_u32(number).map(|coded| coded.to_string()).unwrap_or_default();
    let mut frame = [b"\xff\xf8\x70\0", coded.as_bytes(), &block.wrapping_sub(1).to_be_bytes()].concat();
    frame.extend(low_bytes::<1>(crc(&frame, 8, 0x07)));
    frame.extend([0, 0, 0]);
    frame.extend(low_bytes::<2>(crc(&frame, 16, 0x8005)));
    frame
}

/// A tag of the kind that stands before mp3, with frames or rubbish in it.
pub(super) fn id3(says: u32, body: &[u8]) -> Vec<u8> {
    let size = [21, 14, 7, 0].map(|shift| u8::try_from((says >> shift) & 0x7f).unwrap_or_default());
    [b"ID3\x04\0\0", &size[..], body].concat()
}

/// A second or so of mp3 that is silent: 8 kHz, 8 kbit/s, all of it zeros.
pub(super) fn mp3_silence(frames: usize) -> Vec<u8> {
    // MPEG 2.5 layer III, no checksum: 72 bytes a frame of 576 samples.
    [&b"\xff\xe3\x18\xc4"[..], &[0; 68]].concat().repeat(frames)
}

pub(super) fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// The last bytes of a number, in big endian.
fn low_bytes<const N: usize>(number: u32) -> [u8; N] {
    number.to_be_bytes().last_chunk().copied().unwrap_or([0; N])
}

/// A cyclic redundancy check of that many bits, highest bit first, from zero.
fn crc(bytes: &[u8], bits: u32, polynomial: u32) -> u32 {
    let (top, mask) = (1_u32 << (bits - 1), u32::MAX >> (32 - bits));
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << (bits - 8)), |crc, _| {
            let carried = crc & top != 0;
            let shifted = (crc << 1) & mask;
            if carried { shifted ^ polynomial } else { shifted }
        })
    })
}
