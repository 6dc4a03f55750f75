//! The order in which an agent makes a recording durable, as the kernel sees
//! it: content flushed, row flushed, renamed, folder flushed, acknowledged. A
//! power cut shows most of this, but not a missing flush of the folder, since
//! the next flush of the journal carries the names with it.

use std::{collections::HashMap, fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use cofi_proto::Digest;
use cofi_tests::{
    cluster::{Agent, Cluster, Engine, SOON},
    corpus::Corpus,
    wait::until,
};

const RECORDINGS: usize = 40;

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

/// What is wrong with the order in which a recording was made durable.
fn out_of_order(calls: &[Call], name: &str, digest: Digest, batch: i64) -> Option<String> {
    let named = hex(name.as_bytes());
    let Some(rename) =
        calls.iter().find(|call| call.text.starts_with("rename") && call.text.contains(&named))
    else {
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
    let digest = hex(digest.as_bytes());
    let said = |call: &&Call| !flushed(call) && call.text.contains(&digest) && call.text.contains("<TCP:");
    let Some(said) = calls.iter().find(said) else {
        return Some(format!("{name:?} was never acknowledged"));
    };
    let of_folder = flush_of(ends(&format!("/recordings/{batch}")));
    let lasts =
        calls.iter().filter(of_folder).any(|call| call.began > rename.ended && call.ended < said.began);
    (!lasts)
        .then(|| format!("the folder of {name:?} was not flushed between its name and its acknowledgement"))
}

/// How the path of an open file that ends so is written.
fn ends(path: &str) -> String {
    format!("{}>", hex(path.as_bytes()))
}

/// The trace of an agent that stores a batch, and its cluster, whose folder goes
/// with it.
async fn trace() -> Result<(String, Cluster, Corpus, i64)> {
    let mut cluster = Cluster::new()?;
    let corpus = Corpus::make(&cluster.path("calls"), RECORDINGS, 1)?;
    cluster.controller.start().await?;
    let engine = Engine::Answers(corpus.answers.clone());
    let mut agent = Agent::new(&cluster.path("."), "host-0", "10.77.0.1", engine)?;
    let trace = cluster.path("trace");
    let words =
        ["strace", "-D", "-f", "-q", "-yy", "-xx", "-s", "100000", "-e", "signal=none", "-e", CALLS, "-o"];
    let path = trace.to_str().context("a path that is not UTF-8")?;
    agent.wrap(&[&words[..], &[path]].concat());
    agent.start(&cluster.controller).await?;
    cluster.agents.push(agent);
    cluster.agents_are_ready().await?;
    let batch = cluster.submit(&corpus).await?;
    cluster.at_rest(batch).await?;
    cluster.stop().await?;
    // The tracer outlives the agent by a moment.
    let whole = until("the end of the trace", SOON, async || {
        let text = fs::read_to_string(&trace).context("read the trace")?;
        Ok(text.ends_with("+++ exited with 0 +++\n").then_some(text))
    });
    Ok((whole.await?, cluster, corpus, batch))
}

fn digest(path: &Path) -> Result<Digest> {
    Ok(Digest::of(&fs::read(path).with_context(|| format!("read {}", path.display()))?))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_before_content_row_and_folder_are_flushed() -> Result<()> {
    let (trace, _cluster, corpus, batch) = trace().await?;
    let calls = read_trace(&trace);
    // The checker bites: without any one of the flushes it finds something.
    let lacking = [
        ("content", hex(b"/incoming/0")),
        ("row", ends("journal.sqlite-wal")),
        ("folder", ends(&format!("/recordings/{batch}"))),
    ];
    for sample in corpus.samples.values() {
        let digest = digest(&corpus.path(sample))?;
        let wrong = out_of_order(&calls, &sample.name, digest, batch);
        ensure!(wrong.is_none(), "{wrong:?}");
        for (what, path) in &lacking {
            let without = |call: &&Call| !(call.text.contains("sync(") && call.text.contains(path));
            let less: Vec<Call> = calls.iter().filter(without).cloned().collect();
            let found = out_of_order(&less, &sample.name, digest, batch).unwrap_or_default();
            ensure!(found.contains(what), "without the flush of the {what}: {found:?}");
        }
    }
    Ok(())
}
