//! Finds out what a file is and has it decoded by whoever can.

use std::{
    fs::File,
    io::{Read, Seek},
    path::Path,
};

use symphonia::core::io::MediaSource;

use super::{
    AudioError,
    decode::{self, Decoded},
    excerpts::Recording,
    ffmpeg::{self, Allowance},
    foreign,
    wav::{self, PartOfFile, WavLayout, WavScan},
    wav_format::WavFormat,
};

/// Decodes the recording at `path`; another program that has to help may take what is allowed.
pub(crate) fn open(path: &Path, allowance: Allowance) -> Result<Recording, AudioError> {
    let mut file = File::open(path).map_err(AudioError::Read)?;
    let metadata = file.metadata().map_err(AudioError::Read)?;
    if !metadata.is_file() {
        return Err(AudioError::Undecodable("it is no regular file".to_owned()));
    }
    if metadata.len() == 0 {
        return Err(AudioError::Empty("the file has no bytes"));
    }
    match wav::scan(&mut file, metadata.len()).map_err(AudioError::Read)? {
        WavScan::Damaged(why) => Err(AudioError::Undecodable(format!("damaged wav: {why}"))),
        WavScan::Layout(layout) => open_wav(file, path, &layout, allowance),
        WavScan::NotWave => {
            let mut head = Vec::new();
            file.rewind().map_err(AudioError::Read)?;
            (&file).take(foreign::HEAD_BYTES).read_to_end(&mut head).map_err(AudioError::Read)?;
            if let Some(codec) = foreign::recognise(&head, path) {
                return ffmpeg::decode(path, codec, allowance);
            }
            file.rewind().map_err(AudioError::Read)?;
            decode_or_pass_on(Box::new(file), path, allowance)
        }
    }
}

fn open_wav(
    file: File,
    path: &Path,
    layout: &WavLayout,
    allowance: Allowance,
) -> Result<Recording, AudioError> {
    if layout.length == 0 {
        return Err(AudioError::Empty("the wav file has a header and no samples"));
    }
    let head = match &layout.format {
        WavFormat::Wave(format) => wav::mended_header(format, layout.length),
        WavFormat::Mpeg => Vec::new(),
        WavFormat::Foreign(codec) => return ffmpeg::decode(path, codec, allowance),
    };
    decode_or_pass_on(Box::new(PartOfFile::new(head, file, layout)), path, allowance)
}

fn decode_or_pass_on(
    source: Box<dyn MediaSource>,
    path: &Path,
    allowance: Allowance,
) -> Result<Recording, AudioError> {
    match decode::decode(source)? {
        Decoded::Recording(recording) => Ok(recording),
        Decoded::Foreign(codec) => ffmpeg::decode(path, codec, allowance),
    }
}
