//! Silero VAD: how likely each 32 ms of sound is speech.
//!
//! Source: <https://github.com/snakers4/silero-vad>, graph of version 5 and later: `input[1, 64 + 512]`, of which
//! the first 64 samples are the end of the chunk before; `state[2, 1, 128]`; `sr`.

use std::path::Path;

use ort::{inputs, session::Session, value::TensorRef};

use super::{EngineError, runtime::Runtime};
use crate::audio::SAMPLE_RATE;

/// Samples that are judged at once: 32 ms.
pub(crate) const CHUNK: usize = 512;
const CONTEXT: usize = 64;
const STATE: usize = 2 * 128;

/// The detector.
#[derive(Debug)]
pub(crate) struct Vad {
    session: Session,
}

impl Vad {
    pub(super) fn load(runtime: &Runtime, graph: &Path) -> Result<Self, EngineError> {
        Ok(Self { session: runtime.open(graph)? })
    }

    /// The probability of speech in each whole or begun chunk.
    pub(crate) fn probabilities(&mut self, sound: &[f32]) -> Result<Vec<f32>, EngineError> {
        let rate = [i64::from(SAMPLE_RATE)];
        let mut state = vec![0.0_f32; STATE];
        let mut input = vec![0.0_f32; CONTEXT + CHUNK];
        let mut probabilities = Vec::with_capacity(sound.len().div_ceil(CHUNK));
        for chunk in sound.chunks(CHUNK) {
            input.copy_within(CHUNK.., 0);
            input[CONTEXT..].fill(0.0);
            input[CONTEXT..CONTEXT + chunk.len()].copy_from_slice(chunk);
            let outputs = self
                .session
                .run(inputs![
                    "input" => TensorRef::from_array_view(([1, CONTEXT + CHUNK], input.as_slice()))?,
                    "state" => TensorRef::from_array_view(([2_usize, 1, 128], state.as_slice()))?,
                    "sr" => TensorRef::from_array_view(([1_usize; 0], rate.as_slice()))?,
                ])
                .map_err(EngineError::Run)?;
            let (_, probability) = outputs["output"].try_extract_tensor::<f32>()?;
            let (_, next) = outputs["stateN"].try_extract_tensor::<f32>()?;
            if next.len() != STATE {
                return Err(EngineError::Contract("the speech detector's state has another size"));
            }
            probabilities.push(probability.first().copied().unwrap_or_default());
            state.copy_from_slice(next);
        }
        Ok(probabilities)
    }
}
