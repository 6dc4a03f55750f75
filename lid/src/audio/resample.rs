//! Resampling to the rate that the models take.

use rubato::{Fft, FixedSync, Resampler as _, audioadapter_buffers::direct::SequentialSlice};

use super::AudioError;

/// Samples a second that the models take.
pub(crate) const SAMPLE_RATE: u32 = 16_000;

/// Input samples taken at once.
const CHUNK: usize = 1024;

/// Brings windows of one rate after the other to [`SAMPLE_RATE`].
#[derive(Default)]
pub(crate) struct Resampler {
    /// Recordings of one batch mostly have one rate: the filter is made once.
    current: Option<(u32, Fft<f32>)>,
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rate = self.current.as_ref().map(|(rate, _)| rate);
        f.debug_struct("Resampler").field("rate", &rate).finish_non_exhaustive()
    }
}

impl Resampler {
    /// The samples at [`SAMPLE_RATE`].
    pub(crate) fn resample(&mut self, samples: Vec<f32>, rate: u32) -> Result<Vec<f32>, AudioError> {
        if rate == SAMPLE_RATE || samples.is_empty() {
            return Ok(samples);
        }
        let filter = match self.current.take().filter(|(known, _)| *known == rate) {
            Some(current) => current,
            None => (rate, filter(rate)?),
        };
        let (_, filter) = self.current.insert(filter);
        let input = SequentialSlice::new(&samples, 1, samples.len()).map_err(refused)?;
        Ok(filter.process_all(&input, samples.len(), None).map_err(refused)?.take_data())
    }
}

fn filter(rate: u32) -> Result<Fft<f32>, AudioError> {
    let [from, to] = [rate, SAMPLE_RATE].map(|rate| usize::try_from(rate).unwrap_or(usize::MAX));
    Fft::new(from, to, CHUNK, 1, FixedSync::Input).map_err(refused)
}

fn refused(error: impl std::error::Error + Send + Sync + 'static) -> AudioError {
    AudioError::Resample(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u16, hertz: f32, samples: u16) -> Vec<f32> {
        (0..samples).map(|n| (std::f32::consts::TAU * hertz * f32::from(n) / f32::from(rate)).sin()).collect()
    }

    #[test]
    fn a_tone_stays_the_tone_that_it_was() {
        for rate in [8_000, 11_025, 22_050, 44_100, 48_000] {
            let there = Resampler::default().resample(tone(rate, 440.0, rate), u32::from(rate)).unwrap();
            assert_eq!(there.len(), 16_000, "{rate}");
            // The ends are left out: there the tone begins and ceases. The filter's delay is whole samples, so
            // what comes out may be early or late by a part of one.
            let wanted = tone(16_000, 440.0, 16_000);
            let step = std::f32::consts::TAU * 440.0 / 16_000.0;
            for at in 800..15_200 {
                let off = (there[at] - wanted[at]).abs();
                assert!(off < step + 0.01, "{rate} at {at}: {} {}", there[at], wanted[at]);
            }
            let power = there[800..15_200].iter().map(|sample| sample * sample).sum::<f32>() / 14_400.0;
            assert!((power - 0.5).abs() < 0.005, "{rate}: {power}");
        }
    }

    #[test]
    fn a_window_does_not_hear_the_one_before() {
        let mut resampler = Resampler::default();
        let first = resampler.resample(tone(8_000, 440.0, 8_000), 8_000).unwrap();
        resampler.resample(tone(8_000, 1_000.0, 4_000), 8_000).unwrap();
        assert_eq!(resampler.resample(tone(8_000, 440.0, 8_000), 8_000).unwrap(), first);
    }
}
