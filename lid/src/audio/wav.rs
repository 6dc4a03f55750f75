//! WAVE files as recorders really leave them: unfinished, cut off, with sizes that lie.
//!
//! The header is read here, for what is there and not for what it says, and the decoder is given a correct
//! one in front of the bytes that are samples:
//!
//! ```text
//! the file      RIFF(0) WAVE  fmt  ...  data(0)  samples............ LIST
//! the decoder   RIFF(n) WAVE  fmt       data(m)  samples............
//! ```

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use symphonia::core::io::MediaSource;

use super::wav_format::{WavFormat, u32_at, u64_at};

/// Chunks that are looked through; a file with more of them is made to waste time.
const MAX_CHUNKS: usize = 4096;

/// The part of a `fmt ` chunk that is of interest.
const MAX_FORMAT_BYTES: u64 = 64;

/// A size that stands for "not known" in files written to a pipe, and for "see `ds64`" in RF64.
const UNKNOWN_SIZE: u32 = u32::MAX;

/// What lies where in a WAVE file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WavLayout {
    pub(super) format: WavFormat,
    /// Where the samples begin.
    pub(super) start: u64,
    /// How many bytes of samples there really are.
    pub(super) length: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum WavScan {
    /// The file does not begin like a WAVE file.
    NotWave,
    /// It does, but the chunks that it needs are missing.
    Damaged(&'static str),
    Layout(WavLayout),
}

/// Looks through the chunks of a file of `size` bytes.
pub(super) fn scan(file: &mut (impl Read + Seek), size: u64) -> io::Result<WavScan> {
    let head = read_at(file, 0, 12)?;
    if !matches!(head.get(..4), Some(b"RIFF" | b"RF64" | b"BW64")) || head.get(8..12) != Some(b"WAVE") {
        return Ok(WavScan::NotWave);
    }
    let riff_end = u32_at(&head, 4).map_or(0, |riff| u64::from(riff).saturating_add(8));
    let mut format = None;
    let mut long_size = None;
    let mut at = 12;
    for _ in 0..MAX_CHUNKS {
        let header = read_at(file, at, 8)?;
        let (Some(id), Some(declared)) = (header.get(..4), u32_at(&header, 4)) else {
            break;
        };
        let body = at + 8;
        match id {
            b"fmt " => {
                let body = read_at(file, body, u64::from(declared).min(MAX_FORMAT_BYTES))?;
                format = WavFormat::parse(&body);
            }
            b"ds64" => long_size = u64_at(&read_at(file, body, 16)?, 8),
            b"data" => {
                let Some(format) = format else {
                    return Ok(WavScan::Damaged("no usable format before the samples"));
                };
                let declared = if declared == UNKNOWN_SIZE { long_size } else { Some(u64::from(declared)) };
                let length = sample_bytes(file, body, declared, size, riff_end == size)?;
                return Ok(WavScan::Layout(WavLayout { format, start: body, length }));
            }
            _ => {}
        }
        at = after_chunk(body, declared);
    }
    Ok(WavScan::Damaged("no samples chunk"))
}

/// How many bytes of samples really follow at `start`, whatever was declared.
fn sample_bytes(
    file: &mut (impl Read + Seek),
    start: u64,
    declared: Option<u64>,
    size: u64,
    header_was_finished: bool,
) -> io::Result<u64> {
    let rest = size.saturating_sub(start);
    Ok(match declared {
        Some(0) if header_was_finished => 0,
        Some(declared) if (1..rest).contains(&declared) => {
            if chunks_reach_the_end(file, start + declared + declared % 2, size)? { declared } else { rest }
        }
        Some(_) | None => rest,
    })
}

/// Whether what follows the samples is chunks, and not samples that the header does not admit.
fn chunks_reach_the_end(file: &mut (impl Read + Seek), mut at: u64, size: u64) -> io::Result<bool> {
    for _ in 0..MAX_CHUNKS {
        if at >= size {
            return Ok(true);
        }
        let header = read_at(file, at, 8)?;
        let (Some(id), Some(declared)) = (header.get(..4), u32_at(&header, 4)) else {
            return Ok(false);
        };
        if !id.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
            return Ok(false);
        }
        at = after_chunk(at + 8, declared);
        // Some writers forget the padding byte of the very last chunk, none ends in the middle of one.
        if at > size + 1 {
            return Ok(false);
        }
    }
    Ok(false)
}

/// Chunks begin at even offsets.
fn after_chunk(body: u64, declared: u32) -> u64 {
    body + u64::from(declared) + u64::from(declared % 2)
}

/// At most `length` bytes from `at`, fewer where the file ends.
fn read_at(file: &mut (impl Read + Seek), at: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at))?;
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A header that is right, before the given samples.
pub(super) fn mended_header(format: &[u8], samples: u64) -> Vec<u8> {
    let format_size = u32::try_from(format.len()).unwrap_or(UNKNOWN_SIZE);
    let data_size = u32::try_from(samples).unwrap_or(UNKNOWN_SIZE);
    let riff_size = data_size.saturating_add(format_size).saturating_add(20);
    let parts: [&[u8]; 8] = [
        b"RIFF",
        &riff_size.to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &format_size.to_le_bytes(),
        format,
        b"data",
        &data_size.to_le_bytes(),
    ];
    parts.concat()
}

/// Part of a file with other bytes before it.
#[derive(Debug)]
pub(super) struct PartOfFile {
    head: Vec<u8>,
    file: File,
    start: u64,
    length: u64,
    position: u64,
}

impl PartOfFile {
    pub(super) fn new(head: Vec<u8>, file: File, layout: &WavLayout) -> Self {
        Self { head, file, start: layout.start, length: layout.length, position: 0 }
    }

    fn head_length(&self) -> u64 {
        u64::try_from(self.head.len()).unwrap_or(u64::MAX)
    }

    fn total(&self) -> u64 {
        self.head_length() + self.length
    }
}

impl Read for PartOfFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.position.checked_sub(self.head_length()) {
            None => {
                let at = usize::try_from(self.position).map_err(io::Error::other)?;
                self.head.get(at..).unwrap_or_default().read(buffer)?
            }
            Some(offset) => {
                self.file.seek(SeekFrom::Start(self.start + offset))?;
                (&self.file).take(self.length.saturating_sub(offset)).read(buffer)?
            }
        };
        self.position += u64::try_from(read).map_err(io::Error::other)?;
        Ok(read)
    }
}

impl Seek for PartOfFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(delta) => self.total().checked_add_signed(delta),
            SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
        };
        self.position = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

impl MediaSource for PartOfFile {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.total())
    }
}
