//! Small distinct recordings in a folder, with the languages that they are
//! known to be in.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use crate::worker::{KnownAnswer, write_answers};

/// What an engine says, what `call.lang` holds then, and whether the table
/// `language` has that code.
const LANGUAGES: [(&str, &str, bool); 12] = [
    ("hin", "hi", true),
    ("mr", "mr", true),
    ("eng", "en", true),
    ("ger", "de", true),
    ("deu", "de", true),
    ("Spanish", "es", true),
    ("bn", "bn", true),
    ("hinglish", "hinglish", true),
    ("zxx", "zxx", true),
    ("unknown", "und", true),
    ("haw", "haw", false),
    ("gobbledygook", "gobbledygook", false),
];

/// Every seventh recording lies in a subfolder.
const SUBFOLDER_EVERY: usize = 7;

/// Bytes of the samples of a recording.
const SAMPLE_BYTES: std::ops::Range<usize> = 100..2_000;

/// One recording.
#[derive(Debug, Clone)]
pub struct Sample {
    /// What the tables call audioName.
    pub name: String,
    /// Relative to the corpus.
    pub source_path: String,
    /// In bytes.
    pub size: u64,
    /// What the engine is to say.
    pub answer: KnownAnswer,
    /// What `call.lang` must be once it is identified.
    pub lang: &'static str,
    /// Whether the table `language` has that code.
    pub has_language_row: bool,
}

/// What a batch is planned with, as it stands in the rows of its calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// `process.id`.
    pub process_id: i64,
    /// `categoryMapping.id`.
    pub category_mapping_id: i64,
    /// Of the process.
    pub audit_form_id: Option<i64>,
    /// What `call.audioUrl` begins with, without a slash at its end.
    pub audio_endpoint: String,
}

/// A folder of recordings.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// What its batches are planned with: nothing but the folder, unless the
    /// test says otherwise.
    pub terms: Terms,
    /// The folder.
    pub root: PathBuf,
    /// The answers, for workers.
    pub answers: PathBuf,
    /// By name.
    pub samples: HashMap<String, Sample>,
}

impl Corpus {
    /// Makes `count` recordings in a new folder; the same seed makes the same.
    pub fn make(root: &Path, count: usize, seed: u64) -> Result<Self> {
        fs::create_dir(root).with_context(|| format!("make {}", root.display()))?;
        let mut random = StdRng::seed_from_u64(seed);
        let samples = (0..count).map(|index| {
            let name = format!("call {index:05} é.wav");
            let source_path = if index % SUBFOLDER_EVERY == 0 {
                format!("team {}/{name}", index % 3)
            } else {
                name.clone()
            };
            let content = wav(&mut random);
            let path = root.join(&source_path);
            let folder = path.parent().context("a recording without a folder")?;
            fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
            fs::write(&path, &content).with_context(|| format!("write {}", path.display()))?;
            let (said, lang, has_language_row) = LANGUAGES[random.random_range(0..LANGUAGES.len())];
            let answer = KnownAnswer {
                said: said.to_owned(),
                // Quarters, which decimals and every float hold exactly.
                duration_seconds: f64::from(random.random_range(4..2_400_u32)) / 4.0,
                processing_seconds: Some(f64::from(random.random_range(1..8_u32)) / 8.0),
            };
            let size = u64::try_from(content.len())?;
            let sample = Sample { name: name.clone(), source_path, size, answer, lang, has_language_row };
            Ok((name, sample))
        });
        let samples = samples.collect::<Result<_>>()?;
        let terms = Terms {
            process_id: 1,
            category_mapping_id: 1,
            audit_form_id: None,
            audio_endpoint: format!("file://{}", root.display()),
        };
        let corpus = Self { terms, root: root.to_owned(), answers: root.with_extension("answers"), samples };
        corpus.write_answers()?;
        Ok(corpus)
    }

    /// A folder without recordings, to which some are added one by one.
    pub fn empty(root: &Path) -> Result<Self> {
        Self::make(root, 0, 0)
    }

    /// Adds a recording that is to be found in `lang` and to last so long: its
    /// path. Workers that run already do not know of it.
    pub fn add(
        &mut self,
        name: &str,
        content: &[u8],
        lang: &'static str,
        duration_seconds: f64,
    ) -> Result<PathBuf> {
        let path = self.root.join(name);
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
        let answer = KnownAnswer { said: lang.to_owned(), duration_seconds, processing_seconds: None };
        let sample = Sample {
            name: name.to_owned(),
            source_path: name.to_owned(),
            size: u64::try_from(content.len())?,
            answer,
            lang,
            has_language_row: true,
        };
        self.samples.insert(name.to_owned(), sample);
        self.write_answers()?;
        Ok(path)
    }

    fn write_answers(&self) -> Result<()> {
        let answers = self.samples.values().map(|sample| (sample.name.as_str(), &sample.answer));
        write_answers(&self.answers, answers)
    }

    /// Where a recording lies.
    #[must_use]
    pub fn path(&self, sample: &Sample) -> PathBuf {
        self.root.join(&sample.source_path)
    }

    /// The recordings in the order of their paths, which is the manifest's.
    #[must_use]
    pub fn in_order(&self) -> Vec<&Sample> {
        let mut samples: Vec<&Sample> = self.samples.values().collect();
        samples.sort_by(|one, other| Path::new(&one.source_path).cmp(Path::new(&other.source_path)));
        samples
    }
}

/// Mono, 8 kHz, 8 bits: noise of a random length.
fn wav(random: &mut StdRng) -> Vec<u8> {
    let mut samples = vec![0; random.random_range(SAMPLE_BYTES)];
    random.fill(&mut samples[..]);
    let length = u32::try_from(samples.len()).unwrap_or(u32::MAX);
    let mut file = Vec::with_capacity(44 + samples.len());
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + length).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend_from_slice(&8_000_u32.to_le_bytes());
    file.extend_from_slice(&8_000_u32.to_le_bytes());
    file.extend_from_slice(b"\x01\0\x08\0data");
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&samples);
    file
}
