//! What must be true of one recording and its rows. Pure: rows in, flaws out.

use std::collections::{HashMap, HashSet};

use cofi_proto::BatchId;

use super::{Flaw, FlawKind, rows::agent_name};
use crate::ledger::{Lid, Placement, apply_lid::is_same_duration, call_languages::LanguageIds};

/// Bytes of a digest.
const DIGEST: usize = 16;

/// A row of `cofiRecording`, with states as they stand there.
#[derive(Debug, Default)]
pub(super) struct Own {
    pub(super) ordinal: i64,
    pub(super) name_key: String,
    /// What the key of the name is.
    pub(super) key: String,
    pub(super) audio_name: String,
    pub(super) size: u64,
    pub(super) digest: Option<Vec<u8>>,
    pub(super) placement: String,
    pub(super) lid: String,
    pub(super) round: i64,
    pub(super) agent: Option<String>,
    pub(super) call: Option<i64>,
    pub(super) code: Option<String>,
    pub(super) has_reason: bool,
    pub(super) was_stored: bool,
    pub(super) was_settled: bool,
    /// Who held it until it was released.
    pub(super) released_by: Option<String>,
}

impl Own {
    /// Whose address the shared tables have: who holds it, or held it last.
    pub(super) fn host(&self) -> Option<&str> {
        self.agent.as_deref().or(self.released_by.as_deref())
    }

    /// Whether something happened to it that its history must know: a failure,
    /// or a round that follows one.
    pub(super) fn needs_history(&self) -> bool {
        self.placement == "failed" || self.lid == "failed" || (self.lid == "none" && self.round > 1)
    }
}

/// Its rows in the shared tables.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) files: Vec<File>,
    /// Of its batch and name.
    pub(super) calls: Vec<Call>,
    /// The row that it points to, if that is another one.
    pub(super) pointed_to: Option<Call>,
    pub(super) lids: Vec<Said>,
}

/// A row of `fileDistribution`.
#[derive(Debug)]
pub(super) struct File {
    pub(super) ip: Option<String>,
    pub(super) lid_done: i64,
}

/// A row of `call`.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: i64,
    pub(super) batch: Option<i64>,
    pub(super) audio_name: Option<String>,
    pub(super) audio_url: Option<String>,
    pub(super) ip: Option<String>,
    pub(super) lang: Option<String>,
    pub(super) language: Option<i64>,
    pub(super) duration_seconds: Option<f64>,
}

/// A row of `lidStatus`.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) id: i64,
    pub(super) language: Option<String>,
    pub(super) duration_seconds: Option<f64>,
}

/// What the rows of a page are compared with.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) batch: BatchId,
    pub(super) endpoint: String,
    /// Addresses of those who hold recordings of the page.
    pub(super) agents: HashMap<String, String>,
    /// Recordings with a history.
    pub(super) events: HashSet<i64>,
    /// What the words of `lidStatus` mean.
    pub(super) canonical: HashMap<String, String>,
    pub(super) languages: LanguageIds,
    /// Codes by `language.id`, in lower case.
    pub(super) codes: HashMap<i64, String>,
}

/// Judges one recording.
pub(super) fn judge(own: &Own, shared: &Shared, context: &Context, flaws: &mut Vec<Flaw>) {
    let mut judge = Judge { own, context, flaws };
    judge.name();
    let states = (Placement::try_from(own.placement.as_str()), Lid::try_from(own.lid.as_str()));
    let (Ok(placement), Ok(lid)) = states else {
        return judge.tell(FlawKind::State, format!("is {:?} and {:?}", own.placement, own.lid));
    };
    judge.columns(placement, lid);
    judge.failures(placement, lid);
    judge.history(placement, lid);
    let address = judge.holder();
    if own.call.is_some() {
        judge.file(&shared.files, lid, address);
        judge.call(shared, lid, address);
    } else {
        judge.nothing(shared);
    }
    judge.lid_rows(&shared.lids, lid);
}

struct Judge<'a> {
    own: &'a Own,
    context: &'a Context,
    flaws: &'a mut Vec<Flaw>,
}

impl<'a> Judge<'a> {
    fn tell(&mut self, kind: FlawKind, words: impl AsRef<str>) {
        let Own { ordinal, audio_name, agent, .. } = self.own;
        let batch = self.context.batch;
        let words = format!("{batch}/{ordinal} {audio_name:?} {}", words.as_ref());
        self.flaws.push(Flaw {
            ordinal: Some(*ordinal),
            audio_name: Some(audio_name.clone()),
            agent: agent_name(agent.as_deref()),
            ..Flaw::of_batch(kind, batch, words)
        });
    }

    fn name(&mut self) {
        if self.own.name_key != self.own.key {
            let words = format!("has the key {:?}, its name makes {:?}", self.own.name_key, self.own.key);
            self.tell(FlawKind::NameKey, words);
        }
    }

    fn columns(&mut self, placement: Placement, lid: Lid) {
        let own = self.own;
        let is_stored = placement == Placement::Stored;
        // Its rows stay when it is to be placed again.
        let has_rows = own.call.is_some();
        let is_settled = match lid {
            Lid::None => false,
            Lid::Done | Lid::Failed => true,
        };
        let wrong = [
            (is_stored && !has_rows, "is stored and points to no call"),
            (is_stored && own.host().is_none(), "is stored and nobody holds it"),
            (own.released_by.is_some() && own.agent.is_some(), "is released and held all the same"),
            (own.released_by.is_some() && !is_stored, "is released and not stored"),
            (own.released_by.is_some() && !is_settled, "is released and still to be identified"),
            (!is_stored && own.agent.is_some(), "is not stored and has an agent"),
            (has_rows != own.digest.is_some(), "has a call without a digest, or a digest without a call"),
            (
                own.digest.as_ref().is_some_and(|digest| digest.len() != DIGEST),
                "has a digest of another length",
            ),
            (has_rows != own.was_stored, "has a call and no time of storing, or a time and no call"),
            (is_settled && !has_rows, "has an outcome and was never stored"),
            (is_settled && !own.was_settled, "has an outcome and no time of it"),
            (own.round < 1, "has a round below 1"),
        ];
        for (_, words) in wrong.into_iter().filter(|(is_wrong, _)| *is_wrong) {
            self.tell(FlawKind::Columns, words);
        }
    }

    fn failures(&mut self, placement: Placement, lid: Lid) {
        let own = self.own;
        let has_code = own.code.as_ref().is_some_and(|code| !code.is_empty());
        let wanted = match (placement, lid) {
            (Placement::Failed, _) | (Placement::Stored, Lid::Failed) => Some(true),
            (Placement::Stored, Lid::None | Lid::Done) => Some(false),
            // What is to be placed again, or was cancelled, keeps what it had.
            (Placement::Planned | Placement::Cancelled, _) => None,
        };
        match wanted {
            Some(true) if !(has_code && own.has_reason) => {
                self.tell(FlawKind::Reason, "has failed without code and reason");
            }
            Some(false) if has_code || own.has_reason => {
                self.tell(FlawKind::Reason, "has not failed and has the code or reason of a failure");
            }
            None if has_code != own.has_reason => {
                self.tell(FlawKind::Reason, "has a code without a reason, or a reason without a code");
            }
            Some(_) | None => {}
        }
    }

    fn history(&mut self, placement: Placement, lid: Lid) {
        if !self.own.needs_history() || self.context.events.contains(&self.own.ordinal) {
            return;
        }
        if placement == Placement::Failed || lid == Lid::Failed {
            self.tell(FlawKind::FailureEvent, "has failed, and cofiEvent does not know when");
        } else {
            let words = format!("is in round {}, and cofiEvent knows of none before", self.own.round);
            self.tell(FlawKind::RoundEvent, words);
        }
    }

    /// The address of who holds it, or held it until it was released.
    fn holder(&mut self) -> Option<&'a str> {
        let agent = self.own.host()?;
        let address = self.context.agents.get(agent).map(String::as_str);
        if address.is_none() {
            self.tell(
                FlawKind::UnknownAgent,
                format!("is held by {agent:?}, which is in no row of cofiAgent"),
            );
        }
        address
    }

    fn nothing(&mut self, shared: &Shared) {
        for (kind, table, rows) in [
            (FlawKind::FileUnexpected, "fileDistribution", shared.files.len()),
            (FlawKind::CallUnexpected, "call", shared.calls.len()),
        ] {
            if rows > 0 {
                self.tell(kind, format!("was never stored and has {rows} rows in {table}"));
            }
        }
    }

    fn file(&mut self, files: &[File], lid: Lid, address: Option<&str>) {
        let [file] = files else {
            let kind = if files.is_empty() { FlawKind::FileMissing } else { FlawKind::FileDoubled };
            return self.tell(kind, format!("has {} rows in fileDistribution", files.len()));
        };
        if let Some(address) = address.filter(|address| file.ip.as_deref() != Some(address)) {
            let words = format!("is at {address}, fileDistribution.ip is {:?}", file.ip);
            self.tell(FlawKind::FileAddress, words);
        }
        if (file.lid_done == 1) != (lid == Lid::Done) {
            let words = format!("has lid {:?}, fileDistribution.lidDone is {}", lid.as_str(), file.lid_done);
            self.tell(FlawKind::FileLidDone, words);
        }
    }

    fn call(&mut self, shared: &Shared, lid: Lid, address: Option<&str>) {
        let [call] = shared.calls.as_slice() else {
            let is_none = shared.calls.is_empty();
            let kind = if is_none { FlawKind::CallMissing } else { FlawKind::CallDoubled };
            return self
                .tell(kind, format!("has {} rows in call{}", shared.calls.len(), self.astray(shared)));
        };
        if self.own.call != Some(call.id) {
            let words = format!("has call {} of its name{}", call.id, self.astray(shared));
            self.tell(FlawKind::CallId, words);
        }
        let url = format!("{}/{}", self.context.endpoint.trim_end_matches('/'), self.own.audio_name);
        if call.audio_url.as_ref() != Some(&url) {
            self.tell(FlawKind::CallUrl, format!("is at {url:?}, call.audioUrl is {:?}", call.audio_url));
        }
        if let Some(address) = address.filter(|address| call.ip.as_deref() != Some(address)) {
            self.tell(FlawKind::CallAddress, format!("is at {address}, call.ip is {:?}", call.ip));
        }
        match (lid, shared.lids.iter().max_by_key(|said| said.id)) {
            (Lid::Done, Some(said)) => self.in_line(call, said),
            // That its row is not there is told of `lidStatus`.
            (Lid::Done, None) => {}
            (Lid::None | Lid::Failed, _) => self.not_identified(call),
        }
    }

    /// Where it points to instead.
    fn astray(&self, shared: &Shared) -> String {
        let id = self.own.call.unwrap_or_default();
        shared.pointed_to.as_ref().map_or_else(
            || format!(", it points to {id}"),
            |other| format!(", it points to {id} ({:?} of batch {:?})", other.audio_name, other.batch),
        )
    }

    fn in_line(&mut self, call: &Call, said: &Said) {
        let lang = call.lang.as_deref().unwrap_or("unknown");
        let word = said.language.as_deref();
        let meant = word.and_then(|word| self.context.canonical.get(word)).map(String::as_str);
        if lang == "unknown" || (word != Some(lang) && meant != Some(lang)) {
            self.tell(FlawKind::CallLang, format!("is {word:?} in lidStatus, call.lang is {lang:?}"));
        } else {
            self.language_id(call, lang);
        }
        if said.duration_seconds.is_some_and(|duration| !is_same_duration(call.duration_seconds, duration)) {
            let words = format!(
                "lasts {:?} s in lidStatus, call.audioDuration is {:?}",
                said.duration_seconds, call.duration_seconds
            );
            self.tell(FlawKind::CallDuration, words);
        }
    }

    /// Any row of `language` with the code will do.
    fn language_id(&mut self, call: &Call, lang: &str) {
        let is_right = match call.language {
            Some(id) => self.context.codes.get(&id).is_some_and(|code| *code == lang.to_lowercase()),
            None => self.context.languages.of(lang).is_none(),
        };
        if !is_right {
            let words = format!("is {lang:?}, call.languageId is {:?}", call.language);
            self.tell(FlawKind::CallLanguageId, words);
        }
    }

    fn not_identified(&mut self, call: &Call) {
        if let Some(lang) = call.lang.as_deref().filter(|lang| *lang != "unknown") {
            self.tell(FlawKind::CallLang, format!("is not identified, call.lang is {lang:?}"));
        }
        if let Some(id) = call.language {
            self.tell(FlawKind::CallLanguageId, format!("is not identified, call.languageId is {id}"));
        }
        if let Some(duration) = call.duration_seconds.filter(|duration| *duration != 0.0) {
            self.tell(FlawKind::CallDuration, format!("is not identified, call.audioDuration is {duration}"));
        }
    }

    fn lid_rows(&mut self, lids: &[Said], lid: Lid) {
        let rows = lids.len();
        match lid {
            Lid::Done if rows == 0 => {
                self.tell(FlawKind::LidMissing, "is identified and has no row in lidStatus");
            }
            Lid::Done if rows > 1 => self.tell(FlawKind::LidDoubled, format!("has {rows} rows in lidStatus")),
            Lid::None | Lid::Failed if rows > 0 => {
                let words = format!("has lid {:?} and {rows} rows in lidStatus", lid.as_str());
                self.tell(FlawKind::LidUnexpected, words);
            }
            Lid::Done | Lid::None | Lid::Failed => {}
        }
    }
}
