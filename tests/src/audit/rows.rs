//! Rows against the SQL contract: which rows a recording has in which state,
//! and what stands in every column.

use std::collections::{HashMap, HashSet};

use super::{Findings, Tally};
use crate::{
    corpus::{Corpus, Sample, Terms},
    tables::{BatchRow, CallRow, FileRow, LidRow, RecordingRow, Snapshot},
};

/// The rows of one recording.
struct Rows<'a> {
    own: &'a RecordingRow,
    files: Vec<&'a FileRow>,
    calls: Vec<&'a CallRow>,
    lids: Vec<&'a LidRow>,
}

/// Checks the rows of all recordings, and counts the states.
pub(super) fn check(
    snapshot: &Snapshot,
    corpus: &Corpus,
    addresses: &HashMap<&str, &str>,
    findings: &mut Findings,
) -> Tally {
    let mut tally = Tally::default();
    let mut names: HashSet<&str> = HashSet::new();
    let mut files = by_name(&snapshot.files, |row| &row.file);
    let mut calls = by_name(&snapshot.calls, |row| &row.audio_name);
    let mut lids = by_name(&snapshot.lids, |row| &row.audio_name);
    let mut ordinal = 0;
    for own in &snapshot.recordings {
        let name = own.audio_name.as_str();
        if !names.insert(name) {
            findings.add(format!("{name:?} is twice in the manifest"));
        }
        findings.equal(format_args!("ordinal of {name:?}"), own.ordinal, ordinal);
        ordinal = own.ordinal + 1;
        let Some(sample) = corpus.samples.get(name) else {
            findings.add(format!("{name:?} is in the manifest and not in the source"));
            continue;
        };
        findings.equal(format_args!("source path of {name:?}"), &own.source_path, &sample.source_path);
        findings.equal(format_args!("size of {name:?}"), u64::try_from(own.size).ok(), Some(sample.size));
        let rows = Rows {
            own,
            files: files.remove(name).unwrap_or_default(),
            calls: calls.remove(name).unwrap_or_default(),
            lids: lids.remove(name).unwrap_or_default(),
        };
        let expected = Expected { sample, terms: &corpus.terms, languages: &snapshot.languages, addresses };
        expected.check(&rows, &mut tally, findings);
    }
    for sample in corpus.samples.keys().filter(|name| !names.contains(name.as_str())) {
        findings.add(format!("{sample:?} is in the source and not in the manifest"));
    }
    for (table, left) in [("fileDistribution", files.len()), ("call", calls.len()), ("lidStatus", lids.len())]
    {
        findings.equal(format_args!("number of {table} names that no recording has"), left, 0);
    }
    tally
}

fn by_name<T>(rows: &[T], name: impl Fn(&T) -> &String) -> HashMap<&str, Vec<&T>> {
    let mut names: HashMap<&str, Vec<&T>> = HashMap::new();
    for row in rows {
        names.entry(name(row).as_str()).or_default().push(row);
    }
    names
}

/// What the rows of one recording must hold.
struct Expected<'a> {
    sample: &'a Sample,
    terms: &'a Terms,
    languages: &'a [(i64, String)],
    addresses: &'a HashMap<&'a str, &'a str>,
}

impl Expected<'_> {
    fn check(&self, rows: &Rows<'_>, tally: &mut Tally, findings: &mut Findings) {
        let own = rows.own;
        let name = &own.audio_name;
        match (own.placement.as_str(), own.lid.as_str()) {
            ("planned", "none") => tally.planned += 1,
            ("failed", "none") => tally.placement_failed += 1,
            ("cancelled", "none") => tally.cancelled += 1,
            ("stored", "none") => tally.pending += 1,
            ("stored", "failed") => tally.lid_failed += 1,
            ("stored", "done") => tally.identified += 1,
            (placement, lid) => findings.add(format!("{name:?} is {placement:?} and {lid:?}")),
        }
        let failed = own.placement == "failed" || own.lid == "failed";
        findings.equal(format_args!("whether {name:?} has a reason"), own.reason.is_some(), failed);
        findings.equal(format_args!("whether {name:?} has a code"), own.code.is_some(), failed);
        if own.placement == "stored" {
            self.check_stored(rows, findings);
        } else {
            let left = [rows.files.len(), rows.calls.len(), rows.lids.len()];
            findings.equal(format_args!("rows of {name:?}, which is nowhere,"), left, [0; 3]);
            findings.equal(format_args!("call of {name:?}, which is nowhere,"), own.call_id, None);
        }
    }

    fn check_stored(&self, rows: &Rows<'_>, findings: &mut Findings) {
        let (own, name) = (rows.own, &rows.own.audio_name);
        let address = own.agent.as_deref().and_then(|agent| self.addresses.get(agent)).copied();
        let Some(address) = address else {
            return findings.add(format!("{name:?} is stored on {:?}, which is no agent", own.agent));
        };
        let ([file], [call]) = (&rows.files[..], &rows.calls[..]) else {
            let (files, calls) = (rows.files.len(), rows.calls.len());
            return findings.add(format!("{name:?} has {files} fileDistribution and {calls} call rows"));
        };
        let done = own.lid == "done";
        findings.equal(format_args!("fileDistribution.ip of {name:?}"), file.ip.as_str(), address);
        findings.equal(format_args!("lidDone of {name:?}"), file.lid_done, i64::from(done));
        findings.equal(format_args!("whether other flags of {name:?} are 0"), file.untouched, true);
        self.check_call(own, call, address, done, findings);
        match (done, &rows.lids[..]) {
            (false, []) => {}
            (true, [lid]) => self.check_lid(lid, findings),
            (_, lids) => {
                findings.add(format!("{name:?} is {:?} with {} lidStatus rows", own.lid, lids.len()));
            }
        }
    }

    fn check_call(
        &self,
        own: &RecordingRow,
        call: &CallRow,
        address: &str,
        done: bool,
        findings: &mut Findings,
    ) {
        let answer = &self.sample.answer;
        let language = self.languages.iter().find(|(_, code)| code == self.sample.lang).map(|(id, _)| *id);
        let expected = CallRow {
            id: own.call_id.unwrap_or_default(),
            audio_name: self.sample.name.clone(),
            audio_url: format!("{}/{}", self.terms.audio_endpoint, self.sample.name),
            ip: address.to_owned(),
            status: "Pending".to_owned(),
            kind: "Call".to_owned(),
            lang: if done { self.sample.lang } else { "unknown" }.to_owned(),
            language_id: language.filter(|_| done),
            audio_duration: if done { answer.duration_seconds } else { 0.0 },
            user_id: 1,
            process_id: self.terms.process_id,
            category_mapping_id: self.terms.category_mapping_id,
            audit_form_id: self.terms.audit_form_id,
            untouched: true,
        };
        findings.equal(format_args!("the call of {:?}", own.audio_name), call, &expected);
        findings.equal(
            format_args!("whether {:?} is in the table language", self.sample.lang),
            language.is_some(),
            self.sample.has_language_row,
        );
    }

    fn check_lid(&self, lid: &LidRow, findings: &mut Findings) {
        let answer = &self.sample.answer;
        let name = &self.sample.name;
        findings.equal(
            format_args!("lidStatus.language of {name:?}"),
            lid.language.as_str(),
            self.sample.lang,
        );
        let time = &lid.lid_processing_time;
        match answer.processing_seconds {
            Some(known) => {
                findings.equal(format_args!("lidProcessingTime of {name:?}"), time, &format!("{known:.3}"));
            }
            None if time.parse::<f64>().is_ok_and(|seconds| seconds >= 0.0) => {}
            None => findings.add(format!("lidProcessingTime of {name:?} is {time:?}")),
        }
        if (lid.audio_duration - answer.duration_seconds).abs() > f64::EPSILON {
            findings.add(format!("lidStatus.audioDuration of {name:?} is {}", lid.audio_duration));
        }
        if !self.addresses.values().any(|address| *address == lid.ip) {
            findings.add(format!("lidStatus.ip of {name:?} is {:?}, which is no agent's", lid.ip));
        }
    }
}

/// Checks the row of `batchStatus` against the states.
pub(super) fn check_stages(row: &BatchRow, tally: Tally, recordings: usize, findings: &mut Findings) {
    let all = u64::try_from(recordings).ok();
    let word = |complete: bool| if complete { "Complete" } else { "InProgress" };
    let (distributed, identified) = (Some(tally.stored()) == all, Some(tally.identified) == all);
    let open = tally.planned + tally.pending > 0;
    findings.equal("batchStatus", row.batch_status.as_str(), "InProgress");
    findings.equal("currentBatch", row.current_batch, i64::from(open));
    findings.equal("dbInsertionStatus", row.db_insertion_status.as_str(), word(distributed));
    if tally.stored() > 0 {
        findings.equal("lidStatus of the batch", row.lid_status.as_str(), word(identified));
    }
    let failed = tally.placement_failed + tally.lid_failed + tally.cancelled > 0;
    findings.equal("whether there are remarks", row.remarks.is_some(), failed);
    for (what, time, there) in [
        ("batchStartTime", &row.batch_start_time, true),
        ("dbInsertionStartTime", &row.db_insertion_start_time, true),
        ("dbInsertionEndTime", &row.db_insertion_end_time, distributed),
        ("lidStartTime", &row.lid_start_time, tally.stored() > 0),
        ("lidEndTime", &row.lid_end_time, identified),
    ] {
        findings.equal(format_args!("whether there is a {what}"), time.is_some(), there);
        if time.as_deref().is_some_and(|time| !is_time(time)) {
            findings.add(format!("{what} is {time:?}, which is no 'YYYY-MM-DD HH:MM:SS'"));
        }
    }
    if !is_date(&row.batch_date) {
        findings.add(format!("batchDate is {:?}, which is no 'DD-MM-YYYY'", row.batch_date));
    }
}

fn is_time(text: &str) -> bool {
    looks_like(text, "0000-00-00 00:00:00")
}

fn is_date(text: &str) -> bool {
    looks_like(text, "00-00-0000")
}

/// Whether `text` is like `pattern`, in which 0 stands for any digit.
fn looks_like(text: &str, pattern: &str) -> bool {
    text.len() == pattern.len()
        && text
            .chars()
            .zip(pattern.chars())
            .all(|(is, must)| if must == '0' { is.is_ascii_digit() } else { is == must })
}
