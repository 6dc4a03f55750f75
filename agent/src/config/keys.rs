//! The keys as they are written, in the file, the environment and as flags.

use std::{fmt, marker::PhantomData, path::PathBuf};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{SeqAccess, Visitor, value::SeqAccessDeserializer},
};

/// The keys as they are written. What is not set has its default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
#[group(skip)]
pub struct Keys {
    /// Name of this agent [default: the one in its certificate]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the controller listens for agents [default: <https://127.0.0.1:7401>]
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
    /// The agent's own folder [default: cofi-agent-data]
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// Flat folder in which later stages look for recordings by name
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_dir: Option<PathBuf>,
    /// What the tables call ip [default: this host's address towards the controller]
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertise_address: Option<String>,
    /// Share of work relative to other agents [default: 100]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Connections for recordings [default: 2]
    #[arg(long, value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receive_connections: Option<u32>,
    /// Which engine identifies languages [default: builtin]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<Engine>,
    /// Program and arguments of the engine "command", in shell words
    #[arg(long, value_name = "COMMAND", value_parser = words)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_command: Option<List<Words>>,
    /// Seconds that a worker may take for one recording [default: 300]
    #[arg(long, value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_timeout_seconds: Option<u64>,
    /// Seconds that a worker may take to come up [default: 120]
    #[arg(long, value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_start_timeout_seconds: Option<u64>,
    /// MiB that the built-in engine may take for one recording, beyond its model [default: 1024]
    #[arg(long, value_name = "MIB")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_memory_mib: Option<u32>,
    /// How often a recording is tried when the engine fails on it [default: 3]
    #[arg(long, value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_attempts: Option<u32>,
    /// Folder with the model of the built-in engine [default: models]
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
    /// The ONNX Runtime library [default: libonnxruntime.so beside the model]
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub onnxruntime_lib: Option<PathBuf>,
    /// Worker processes [default: 1 on CUDA, otherwise half of the cores]
    #[arg(long, value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<u32>,
    /// Languages to choose from when a batch names none, as in "en,hi" [default: any]
    #[arg(long, value_name = "CODES", value_parser = codes)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidates: Option<List<Codes>>,
    /// Probability below which the built-in engine answers "und"
    #[arg(long, value_name = "PROBABILITY")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<f64>,
    /// Bytes to keep free on the disk [default: 256 MiB, or 1 % of a small disk]
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_reserve_bytes: Option<u64>,
    /// Days for which results stay after their receipt [default: 7]
    #[arg(long, value_name = "DAYS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_retention_days: Option<u32>,
    /// Seconds that a drain waits for recordings in the engine [default: 30]
    #[arg(long, value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_grace_seconds: Option<u64>,
    /// Which events are logged, as in "warn" or "info,sqlx=off" [default: info]
    #[arg(long, value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// How events are logged [default: text]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_format: Option<LogFormat>,
}

impl Keys {
    /// The names of all keys.
    pub(super) const NAMES: [&str; 23] = [
        "name",
        "controller",
        "data_dir",
        "publish_dir",
        "advertise_address",
        "weight",
        "receive_connections",
        "engine",
        "engine_command",
        "engine_timeout_seconds",
        "engine_start_timeout_seconds",
        "engine_memory_mib",
        "engine_attempts",
        "model",
        "onnxruntime_lib",
        "workers",
        "candidates",
        "floor",
        "disk_reserve_bytes",
        "result_retention_days",
        "drain_grace_seconds",
        "log",
        "log_format",
    ];

    /// Those whose values are numbers.
    pub(super) const NUMBERS: [&str; 11] = [
        "weight",
        "receive_connections",
        "engine_timeout_seconds",
        "engine_start_timeout_seconds",
        "engine_memory_mib",
        "engine_attempts",
        "workers",
        "floor",
        "disk_reserve_bytes",
        "result_retention_days",
        "drain_grace_seconds",
    ];
}

/// Which engine identifies languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// The one that is part of the program.
    Builtin,
    /// Any program that speaks the worker protocol.
    Command,
}

/// How events are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A list that may be written as an array or as one text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct List<S>(pub Vec<String>, #[serde(skip)] PhantomData<S>);

/// How a list is written as one text.
pub trait Split {
    /// What is accepted, for people.
    const EXPECTED: &str;

    /// The items of a text; `None` if it is none.
    fn split(text: &str) -> Option<Vec<String>>;
}

/// Words as a shell reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words;

/// Codes between commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codes;

impl Split for Words {
    const EXPECTED: &str = "an array of words, or one text with balanced quotes";

    fn split(text: &str) -> Option<Vec<String>> {
        shlex::split(text)
    }
}

impl Split for Codes {
    const EXPECTED: &str = "an array of language codes, or one text with commas between them";

    fn split(text: &str) -> Option<Vec<String>> {
        let codes = text.split(',').map(str::trim).filter(|code| !code.is_empty());
        Some(codes.map(str::to_owned).collect())
    }
}

impl<S> List<S> {
    /// A list of these items.
    #[must_use]
    pub fn new(items: Vec<String>) -> Self {
        Self(items, PhantomData)
    }
}

impl<'de, S: Split> Deserialize<'de> for List<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrArray<S>(PhantomData<S>);

        impl<'de, S: Split> Visitor<'de> for TextOrArray<S> {
            type Value = List<S>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(S::EXPECTED)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let split = S::split(text).map(List::new);
                split.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(items)).map(List::new)
            }
        }

        deserializer.deserialize_any(TextOrArray(PhantomData))
    }
}

fn words(text: &str) -> Result<List<Words>, String> {
    Words::split(text).map(List::new).ok_or_else(|| Words::EXPECTED.to_owned())
}

fn codes(text: &str) -> Result<List<Codes>, String> {
    Codes::split(text).map(List::new).ok_or_else(|| Codes::EXPECTED.to_owned())
}
