//! The `fmt ` chunk of a WAVE file: which codec, and the plainest chunk that says the same.
//!
//! Source: Microsoft "Multimedia Programming Interface and Data Specifications", "New Multimedia Data Types";
//! tags from `mmreg.h`.

const PCM: u16 = 0x0001;
const MS_ADPCM: u16 = 0x0002;
const FLOAT: u16 = 0x0003;
const A_LAW: u16 = 0x0006;
const MU_LAW: u16 = 0x0007;
const IMA_ADPCM: u16 = 0x0011;
const MPEG: u16 = 0x0050;
const MP3: u16 = 0x0055;
const EXTENSIBLE: u16 = 0xFFFE;

/// As many channels as there are places for loudspeakers, which is what the wave reader takes.
const CHANNELS: std::ops::RangeInclusive<u16> = 1..=26;

/// The end of every `KSDATAFORMAT_SUBTYPE_*` GUID that begins with a format tag.
const TAG_GUID_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

/// How the `data` chunk is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WavFormat {
    /// By the wave reader, given this body of a `fmt ` chunk.
    Wave(Vec<u8>),
    /// As a stream of MPEG frames.
    Mpeg,
    /// By nobody here.
    Foreign(String),
}

/// The members of a `fmt ` chunk that all codecs share.
struct Common {
    tag: u16,
    channels: u16,
    rate: u32,
    bytes_per_second: u32,
    block: u16,
    bits: u16,
}

impl WavFormat {
    /// Reads the body of a `fmt ` chunk; `None` if it is too short to say anything, or says what cannot be.
    ///
    /// Writers disagree about the chunk's length, its redundant members and when to use the extensible form,
    /// and the wave reader takes only some of these spellings: the answer is spelled in the way that it takes.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let common = Common {
            tag: tag(body)?,
            channels: u16_at(body, 2).filter(|channels| CHANNELS.contains(channels))?,
            rate: u32_at(body, 4)?,
            bytes_per_second: u32_at(body, 8)?,
            block: u16_at(body, 12)?,
            bits: u16_at(body, 14).unwrap_or(0),
        };
        Some(match common.tag {
            PCM => Self::Wave(common.with_bits(common.container_bits()).plain(&[])),
            FLOAT => Self::Wave(common.plain(&[])),
            A_LAW | MU_LAW => Self::Wave(common.with_bits(8).plain(&[0, 0])),
            IMA_ADPCM => Self::Wave(common.plain(&[2, 0, 0, 0])),
            // The coefficients that may follow are the standard ones; the decoder has them built in.
            MS_ADPCM => Self::Wave(common.plain(&[[32, 0].as_slice(), &[0; 32]].concat())),
            MPEG | MP3 => Self::Mpeg,
            other => Self::Foreign(codec_name(other)),
        })
    }
}

impl Common {
    fn with_bits(&self, bits: u16) -> Self {
        Self { bits, ..*self }
    }

    /// Bits that a sample takes in the file: 12-bit samples, for instance, lie in 16.
    fn container_bits(&self) -> u16 {
        match self.block.checked_div(self.channels) {
            Some(bytes @ 1..=4) => bytes * 8,
            Some(_) | None => self.bits,
        }
    }

    fn plain(&self, extension: &[u8]) -> Vec<u8> {
        let mut body = Vec::with_capacity(16 + extension.len());
        body.extend(self.tag.to_le_bytes());
        body.extend(self.channels.to_le_bytes());
        body.extend(self.rate.to_le_bytes());
        body.extend(self.bytes_per_second.to_le_bytes());
        body.extend(self.block.to_le_bytes());
        body.extend(self.bits.to_le_bytes());
        body.extend(extension);
        body
    }
}

/// The format tag, taken out of the GUID of an extensible chunk.
fn tag(body: &[u8]) -> Option<u16> {
    let tag = u16_at(body, 0)?;
    if tag == EXTENSIBLE && body.get(26..40) == Some(TAG_GUID_TAIL.as_slice()) {
        return u16_at(body, 24);
    }
    Some(tag)
}

fn codec_name(tag: u16) -> String {
    let name = match tag {
        0x0014 => "G.723 ADPCM",
        0x0022 => "TrueSpeech",
        0x0031 => "GSM 06.10",
        0x0040 => "G.721 ADPCM",
        0x0042 | 0x0111 => "G.723.1",
        0x0045 | 0x0064 | 0x0140 => "G.726 ADPCM",
        0x0065 | 0x028F => "G.722",
        0x0083 | 0x0133 => "G.729",
        0x00FF | 0x1600..=0x1602 => "AAC",
        0x0160..=0x0163 => "Windows Media Audio",
        0x704F => "Opus",
        0x7A21 => "AMR",
        0x7A22 => "AMR-WB",
        0xA109 => "Speex",
        other => return format!("wave format 0x{other:04x}"),
    };
    format!("{name} in wav")
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(tag: u16, bits: u16, block: u16) -> Vec<u8> {
        Common { tag, channels: 1, rate: 8000, bytes_per_second: 8000, block, bits }.plain(&[])
    }

    #[test]
    fn a_law_without_the_extension_length_gets_one() {
        let parsed = WavFormat::parse(&common(A_LAW, 8, 1));
        assert_eq!(parsed, Some(WavFormat::Wave([common(A_LAW, 8, 1), vec![0, 0]].concat())));
    }

    #[test]
    fn an_extensible_chunk_becomes_the_plain_one() {
        let mut body = common(EXTENSIBLE, 16, 2);
        body.extend([22, 0, 16, 0, 4, 0, 0, 0]);
        body.extend(PCM.to_le_bytes());
        body.extend(TAG_GUID_TAIL);
        assert_eq!(WavFormat::parse(&body), Some(WavFormat::Wave(common(PCM, 16, 2))));
    }

    #[test]
    fn samples_of_12_bits_are_read_from_their_16() {
        assert_eq!(WavFormat::parse(&common(PCM, 12, 2)), Some(WavFormat::Wave(common(PCM, 16, 2))));
    }

    #[test]
    fn codecs_that_are_not_read_have_names() {
        assert_eq!(
            WavFormat::parse(&common(0x31, 0, 65)),
            Some(WavFormat::Foreign("GSM 06.10 in wav".into()))
        );
        assert_eq!(
            WavFormat::parse(&common(0x99, 0, 1)),
            Some(WavFormat::Foreign("wave format 0x0099".into()))
        );
    }

    #[test]
    fn a_chunk_that_is_cut_off_says_nothing() {
        assert_eq!(WavFormat::parse(&common(PCM, 16, 2)[..13]), None);
    }
}
