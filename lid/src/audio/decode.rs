//! Decoding with symphonia, as far as the file goes.

use std::{
    io::ErrorKind,
    panic::{AssertUnwindSafe, catch_unwind},
};

use symphonia::core::{
    audio::GenericAudioBufferRef,
    codecs::audio::{AudioCodecId, AudioDecoder, AudioDecoderOptions, well_known as codec},
    errors::Error,
    formats::{FormatOptions, FormatReader, TrackType, probe::Hint},
    io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions},
    meta::MetadataOptions,
};

use super::{
    AudioError,
    excerpts::{Excerpts, Recording, TooLong},
};

pub(super) enum Decoded {
    Recording(Recording),
    /// A codec that symphonia knows of and does not decode.
    Foreign(&'static str),
}

/// Decodes the first audio track; a file that is cut off or damaged gives what is there.
///
/// Decoders meet every kind of damage, and some of it makes them panic: that is damage too.
pub(super) fn decode(source: Box<dyn MediaSource>) -> Result<Decoded, AudioError> {
    // Nothing that the panic may have left half done outlives it.
    catch_unwind(AssertUnwindSafe(|| decode_track(source)))
        .unwrap_or_else(|_| Err(undecodable("the decoder stumbled over its damage")))
}

fn decode_track(source: Box<dyn MediaSource>) -> Result<Decoded, AudioError> {
    let stream = MediaSourceStream::new(source, MediaSourceStreamOptions::default());
    let mut format = symphonia::default::get_probe()
        .probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(|error| refused(&error))?;
    let track = format.default_track(TrackType::Audio).ok_or_else(|| undecodable("it has no audio track"))?;
    let id = track.id;
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|parameters| parameters.audio())
        .ok_or_else(|| undecodable("its audio codec is not named"))?;
    let codecs = symphonia::default::get_codecs();
    if codecs.get_audio_decoder(parameters.codec).is_none() {
        return Ok(Decoded::Foreign(codec_name(parameters.codec)));
    }
    let mut decoder = codecs
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|error| refused(&error))?;
    let mut sound = Sound::default();
    let damage = read_to_the_end(format.as_mut(), id, decoder.as_mut(), &mut sound)?;
    match (sound.excerpts.map(Excerpts::finish), damage) {
        (Some(recording), damage) => {
            if let Some(damage) = damage {
                tracing::debug!(damage, "recording is damaged, using what can be decoded");
            }
            Ok(Decoded::Recording(recording))
        }
        (None, Some(damage)) => Err(undecodable(&damage)),
        (None, None) => Err(AudioError::Empty("the file holds no sample")),
    }
}

/// Returns what was wrong on the way, if anything.
fn read_to_the_end(
    format: &mut dyn FormatReader,
    track: u32,
    decoder: &mut dyn AudioDecoder,
    sound: &mut Sound,
) -> Result<Option<String>, AudioError> {
    let mut damage = None;
    loop {
        let packet = match format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => return Ok(damage),
            Err(Error::IoError(error)) if error.kind() != ErrorKind::UnexpectedEof => {
                return Err(AudioError::Read(error));
            }
            // Cut off, damaged beyond this point, or followed by a stream of another kind.
            Err(error) => return Ok(Some(error.to_string())),
        };
        if packet.track_id != track {
            continue;
        }
        match decoder.decode(&packet) {
            Ok(buffer) => {
                if !sound.push(&buffer)? {
                    return Ok(Some("the rate or the channels change on the way".to_owned()));
                }
            }
            Err(error) => damage = Some(error.to_string()),
        }
    }
}

/// What has been decoded so far; nothing until the first sample says rate and channels.
#[derive(Default)]
struct Sound {
    excerpts: Option<Excerpts>,
    planes: Vec<Vec<i16>>,
}

impl Sound {
    /// Returns whether the samples fit what came before.
    fn push(&mut self, buffer: &GenericAudioBufferRef<'_>) -> Result<bool, AudioError> {
        if buffer.frames() == 0 {
            return Ok(true);
        }
        let (rate, channels) = (buffer.spec().rate(), buffer.num_planes());
        if self.excerpts.is_none() {
            self.excerpts =
                Some(Excerpts::new(rate, channels).map_err(|error| undecodable(&error.to_string()))?);
        }
        let Some(excerpts) = self.excerpts.as_mut().filter(|excerpts| excerpts.fits(rate, channels)) else {
            return Ok(false);
        };
        buffer.copy_to_vecs_planar(&mut self.planes);
        excerpts.push(&self.planes).map_err(|TooLong| undecodable("it is longer than 24 hours"))?;
        Ok(true)
    }
}

fn refused(error: &Error) -> AudioError {
    undecodable(&error.to_string())
}

fn undecodable(why: &str) -> AudioError {
    AudioError::Undecodable(why.to_owned())
}

fn codec_name(id: AudioCodecId) -> &'static str {
    match id {
        codec::CODEC_ID_OPUS => "Opus",
        codec::CODEC_ID_SPEEX => "Speex",
        codec::CODEC_ID_AC3 => "AC-3",
        codec::CODEC_ID_EAC3 => "E-AC-3",
        codec::CODEC_ID_WMA => "Windows Media Audio",
        codec::CODEC_ID_DCA => "DTS",
        _ => "this codec",
    }
}
