//! The language model: `mel[1, n_mels, T] -> probs[1, n_languages], no_speech[1, 1]`.

use std::path::Path;

use cofi_language::{LanguageCode, LanguageTable};
use ort::{inputs, session::Session, value::TensorRef};

use super::{
    EngineError,
    mel::{HOP, Mel},
    runtime::{Device, Runtime},
};

/// What the model makes of one window.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Opinion {
    /// One probability for each of the model's languages.
    pub(crate) probabilities: Vec<f32>,
    /// How likely it is that nobody speaks.
    pub(crate) no_speech: f32,
}

/// The model with its features.
#[derive(Debug)]
pub(crate) struct Model {
    session: Session,
    mel: Mel,
    n_mels: usize,
    languages: Vec<LanguageCode>,
    device: &'static str,
    note: Option<String>,
}

impl Model {
    pub(super) fn load(runtime: &Runtime, graph: &Path, device: Device) -> Result<Self, EngineError> {
        let placed = runtime.open_on(graph, device)?;
        let (languages, n_mels) = describe(&placed.session)?;
        Ok(Self {
            session: placed.session,
            mel: Mel::new(n_mels),
            n_mels: usize::from(n_mels),
            languages,
            device: placed.device,
            note: placed.note,
        })
    }

    /// The model's languages, in the order of its answers.
    pub(crate) fn languages(&self) -> &[LanguageCode] {
        &self.languages
    }

    /// `cpu` or `cuda`.
    pub(crate) fn device(&self) -> &'static str {
        self.device
    }

    /// Why CUDA is not used, where it was tried.
    pub(crate) fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Looks at one window of sound, which is followed by silence up to `length` samples.
    pub(crate) fn opinion(&mut self, sound: &[f32], length: usize) -> Result<Opinion, EngineError> {
        let frames = length / HOP;
        let features = self.mel.features(sound, frames)?;
        let mel = TensorRef::from_array_view(([1, self.n_mels, frames], features.as_slice()))?;
        let outputs = self.session.run(inputs!["mel" => mel]).map_err(EngineError::Run)?;
        let (_, probabilities) = outputs["probs"].try_extract_tensor::<f32>()?;
        let (_, no_speech) = outputs["no_speech"].try_extract_tensor::<f32>()?;
        let sound = probabilities.iter().chain(no_speech).all(|value| (0.0..=1.001).contains(value));
        if probabilities.len() != self.languages.len() || no_speech.len() != 1 || !sound {
            return Err(EngineError::Contract(
                "the model's answer is no probability for each of its languages",
            ));
        }
        Ok(Opinion { probabilities: probabilities.to_vec(), no_speech: no_speech[0].min(1.0) })
    }
}

/// The languages and the number of mel bands, from the graph's metadata.
fn describe(session: &Session) -> Result<(Vec<LanguageCode>, u16), EngineError> {
    let missing = EngineError::Contract;
    let metadata = session.metadata().map_err(EngineError::Run)?;
    let languages = metadata.custom("languages").ok_or(missing("the model does not name its languages"))?;
    let n_mels = metadata.custom("n_mels").ok_or(missing("the model does not say n_mels"))?;
    let n_mels = n_mels.parse().ok().filter(|n_mels| (1..=512).contains(n_mels));
    let table = LanguageTable::default();
    let languages = languages
        .split(',')
        .map(|name| table.canonical(name).known().ok_or_else(|| EngineError::Language(name.to_owned())))
        .collect::<Result<_, _>>()?;
    Ok((languages, n_mels.ok_or(missing("the model's n_mels is no number of mel bands"))?))
}
