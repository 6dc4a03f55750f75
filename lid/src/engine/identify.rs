//! The engine: one recording in, one language out.

use std::path::Path;

use cofi_language::{LanguageCode, LanguageTable};

use super::{
    EngineError,
    model::Model,
    runtime::{Device, Runtime},
    speech,
    vad::Vad,
    verdict::{self, Allowed, Ballot, Channel},
    windows::windows,
};
use crate::audio::{self, Allowance, Recording, Resampler, SAMPLE_RATE, Span};

/// Seconds of a window: a third of the CPU that Whisper's own 30 cost, for the same answers.
const WINDOW_SECONDS: u16 = 15;
const WINDOW: usize = 15 * 16_000;
/// Places in which speech is looked for before a channel counts as silent.
const MOST_WINDOWS: usize = 24;
/// Speech that makes it worth asking the model; less is put together with that of the next window.
const ENOUGH_SPEECH: usize = 6 * 16_000;
/// The least that the model is asked about, when there is no more.
const LEAST_SPEECH: usize = 16_000 / 2;
/// 60 dB below the loudest: a window without such a sample is not worth the speech detector's time.
const AUDIBLE: f32 = 0.001;
/// Windows in which speech is measured when two channels disagree.
const MEASURED_WINDOWS: usize = 8;
/// Languages that an answer lists.
const LISTED: usize = 5;

/// The model, the speech detector and what they need.
#[derive(Debug)]
pub(crate) struct Engine {
    vad: Vad,
    model: Model,
    resampler: Resampler,
    table: LanguageTable,
    floor: f64,
    allowance: Allowance,
}

/// The language of a recording.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Identified {
    pub(crate) language: LanguageCode,
    /// The likeliest candidates first; none if nobody speaks.
    pub(crate) probabilities: Vec<(LanguageCode, f64)>,
    /// The likeliest language whatever the candidates.
    pub(crate) unrestricted: Option<(LanguageCode, f64)>,
    pub(crate) duration_seconds: f64,
}

impl Engine {
    /// Loads everything from a model folder.
    pub(crate) fn load(
        folder: &Path,
        library: &Path,
        device: Device,
        threads: usize,
        floor: f64,
        allowance: Allowance,
    ) -> Result<Self, EngineError> {
        let runtime = Runtime::load(library, threads)?;
        let mut engine = Self {
            vad: Vad::load(&runtime, &folder.join("silero_vad.onnx"))?,
            model: Model::load(&runtime, &folder.join("lid.onnx"), device)?,
            resampler: Resampler::default(),
            table: LanguageTable::default(),
            floor,
            allowance,
        };
        engine.rehearse()?;
        Ok(engine)
    }

    /// Runs both graphs on silence: what cannot compute shows before there is a recording to blame, and what is
    /// loaded late counts as the model's memory.
    fn rehearse(&mut self) -> Result<(), EngineError> {
        let silence = vec![0.0; WINDOW];
        self.vad.probabilities(&silence[..LEAST_SPEECH])?;
        self.model.opinion(&silence, WINDOW)?;
        Ok(())
    }

    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    /// Identifies the language of the recording at `path` among the candidates, or among all if there are none.
    pub(crate) fn identify(&mut self, path: &Path, candidates: &[String]) -> Result<Identified, EngineError> {
        let allowed = self.allowed(candidates)?;
        let recording = audio::open(path, self.allowance)?;
        let mut channels = (0..recording.channels())
            .map(|channel| self.listen(&recording, channel, &allowed))
            .collect::<Result<Vec<_>, _>>()?;
        if verdict::disagree(&channels, &allowed) {
            for (number, channel) in channels.iter_mut().enumerate() {
                channel.speech = self.measure_speech(&recording, number)?;
            }
        }
        let ballot = verdict::most_spoken(&channels, &allowed);
        Ok(self.answer(ballot.as_ref(), &allowed, recording.duration_seconds()))
    }

    /// Which of the model's languages the candidates leave.
    fn allowed(&self, candidates: &[String]) -> Result<Allowed, EngineError> {
        if candidates.is_empty() {
            return Ok(None);
        }
        let wanted: Vec<_> =
            candidates.iter().filter_map(|said| self.table.canonical(said).known()).collect();
        let allowed: Vec<bool> =
            self.model.languages().iter().map(|language| wanted.contains(language)).collect();
        if !allowed.contains(&true) {
            return Err(EngineError::Candidates(candidates.join(", ")));
        }
        Ok(Some(allowed))
    }

    /// Looks at windows of one channel until the answer is settled.
    fn listen(
        &mut self,
        recording: &Recording,
        channel: usize,
        allowed: &Allowed,
    ) -> Result<Channel, EngineError> {
        let mut ballot = Ballot::new(self.model.languages().len());
        let mut pending = Vec::new();
        let mut speech = 0.0;
        for window in call_windows(recording, MOST_WINDOWS) {
            let found = self.speech_in(recording, channel, window)?;
            speech += seconds(found.len());
            pending.extend(found);
            if pending.len() < ENOUGH_SPEECH {
                continue;
            }
            self.ask(&mut ballot, &pending)?;
            pending.clear();
            if ballot.is_settled(allowed) {
                return Ok(Channel { ballot, speech });
            }
        }
        if pending.len() >= LEAST_SPEECH {
            self.ask(&mut ballot, &pending)?;
        }
        Ok(Channel { ballot, speech })
    }

    fn ask(&mut self, ballot: &mut Ballot, speech: &[f32]) -> Result<(), EngineError> {
        let speech = &speech[..speech.len().min(WINDOW)];
        let opinion = self.model.opinion(speech, WINDOW)?;
        ballot.add(&opinion, seconds(speech.len()));
        Ok(())
    }

    /// The speech in a window, at the models' rate.
    fn speech_in(
        &mut self,
        recording: &Recording,
        channel: usize,
        window: Span,
    ) -> Result<Vec<f32>, EngineError> {
        let sound = recording.samples(channel, window);
        if sound.iter().all(|sample| sample.abs() < AUDIBLE) {
            return Ok(Vec::new());
        }
        let sound = self.resampler.resample(sound, recording.rate())?;
        let stretches = speech::stretches(&self.vad.probabilities(&sound)?);
        Ok(speech::cut(&sound, &stretches))
    }

    /// Seconds of speech in windows that are spread over the call.
    fn measure_speech(&mut self, recording: &Recording, channel: usize) -> Result<f64, EngineError> {
        let mut speech = 0.0;
        for window in call_windows(recording, MEASURED_WINDOWS) {
            speech += seconds(self.speech_in(recording, channel, window)?.len());
        }
        Ok(speech)
    }

    fn answer(&self, ballot: Option<&Ballot>, allowed: &Allowed, duration_seconds: f64) -> Identified {
        let named = |(language, probability): &(usize, f64)| {
            let language = self.model.languages().get(*language)?;
            Some((language.clone(), *probability))
        };
        let probabilities: Vec<_> = ballot
            .map(|ballot| ballot.ranking(allowed))
            .unwrap_or_default()
            .iter()
            .take(LISTED)
            .filter_map(named)
            .collect();
        let language = match (ballot, probabilities.first()) {
            (None, _) => LanguageCode::NO_SPEECH,
            (Some(_), Some((language, probability))) if *probability >= self.floor => language.clone(),
            (Some(_), Some(_) | None) => LanguageCode::UNDETERMINED,
        };
        let unrestricted = ballot.and_then(|ballot| ballot.ranking(&None).first().and_then(named));
        Identified { language, probabilities, unrestricted, duration_seconds }
    }
}

/// The windows of a recording in the order of looking.
fn call_windows(recording: &Recording, most: usize) -> Vec<Span> {
    let length = u64::from(recording.rate()) * u64::from(WINDOW_SECONDS);
    windows(&recording.spans(), length, most)
}

/// The duration of so many samples at the models' rate.
fn seconds(samples: usize) -> f64 {
    f64::from(u32::try_from(samples).unwrap_or(u32::MAX)) / f64::from(SAMPLE_RATE)
}
