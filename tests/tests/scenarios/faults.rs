//! The table of faults is true: every test that it names is there. And what
//! programs leave behind when they crash: nothing.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use cofi_tests::cluster::Cluster;

/// Tests that the table names at least; fewer mean that it is read wrongly.
const LEAST: usize = 40;

fn root() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no repository")
}

/// `FILE` and `NAME` of each `FILE::NAME` between back-ticks.
fn named(table: &str) -> BTreeSet<(&str, &str)> {
    let quoted = table.split('`').skip(1).step_by(2);
    quoted.filter_map(|words| words.split_once(".rs::")).collect()
}

/// Whether a source has a test function of this name.
fn has_test(source: &str, name: &str) -> bool {
    let function = format!("fn {name}(");
    let Some(at) = source.find(&function) else { return false };
    let before = source.get(..at).unwrap_or_default();
    // Its attributes, up to the end of the item before it.
    let attributes = before.rsplit("\n}\n").next().unwrap_or_default();
    ["#[test]", "#[tokio::test", "#[rstest]"].iter().any(|attribute| attributes.contains(attribute))
}

#[test]
fn every_test_that_the_table_of_faults_names_is_there() -> Result<()> {
    let root = root()?;
    let table = fs::read_to_string(root.join("docs/faults.md")).context("read the table")?;
    let named = named(&table);
    ensure!(named.len() >= LEAST, "only {} tests are named", named.len());
    let mut missing = Vec::new();
    for (file, name) in named {
        let file = format!("{file}.rs");
        let source = fs::read_to_string(root.join(&file)).unwrap_or_default();
        if !has_test(&source, name) {
            missing.push(format!("{file}::{name}"));
        }
    }
    ensure!(missing.is_empty(), "not there: {missing:#?}");
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    let bare: Vec<&&str> = rows.iter().filter(|row| !row.contains(".rs::")).collect();
    ensure!(bare.is_empty(), "faults without a test: {bare:#?}");
    Ok(())
}

#[test]
fn tests_that_are_not_there_are_noticed() {
    let source = "fn helper() {\n}\n\n#[test]\nfn real() {\n}\n\nfn after() {\n}\n";
    assert!(has_test(source, "real"));
    assert!(!has_test(source, "helper") && !has_test(source, "after") && !has_test(source, "rea"));
    let table = "| a | b | `x/y.rs::one`, `z.rs::two` |\n`FILE::NAME` and `code`";
    assert_eq!(named(table), BTreeSet::from([("x/y", "one"), ("z", "two")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_program_leaves_core_files() -> Result<()> {
    let (mut cluster, _corpus) = Cluster::with_corpus(1, 1, 1).await?;
    let ids = [
        ("the controller", cluster.controller.id().context("the controller does not run")?),
        ("the agent", cluster.agents[0].id().context("the agent does not run")?),
    ];
    for (who, id) in ids {
        let limits = fs::read_to_string(format!("/proc/{id}/limits")).context("read the limits")?;
        let core = limits.lines().find(|line| line.starts_with("Max core file size"));
        let words: Vec<&str> = core.context("no limit on core files")?.split_whitespace().collect();
        ensure!(words[4..6] == ["0", "0"], "{who} may leave core files: {words:?}");
    }
    cluster.stop().await
}
