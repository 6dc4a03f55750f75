//! From a file to the samples that identification looks at.
//!
//! ```text
//! file --> wav (mends the header) --> decode (symphonia) --> excerpts --> resample --> windows of 16 kHz
//!      \-> foreign (what symphonia lacks) --> ffmpeg ---------/
//! ```
//!
//! Decoding is one pass in bounded memory: everything is counted, and what is kept is spread over the call.

mod decode;
mod error;
mod excerpts;
mod ffmpeg;
mod foreign;
mod open;
mod resample;
mod wav;
mod wav_format;

pub(crate) use error::AudioError;
pub(crate) use excerpts::{Recording, Span};
pub(crate) use ffmpeg::Allowance;
pub(crate) use open::open;
pub(crate) use resample::{Resampler, SAMPLE_RATE};

#[cfg(test)]
mod tests;
