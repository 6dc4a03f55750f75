//! What travels on the `Session` stream, as domain types.

use crate::{
    AgentName, Digest, Malformed, RecordingId,
    limits::{MAX_GROUP, MAX_RESULT_GROUP, cut_reason},
    pb::agent as pb,
};

/// How an agent presents itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The agent's protocol version.
    pub protocol: u32,
    /// The program's version, for people.
    pub version: String,
    /// The agent's name.
    pub name: AgentName,
    /// UUID that the agent's store made at its first start.
    pub storage_id: String,
    /// What the tables call ip.
    pub advertise_address: String,
    /// Share of work relative to other agents, 100 being usual.
    pub weight: u32,
    /// Receive streams that it will open.
    pub receive_connections: u32,
    /// Its state at this moment.
    pub heartbeat: Heartbeat,
    /// The database that its store belongs to; empty if it has met none.
    pub database_id: String,
    /// Recordings that it holds and was told have their rows.
    pub recorded: u64,
    /// Recordings that it holds and has a receipted result of.
    pub receipted: u64,
    /// Whether it answers [`Verify`](crate::verify::Verify).
    pub verifies: bool,
}

/// Widest `ip` column of the shared tables.
const MAX_ADDRESS_CHARS: usize = 100;
const MAX_WEIGHT: u32 = 10_000;
const MAX_RECEIVE_CONNECTIONS: u32 = 16;

impl TryFrom<pb::Hello> for Hello {
    type Error = Malformed;

    fn try_from(hello: pb::Hello) -> Result<Self, Malformed> {
        let storage_id = text("hello.storage_id", hello.storage_id, 36)?;
        let address =
            if hello.advertise_address.is_empty() { hello.local_address } else { hello.advertise_address };
        Ok(Self {
            protocol: hello.protocol,
            version: text("hello.version", hello.version, 64)?,
            name: hello.name.try_into()?,
            storage_id,
            advertise_address: text("hello.advertise_address", address, MAX_ADDRESS_CHARS)?,
            weight: within("hello.weight", hello.weight, 1, MAX_WEIGHT, "1 to 10,000")?,
            receive_connections: within(
                "hello.receive_connections",
                hello.receive_connections,
                1,
                MAX_RECEIVE_CONNECTIONS,
                "1 to 16",
            )?,
            heartbeat: hello.heartbeat.ok_or(Malformed::Missing("hello.heartbeat"))?.try_into()?,
            database_id: hello.database_id,
            recorded: hello.recorded,
            receipted: hello.receipted,
            verifies: hello.verifies,
        })
    }
}

impl From<Hello> for pb::Hello {
    fn from(hello: Hello) -> Self {
        Self {
            protocol: hello.protocol,
            version: hello.version,
            name: hello.name.to_string(),
            storage_id: hello.storage_id,
            advertise_address: hello.advertise_address,
            local_address: String::new(),
            weight: hello.weight,
            receive_connections: hello.receive_connections,
            heartbeat: Some(hello.heartbeat.into()),
            database_id: hello.database_id,
            recorded: hello.recorded,
            receipted: hello.receipted,
            verifies: hello.verifies,
        }
    }
}

/// An agent's state at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Bytes free for recordings, what the agent reserves for itself deducted.
    pub free_disk_bytes: u64,
    /// Recordings waiting for the engine or in it.
    pub lid_waiting: u64,
    /// The engine.
    pub engine: Engine,
}

impl TryFrom<pb::Heartbeat> for Heartbeat {
    type Error = Malformed;

    fn try_from(heartbeat: pb::Heartbeat) -> Result<Self, Malformed> {
        Ok(Self {
            free_disk_bytes: heartbeat.free_disk_bytes,
            lid_waiting: heartbeat.lid_waiting,
            engine: heartbeat.engine.ok_or(Malformed::Missing("heartbeat.engine"))?.try_into()?,
        })
    }
}

impl From<Heartbeat> for pb::Heartbeat {
    fn from(heartbeat: Heartbeat) -> Self {
        Self {
            free_disk_bytes: heartbeat.free_disk_bytes,
            lid_waiting: heartbeat.lid_waiting,
            engine: Some(heartbeat.engine.into()),
        }
    }
}

/// What an agent says of its engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Engine {
    /// Whether it can work.
    pub state: EngineState,
    /// Why it failed, or a remark such as why CUDA is not used.
    pub reason: String,
    /// What it calls itself and its model.
    pub name: String,
    /// Where it runs: "cpu", "cuda"; empty if it does not say.
    pub device: String,
}

/// Whether an engine can work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EngineState {
    /// No worker is up yet.
    #[default]
    Starting,
    /// At least one worker is up.
    Ready,
    /// No worker comes up; the agent goes on trying.
    Failed,
}

impl TryFrom<pb::Engine> for Engine {
    type Error = Malformed;

    fn try_from(engine: pb::Engine) -> Result<Self, Malformed> {
        let state = match engine.state() {
            pb::EngineState::Unspecified => {
                return Err(Malformed::invalid("engine.state", engine.state, "a known state"));
            }
            pb::EngineState::Starting => EngineState::Starting,
            pb::EngineState::Ready => EngineState::Ready,
            pb::EngineState::Failed => EngineState::Failed,
        };
        Ok(Self {
            state,
            reason: cut_reason(engine.reason),
            name: cut_reason(engine.name),
            device: cut_reason(engine.device),
        })
    }
}

impl From<Engine> for pb::Engine {
    fn from(engine: Engine) -> Self {
        let state = match engine.state {
            EngineState::Starting => pb::EngineState::Starting,
            EngineState::Ready => pb::EngineState::Ready,
            EngineState::Failed => pb::EngineState::Failed,
        };
        Self { state: state.into(), reason: engine.reason, name: engine.name, device: engine.device }
    }
}

/// A recording that an agent holds durably and has no receipt for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The recording.
    pub recording: RecordingId,
    /// Its name on the agent.
    pub audio_name: String,
    /// Its size.
    pub size_bytes: u64,
    /// Digest of what the agent holds.
    pub digest: Digest,
}

impl TryFrom<pb::Held> for Held {
    type Error = Malformed;

    fn try_from(held: pb::Held) -> Result<Self, Malformed> {
        Ok(Self {
            recording: held.recording.try_into()?,
            audio_name: held.audio_name,
            size_bytes: held.size_bytes,
            digest: Digest::try_from(&held.digest[..])?,
        })
    }
}

impl From<Held> for pb::Held {
    fn from(held: Held) -> Self {
        Self {
            recording: Some(held.recording.into()),
            audio_name: held.audio_name,
            size_bytes: held.size_bytes,
            digest: bytes::Bytes::copy_from_slice(held.digest.as_bytes()),
        }
    }
}

/// The outcome of one round of identification of one recording.
#[derive(Debug, Clone, PartialEq)]
pub struct LidResult {
    /// The recording.
    pub recording: RecordingId,
    /// The round that it answers.
    pub round: i32,
    /// What came out.
    pub outcome: LidOutcome,
    /// Of the content that was identified; none if an older agent says nothing
    /// of it.
    pub digest: Option<Digest>,
}

/// What came out of a round of identification.
#[derive(Debug, Clone, PartialEq)]
pub enum LidOutcome {
    /// A language.
    Identified(Identified),
    /// None, for good.
    Failed(LidFailure),
}

/// A language, as the engine said it.
#[derive(Debug, Clone, PartialEq)]
pub struct Identified {
    /// As the engine said it.
    pub language: String,
    /// The engine's best, the likeliest first.
    pub probabilities: Vec<LanguageProbability>,
    /// The best without regard to candidates.
    pub unrestricted: Option<LanguageProbability>,
    /// Seconds of the samples that were decoded.
    pub duration_seconds: f64,
    /// Wall time in the engine, in seconds.
    pub processing_seconds: f64,
}

/// A language and how likely it is.
#[derive(Debug, Clone, PartialEq)]
pub struct LanguageProbability {
    /// As the engine said it.
    pub language: String,
    /// 0 to 1.
    pub probability: f64,
}

/// Why a recording has no language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LidFailure {
    /// A fixed word for programs.
    pub code: String,
    /// Words for people.
    pub reason: String,
    /// How often the agent tried.
    pub attempts: i32,
}

/// Longest language code or failure code that is taken.
const MAX_CODE_CHARS: usize = 64;
const MAX_PROBABILITIES: usize = 5;

impl TryFrom<pb::LidResult> for LidResult {
    type Error = Malformed;

    fn try_from(result: pb::LidResult) -> Result<Self, Malformed> {
        let outcome = match result.outcome.ok_or(Malformed::Missing("result.outcome"))? {
            pb::lid_result::Outcome::Identified(identified) => LidOutcome::Identified(identified.try_into()?),
            pb::lid_result::Outcome::Failure(failure) => LidOutcome::Failed(LidFailure {
                code: text("failure.code", failure.code, MAX_CODE_CHARS)?,
                reason: cut_reason(failure.reason),
                attempts: failure.attempts.max(0),
            }),
        };
        let said = (!result.digest.is_empty()).then(|| Digest::try_from(&result.digest[..])).transpose();
        let digest =
            said.map_err(|_| Malformed::invalid("result.digest", result.digest.len(), "16 bytes"))?;
        Ok(Self { recording: result.recording.try_into()?, round: result.round, outcome, digest })
    }
}

impl TryFrom<pb::Identified> for Identified {
    type Error = Malformed;

    fn try_from(identified: pb::Identified) -> Result<Self, Malformed> {
        let probabilities =
            identified.probabilities.into_iter().take(MAX_PROBABILITIES).map(TryInto::try_into);
        Ok(Self {
            language: text("identified.language", identified.language, MAX_CODE_CHARS)?,
            probabilities: probabilities.collect::<Result<_, _>>()?,
            unrestricted: identified.unrestricted.map(TryInto::try_into).transpose()?,
            duration_seconds: seconds("identified.duration_seconds", identified.duration_seconds)?,
            processing_seconds: seconds("identified.processing_seconds", identified.processing_seconds)?,
        })
    }
}

impl TryFrom<pb::LanguageProbability> for LanguageProbability {
    type Error = Malformed;

    fn try_from(likely: pb::LanguageProbability) -> Result<Self, Malformed> {
        if !(0.0..=1.0).contains(&likely.probability) {
            return Err(Malformed::invalid("probability", likely.probability, "0 to 1"));
        }
        let language = text("probability.language", likely.language, MAX_CODE_CHARS)?;
        Ok(Self { language, probability: likely.probability })
    }
}

impl From<LanguageProbability> for pb::LanguageProbability {
    fn from(likely: LanguageProbability) -> Self {
        Self { language: likely.language, probability: likely.probability }
    }
}

impl From<LidResult> for pb::LidResult {
    fn from(result: LidResult) -> Self {
        let outcome = match result.outcome {
            LidOutcome::Identified(identified) => pb::lid_result::Outcome::Identified(pb::Identified {
                language: identified.language,
                probabilities: identified.probabilities.into_iter().map(Into::into).collect(),
                unrestricted: identified.unrestricted.map(Into::into),
                duration_seconds: identified.duration_seconds,
                processing_seconds: identified.processing_seconds,
            }),
            LidOutcome::Failed(failure) => pb::lid_result::Outcome::Failure(pb::LidFailure {
                code: failure.code,
                reason: failure.reason,
                attempts: failure.attempts,
            }),
        };
        let digest = result.digest.map(|digest| bytes::Bytes::copy_from_slice(digest.as_bytes()));
        Self {
            recording: Some(result.recording.into()),
            round: result.round,
            outcome: Some(outcome),
            digest: digest.unwrap_or_default(),
        }
    }
}

/// A recording to identify in a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identify {
    /// The recording.
    pub recording: RecordingId,
    /// The round.
    pub round: i32,
    /// Codes the answer is restricted to; empty means any.
    pub candidates: Vec<String>,
}

impl TryFrom<pb::Identify> for Identify {
    type Error = Malformed;

    fn try_from(identify: pb::Identify) -> Result<Self, Malformed> {
        let recording = identify.recording.try_into()?;
        Ok(Self { recording, round: identify.round, candidates: identify.candidates })
    }
}

impl From<Identify> for pb::Identify {
    fn from(identify: Identify) -> Self {
        Self {
            recording: Some(identify.recording.into()),
            round: identify.round,
            candidates: identify.candidates,
        }
    }
}

/// The receipt for a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultReceipt {
    /// The recording.
    pub recording: RecordingId,
    /// The round that is settled.
    pub round: i32,
}

impl TryFrom<pb::ResultReceipt> for ResultReceipt {
    type Error = Malformed;

    fn try_from(receipt: pb::ResultReceipt) -> Result<Self, Malformed> {
        Ok(Self { recording: receipt.recording.try_into()?, round: receipt.round })
    }
}

impl From<ResultReceipt> for pb::ResultReceipt {
    fn from(receipt: ResultReceipt) -> Self {
        Self { recording: Some(receipt.recording.into()), round: receipt.round }
    }
}

/// A recording that an agent need not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The recording.
    pub recording: RecordingId,
    /// Why, in words.
    pub reason: String,
}

impl TryFrom<pb::Release> for Release {
    type Error = Malformed;

    fn try_from(release: pb::Release) -> Result<Self, Malformed> {
        Ok(Self { recording: release.recording.try_into()?, reason: cut_reason(release.reason) })
    }
}

impl From<Release> for pb::Release {
    fn from(release: Release) -> Self {
        Self { recording: Some(release.recording.into()), reason: release.reason }
    }
}

/// Turns a group of messages into domain types.
///
/// # Errors
/// The group is longer than `most`, or one of its messages is malformed.
pub fn group<M, T: TryFrom<M, Error = Malformed>>(
    messages: Vec<M>,
    most: Group,
) -> Result<Vec<T>, Malformed> {
    if messages.len() > most.limit() {
        return Err(Malformed::invalid("group", format!("{} entries", messages.len()), most.expected()));
    }
    messages.into_iter().map(TryInto::try_into).collect()
}

/// How long a group may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Of results.
    Results,
    /// Of anything else.
    Other,
}

impl Group {
    fn limit(self) -> usize {
        match self {
            Self::Results => MAX_RESULT_GROUP,
            Self::Other => MAX_GROUP,
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Results => "at most 500 entries",
            Self::Other => "at most 1,000 entries",
        }
    }
}

fn text(field: &'static str, value: String, most_chars: usize) -> Result<String, Malformed> {
    let fits =
        !value.is_empty() && value.chars().count() <= most_chars && !value.chars().any(char::is_control);
    if fits {
        Ok(value)
    } else {
        Err(Malformed::invalid(field, cut_reason(value).escape_debug(), "some printable text that fits"))
    }
}

fn within(
    field: &'static str,
    value: u32,
    least: u32,
    most: u32,
    expected: &'static str,
) -> Result<u32, Malformed> {
    if (least..=most).contains(&value) { Ok(value) } else { Err(Malformed::invalid(field, value, expected)) }
}

fn seconds(field: &'static str, value: f64) -> Result<f64, Malformed> {
    if value.is_finite() && value >= 0.0 {
        Ok(value)
    } else {
        Err(Malformed::invalid(field, value, "seconds, 0 or more"))
    }
}
