//! A small MP4 file with one track of ALAC, any number of which may be a lie.

use super::pieces::{atom, length};

/// What the file says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Movie {
    pub(super) timescale: u32,
    pub(super) sample_count: u32,
    /// 0: each sample has its own, of which the table holds none.
    pub(super) sample_size: u32,
    /// Of the tables of times, chunks and offsets.
    pub(super) table_entries: u32,
    /// Where the samples begin.
    pub(super) offset: u32,
    pub(super) channels: u8,
    pub(super) rate: u32,
    /// In a packet of ALAC.
    pub(super) frame_length: u32,
}

impl Default for Movie {
    fn default() -> Self {
        Self {
            timescale: 8_000,
            sample_count: 50,
            sample_size: 16,
            table_entries: 1,
            offset: 24,
            channels: 1,
            rate: 8_000,
            frame_length: 4_096,
        }
    }
}

pub(super) fn file_type() -> Vec<u8> {
    atom(b"ftyp", b"M4A \0\0\0\0")
}

impl Movie {
    /// The file: its samples stand before what describes them.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let samples = atom(b"mdat", &[0; 800]);
        [file_type(), samples, atom(b"moov", &self.tracks())].concat()
    }

    /// What stands in `moov`.
    pub(super) fn tracks(&self) -> Vec<u8> {
        let movie_head = [&[0; 12][..], &self.timescale.to_be_bytes(), &[0xff; 4], &[0; 80]].concat();
        let track_head = [&[0; 12][..], &1_u32.to_be_bytes(), &[0; 68]].concat();
        let media_head = [&[0; 12][..], &self.timescale.to_be_bytes(), &[0xff; 4], &[0; 4]].concat();
        let handler = [&[0; 8][..], b"soun", &[0; 13]].concat();
        let information = [atom(b"smhd", &[0; 8]), atom(b"stbl", &self.tables())].concat();
        let media =
            [atom(b"mdhd", &media_head), atom(b"hdlr", &handler), atom(b"minf", &information)].concat();
        let track = [atom(b"tkhd", &track_head), atom(b"mdia", &media)].concat();
        [atom(b"mvhd", &movie_head), atom(b"trak", &track)].concat()
    }

    fn tables(&self) -> Vec<u8> {
        let entries = self.table_entries.to_be_bytes();
        let times =
            [&[0; 4][..], &entries, &self.sample_count.to_be_bytes(), &self.frame_length.to_be_bytes()];
        let chunks = [
            &[0; 4][..],
            &entries,
            &1_u32.to_be_bytes(),
            &self.sample_count.to_be_bytes(),
            &1_u32.to_be_bytes(),
        ];
        let sizes = [&[0; 4][..], &self.sample_size.to_be_bytes(), &self.sample_count.to_be_bytes()];
        let offsets = [&[0; 4][..], &entries, &self.offset.to_be_bytes()];
        [
            atom(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &self.description()].concat()),
            atom(b"stts", &times.concat()),
            atom(b"stsc", &chunks.concat()),
            atom(b"stsz", &sizes.concat()),
            atom(b"stco", &offsets.concat()),
        ]
        .concat()
    }

    /// The entry of ALAC with its cookie.
    fn description(&self) -> Vec<u8> {
        let cookie = [
            &[0; 4][..],
            &self.frame_length.to_be_bytes(),
            &[0, 16, 40, 10, 14, self.channels, 0, 255],
            &[0; 8],
            &self.rate.to_be_bytes(),
        ]
        .concat();
        let rate = (self.rate & 0xffff) << 16;
        let entry = [
            &[0; 6][..],
            &1_u16.to_be_bytes(),
            &[0; 8],
            &u16::from(self.channels).to_be_bytes(),
            &16_u16.to_be_bytes(),
            &[0; 4],
            &rate.to_be_bytes(),
            &atom(b"alac", &cookie),
        ]
        .concat();
        debug_assert_eq!(length(&entry), 64);
        atom(b"alac", &entry)
    }
}
