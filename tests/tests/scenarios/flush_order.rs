//! The order in which an agent makes a recording durable, as the kernel sees
//! it: content flushed, row flushed, renamed, folder flushed, acknowledged. A
//! power cut shows most of this, but not a missing flush of the folder, since
//! the next flush of the journal carries the names with it.
//!
//! An acknowledgement is encrypted where the kernel sees it. What is seen is
//! the point right before it, which a test build notes in a file; since that
//! tells nothing of which recording it is about, there is one at a time.

use std::{collections::HashMap, fs};

use anyhow::{Context as _, Result, ensure};
use cofi_tests::{
    cluster::{Agent, Cluster, Engine, SOON},
    corpus::Corpus,
    wait::until,
};

/// Batches of one recording.
const BATCHES: usize = 12;

/// Noted before each acknowledgement that is sent.
const ACKNOWLEDGES: &str = "agent.acknowledgements-ready-not-sent";

const CALLS: &str = "trace=fsync,fdatasync,rename,renameat,renameat2,write,writev,sendto,sendmsg";

/// A system call of the agent: the lines of the trace at which it began and had
/// ended with success, and its text, bytes written out.
#[derive(Debug, Clone)]
struct Call {
    began: usize,
    ended: usize,
    text: String,
}

/// Reads what strace wrote: one call a line, or two if another thread's calls
/// came between its beginning and its end.
fn read_trace(trace: &str) -> Vec<Call> {
    let mut waiting: HashMap<&str, (usize, String)> = HashMap::new();
    let mut calls = Vec::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((thread, text)) = line.split_once(' ') else { continue };
        let text = text.trim_start();
        if let Some(first) = text.strip_suffix("<unfinished ...>") {
            waiting.insert(thread, (number, first.to_owned()));
            continue;
        }
        let (began, text) = match text.strip_prefix("<... ") {
            Some(rest) => {
                let Some((began, first)) = waiting.remove(thread) else { continue };
                (began, first + rest)
            }
            None => (number, text.to_owned()),
        };
        if !text.contains(" = -1 ") {
            calls.push(Call { began, ended: number, text: plain(&text) });
        }
    }
    calls
}

/// The bytes that strace wrote as `\xNN`, paths as well, as `NN`.
fn plain(text: &str) -> String {
    let mut parts = text.split("\\x");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        plain.push_str(code);
        plain.push_str(rest);
    }
    plain
}

/// The text as hexadecimal digits, as [`plain`] leaves it.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// What is wrong with the order in which the recording of a batch was made
/// durable that was the `nth` to be acknowledged.
fn out_of_order(calls: &[Call], name: &str, batch: i64, nth: usize) -> Option<String> {
    let (named, folder) = (hex(name.as_bytes()), ends(&format!("/recordings/{batch}")));
    let is_rename = |call: &&Call| {
        call.text.starts_with("rename") && call.text.contains(&named) && call.text.contains(&folder)
    };
    let Some(rename) = calls.iter().find(is_rename) else {
        return Some(format!("{name:?} was never renamed"));
    };
    let incoming = rename.text.split('"').nth(1).unwrap_or_default();
    let flushed = |call: &&Call| call.text.starts_with("fsync(") || call.text.starts_with("fdatasync(");
    let flush_of = |path: String| move |call: &&Call| flushed(call) && call.text.contains(&path);
    let of_content = flush_of(format!("{}{incoming}>", hex(b"/incoming/")));
    let Some(content) = calls.iter().filter(of_content).find(|call| call.ended < rename.began) else {
        return Some(format!("the content of {name:?} was not flushed before it was renamed"));
    };
    let of_row = flush_of(ends("journal.sqlite-wal"));
    if !calls.iter().filter(of_row).any(|call| call.began > content.ended && call.ended < rename.began) {
        return Some(format!("the row of {name:?} was not flushed between its content and its name"));
    }
    let Some(said) = acknowledgements(calls).nth(nth) else {
        return Some(format!("{name:?} was never acknowledged"));
    };
    let of_folder = flush_of(folder);
    let lasts =
        calls.iter().filter(of_folder).any(|call| call.began > rename.ended && call.ended < said.began);
    (!lasts)
        .then(|| format!("the folder of {name:?} was not flushed between its name and its acknowledgement"))
}

/// The notes of what was about to be acknowledged.
fn acknowledgements(calls: &[Call]) -> impl Iterator<Item = &Call> {
    let noted = hex(ACKNOWLEDGES.as_bytes());
    calls.iter().filter(move |call| call.text.starts_with("write") && call.text.contains(&noted))
}

/// How the path of an open file that ends so is written.
fn ends(path: &str) -> String {
    format!("{}>", hex(path.as_bytes()))
}

/// The trace of an agent that stores batches, and their ids.
async fn trace() -> Result<(String, Corpus, Vec<i64>)> {
    let mut cluster = Cluster::new()?;
    let corpus = Corpus::make(&cluster.path("calls"), 1, 1)?;
    cluster.controller.start().await?;
    let engine = Engine::Answers(corpus.answers.clone());
    let mut agent = Agent::new(&cluster.path("."), "host-0", "10.77.0.1", engine)?;
    // So often that nothing happens there, but is noted.
    agent.arm(&[format!("{ACKNOWLEDGES}=delay@1000000")])?;
    let trace = cluster.path("trace");
    let words =
        ["strace", "-D", "-f", "-q", "-yy", "-xx", "-s", "100000", "-e", "signal=none", "-e", CALLS, "-o"];
    let path = trace.to_str().context("a path that is not UTF-8")?;
    agent.wrap(&[&words[..], &[path]].concat());
    agent.start(&cluster.controller).await?;
    cluster.agents.push(agent);
    cluster.agents_are_ready().await?;
    let mut batches = Vec::new();
    for _ in 0..BATCHES {
        let batch = cluster.submit(&corpus).await?;
        cluster.at_rest(batch).await?;
        batches.push(batch);
    }
    cluster.stop().await?;
    // The tracer outlives the agent by a moment.
    let whole = until("the end of the trace", SOON, async || {
        let text = fs::read_to_string(&trace).context("read the trace")?;
        Ok(text.ends_with("+++ exited with 0 +++\n").then_some(text))
    });
    Ok((whole.await?, corpus, batches))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_before_content_row_and_folder_are_flushed() -> Result<()> {
    let (trace, corpus, batches) = trace().await?;
    let calls = read_trace(&trace);
    let acknowledged = acknowledgements(&calls).count();
    ensure!(acknowledged == BATCHES, "{acknowledged} acknowledgements of {BATCHES} recordings");
    let name = &corpus.in_order().first().context("no sample")?.name;
    for (nth, batch) in batches.into_iter().enumerate() {
        let wrong = out_of_order(&calls, name, batch, nth);
        ensure!(wrong.is_none(), "{wrong:?}");
        // The checker bites: without any one of the flushes it finds something.
        for (what, path) in [
            ("content", hex(b"/incoming/0")),
            ("row", ends("journal.sqlite-wal")),
            ("folder", ends(&format!("/recordings/{batch}"))),
        ] {
            let without = |call: &&Call| !(call.text.contains("sync(") && call.text.contains(&path));
            let less: Vec<Call> = calls.iter().filter(without).cloned().collect();
            let found = out_of_order(&less, name, batch, nth).unwrap_or_default();
            ensure!(found.contains(what), "without the flush of the {what}: {found:?}");
        }
    }
    Ok(())
}
