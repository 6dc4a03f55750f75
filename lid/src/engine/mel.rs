//! Whisper's log-mel features: 16 kHz sound to `n_mels` rows of one value each 10 ms.
//!
//! Source: the front end of Whisper (`whisper/audio.py`): frames of 25 ms under a periodic Hann window,
//! power spectrum, mel bands on Slaney's scale normalised by their width, log10, the loudest 80 dB.

use std::{fmt, sync::Arc};

use realfft::{RealFftPlanner, RealToComplex, num_complex::Complex};

use super::EngineError;

/// Samples of one frame.
const FRAME: u16 = 400;
/// Samples from one frame to the next.
pub(crate) const HOP: usize = 160;
/// Bins of the spectrum.
const BINS: u16 = FRAME / 2 + 1;
const HALF: usize = 200;
/// Half the rate of the sound, the highest frequency.
const NYQUIST: f64 = 8000.0;

/// Computes features; keeps its buffers.
pub(crate) struct Mel {
    bands: Vec<Band>,
    window: Vec<f32>,
    transform: Arc<dyn RealToComplex<f32>>,
    frame: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    power: Vec<f32>,
}

/// A mel band: the bins that it covers and the weight of each.
#[derive(Debug)]
struct Band {
    first: usize,
    weights: Vec<f32>,
}

impl fmt::Debug for Mel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mel").field("bands", &self.bands.len()).finish_non_exhaustive()
    }
}

impl Mel {
    pub(crate) fn new(n_mels: u16) -> Self {
        let transform = RealFftPlanner::new().plan_fft_forward(usize::from(FRAME));
        let turn = std::f64::consts::TAU / f64::from(FRAME);
        Self {
            bands: bands(n_mels),
            window: (0..FRAME).map(|n| narrow(0.5 - 0.5 * (turn * f64::from(n)).cos())).collect(),
            frame: transform.make_input_vec(),
            spectrum: transform.make_output_vec(),
            scratch: transform.make_scratch_vec(),
            power: vec![0.0; usize::from(BINS)],
            transform,
        }
    }

    /// `n_mels` rows of `frames` values; the sound is cut or followed by silence to that length.
    pub(crate) fn features(&mut self, sound: &[f32], frames: usize) -> Result<Vec<f32>, EngineError> {
        const QUIETEST: f32 = 1e-10;
        let padded = mirrored(sound, frames * HOP);
        let mut features = vec![0.0; self.bands.len() * frames];
        let mut loudest = QUIETEST.log10();
        for at in 0..frames {
            let start = at * HOP;
            self.transform_frame(&padded[start..start + usize::from(FRAME)])?;
            for (row, band) in self.bands.iter().enumerate() {
                let power = &self.power[band.first..band.first + band.weights.len()];
                let energy: f32 = band.weights.iter().zip(power).map(|(weight, power)| weight * power).sum();
                let level = energy.max(QUIETEST).log10();
                loudest = loudest.max(level);
                features[row * frames + at] = level;
            }
        }
        for level in &mut features {
            *level = (level.max(loudest - 8.0) + 4.0) / 4.0;
        }
        Ok(features)
    }

    fn transform_frame(&mut self, sound: &[f32]) -> Result<(), EngineError> {
        for ((frame, sound), weight) in self.frame.iter_mut().zip(sound).zip(&self.window) {
            *frame = sound * weight;
        }
        self.transform
            .process_with_scratch(&mut self.frame, &mut self.spectrum, &mut self.scratch)
            .map_err(|error| EngineError::Features(Box::new(error)))?;
        for (power, bin) in self.power.iter_mut().zip(&self.spectrum) {
            *power = bin.norm_sqr();
        }
        Ok(())
    }
}

/// The sound at exactly `length` samples, mirrored at both ends by half a frame, so that the first frame is
/// centred on the first sample.
fn mirrored(sound: &[f32], length: usize) -> Vec<f32> {
    let mut padded = vec![0.0; length + 2 * HALF];
    let used = sound.len().min(length);
    padded[HALF..HALF + used].copy_from_slice(&sound[..used]);
    for n in 1..=HALF.min(length.saturating_sub(1)) {
        padded[HALF - n] = padded[HALF + n];
        padded[HALF + length - 1 + n] = padded[HALF + length - 1 - n];
    }
    padded
}

fn bands(n_mels: u16) -> Vec<Band> {
    let top = hertz_to_mel(NYQUIST);
    let edges: Vec<f64> =
        (0..n_mels + 2).map(|n| mel_to_hertz(top * f64::from(n) / f64::from(n_mels + 1))).collect();
    edges
        .windows(3)
        .map(|edge| {
            let weights: Vec<f32> = (0..BINS)
                .map(|bin| {
                    let hertz = NYQUIST * f64::from(bin) / f64::from(BINS - 1);
                    let rise = (hertz - edge[0]) / (edge[1] - edge[0]);
                    let fall = (edge[2] - hertz) / (edge[2] - edge[1]);
                    narrow(rise.min(fall).max(0.0) * 2.0 / (edge[2] - edge[0]))
                })
                .collect();
            let covered = |weight: &f32| *weight > 0.0;
            let first = weights.iter().position(covered).unwrap_or(0);
            let end = weights.iter().rposition(covered).map_or(first, |last| last + 1);
            Band { first, weights: weights[first..end].to_vec() }
        })
        .collect()
}

/// Slaney's scale is linear up to here, with three mels to 200 Hz ...
const KNEE_HERTZ: f64 = 1000.0;
const KNEE_MEL: f64 = 15.0;
const HERTZ_A_MEL: f64 = 200.0 / 3.0;
/// ... and logarithmic above: 27 mels for a factor of 6.4.
const STEEPNESS: f64 = 27.0;

fn hertz_to_mel(hertz: f64) -> f64 {
    if hertz < KNEE_HERTZ {
        return hertz / HERTZ_A_MEL;
    }
    KNEE_MEL + (hertz / KNEE_HERTZ).ln() * STEEPNESS / 6.4_f64.ln()
}

fn mel_to_hertz(mel: f64) -> f64 {
    if mel < KNEE_MEL {
        return mel * HERTZ_A_MEL;
    }
    KNEE_HERTZ * ((mel - KNEE_MEL) * 6.4_f64.ln() / STEEPNESS).exp()
}

#[allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "no other conversion rounds a double to a single; all values here are far within range"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests;
