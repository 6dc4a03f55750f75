//! The worker process `answer-worker`, which knows its answers beforehand and
//! does as it is told, and the desk from which it is told.

use std::{
    collections::HashMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use cofi_lid::protocol::FailureClass;
use serde::{Deserialize, Serialize};

use crate::programs;

/// What a worker knows of one recording, one a line in the file of answers,
/// with tabs between.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownAnswer {
    /// The language in the engine's own words.
    pub said: String,
    /// Of the recording.
    pub duration_seconds: f64,
    /// What identifying it is said to have taken; nothing is said without it.
    pub processing_seconds: Option<f64>,
}

/// What workers do about requests, read anew for every request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// Give the known answers.
    #[default]
    Answer,
    /// Give so many answers in the life of the process, then fail everything.
    FailAfter {
        /// How many.
        answers: u64,
        /// What the failures are blamed on.
        class: FailureClass,
    },
    /// Take so long for each request.
    Delay {
        /// How long.
        millis: u64,
    },
    /// End without a word.
    Crash,
    /// Never answer.
    Hang,
    /// Say at the start that it cannot work.
    Refuse {
        /// Why.
        why: String,
    },
}

impl Behaviour {
    /// Fails every request.
    #[must_use]
    pub fn fail(class: FailureClass) -> Self {
        Self::FailAfter { answers: 0, class }
    }

    /// What the file at `path` says; without a file, to answer.
    pub fn read(path: &Path) -> Result<Self> {
        match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| format!("read {}", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::Answer),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }
}

/// Writes the file of answers.
pub fn write_answers<'a>(
    path: &Path,
    answers: impl IntoIterator<Item = (&'a str, &'a KnownAnswer)>,
) -> Result<()> {
    let line = |(name, answer): (&str, &KnownAnswer)| {
        let KnownAnswer { said, duration_seconds, processing_seconds } = answer;
        let processing = processing_seconds.map(|seconds| seconds.to_string()).unwrap_or_default();
        format!("{name}\t{said}\t{duration_seconds}\t{processing}\n")
    };
    let text: Vec<String> = answers.into_iter().map(line).collect();
    fs::write(path, text.concat()).with_context(|| format!("write {}", path.display()))
}

/// Reads the file of answers.
pub fn read_answers(path: &Path) -> Result<HashMap<String, KnownAnswer>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    text.lines()
        .map(|line| {
            let mut fields = line.split('\t');
            let mut field = || fields.next().with_context(|| format!("answer {line:?} is cut short"));
            let name = field()?.to_owned();
            let said = field()?.to_owned();
            let duration_seconds = field()?.parse()?;
            let processing_seconds = Some(field()?).filter(|text| !text.is_empty());
            let processing_seconds = processing_seconds.map(str::parse).transpose()?;
            Ok((name, KnownAnswer { said, duration_seconds, processing_seconds }))
        })
        .collect()
}

/// From where the workers of one agent are told what to do, and where they
/// note what they were asked.
#[derive(Debug, Clone)]
pub struct Desk {
    answers: PathBuf,
    control: PathBuf,
    log: PathBuf,
}

impl Desk {
    /// A desk in an existing folder.
    #[must_use]
    pub fn new(folder: &Path, answers: &Path) -> Self {
        Self {
            answers: answers.to_owned(),
            control: folder.join("worker-control.json"),
            log: folder.join("worker-requests"),
        }
    }

    /// The words of the command that starts a worker.
    pub fn command(&self) -> Result<Vec<String>> {
        let program = programs::path("answer-worker")?;
        let words = [&program, &self.answers, &self.control, &self.log];
        words
            .into_iter()
            .map(|word| Ok(word.to_str().context("a path that is not UTF-8")?.to_owned()))
            .collect()
    }

    /// Tells the workers what to do from the next request on.
    pub fn tell(&self, behaviour: &Behaviour) -> Result<()> {
        let fresh = self.control.with_extension("new");
        fs::write(&fresh, serde_json::to_vec(behaviour)?).context("write the control file")?;
        fs::rename(&fresh, &self.control).context("replace the control file")
    }

    /// How often each recording was asked for, by name.
    pub fn requests(&self) -> Result<HashMap<String, u64>> {
        let mut requests = HashMap::new();
        for (name, _) in self.noted()? {
            *requests.entry(name).or_default() += 1;
        }
        Ok(requests)
    }

    /// The candidates that came with each request, with commas between.
    pub fn candidates(&self) -> Result<Vec<String>> {
        Ok(self.noted()?.into_iter().map(|(_, candidates)| candidates).collect())
    }

    /// Name and candidates of each request.
    fn noted(&self) -> Result<Vec<(String, String)>> {
        let text = match fs::read_to_string(&self.log) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            text => text.with_context(|| format!("read {}", self.log.display()))?,
        };
        let noted = text.lines().map(|line| {
            let (name, candidates) = line.split_once('\t').with_context(|| format!("noted {line:?}"))?;
            Ok((name.to_owned(), candidates.to_owned()))
        });
        noted.collect()
    }
}
