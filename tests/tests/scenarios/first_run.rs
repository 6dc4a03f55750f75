//! What a new user does first: one command on a folder of real speech, with
//! the real engine, and then the same command again.

use std::{collections::BTreeMap, path::Path, process::Output};

use anyhow::{Context as _, Result, ensure};
use cofi_tests::{given::folder, programs};
use serde_json::Value;

/// Runs `cofi run` on the clips.
async fn run(clips: &Path, data: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = programs::command(&programs::path("cofi")?);
    command.arg("run").arg(clips).arg("--data-dir").arg(data).args(arguments);
    command.arg("--model").arg(folder("COFI_TEST_MODEL", "tools/make-model")?);
    command.output().await.context("run cofi")
}

/// The documents of a kind that were printed, one a line.
fn documents(output: &Output, kind: &str) -> Result<Vec<Value>> {
    let text = String::from_utf8(output.stdout.clone())?;
    let lines = text.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?;
    Ok(lines.into_iter().filter_map(|line| line.get(kind).cloned()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_finds_the_language_of_every_clip_and_then_has_nothing_to_do() -> Result<()> {
    // Among them clips that begin with music, with silence and with an
    // announcement in another language; a name begins with the true language.
    let clips = folder("COFI_TEST_CLIPS", "tools/make-clips --hard")?;
    let data = tempfile::tempdir()?;

    let first = run(&clips, data.path(), &["--json"]).await?;
    ensure!(first.status.success(), "{}: {}", first.status, String::from_utf8_lossy(&first.stderr));
    let mut languages = BTreeMap::<String, u32>::new();
    for recording in documents(&first, "recording")? {
        let name = recording["audio_name"].as_str().context("a recording without a name")?;
        let truth = name.split('_').next().unwrap_or_default();
        ensure!(recording["language"] == truth, "{recording} is {truth}");
        *languages.entry(truth.to_owned()).or_default() += 1;
    }
    ensure!(
        languages.len() >= 3 && languages.values().all(|clips| *clips >= 7),
        "too few clips: {languages:?}"
    );

    let second = run(&clips, data.path(), &[]).await?;
    let said = [second.stdout, second.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    ensure!(second.status.success() && said.contains("nothing to do"), "{}: {said}", second.status);
    Ok(())
}
