//! `torture [--rounds N] [--seed S] [--database sqlite|mariadb]`: kills
//! processes at random while batches run, and looks what came of it.
#![allow(clippy::print_stdout, reason = "prints its report")]

use anyhow::{Context as _, Result, bail};
use cofi_tests::{
    database::Kind,
    torture::{Plan, torture},
};

const USAGE: &str = "torture [--rounds N] [--seed S] [--database sqlite|mariadb]";

#[tokio::main]
async fn main() -> Result<()> {
    let plan = plan(std::env::args().skip(1))?;
    println!("{plan:?}");
    let report = torture(plan).await?;
    println!("{report}");
    Ok(())
}

fn plan(mut words: impl Iterator<Item = String>) -> Result<Plan> {
    let mut plan = Plan { rounds: 50, seed: rand::random(), kind: Kind::Sqlite };
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} needs a value\n{USAGE}"))?;
        let number = || value.parse().with_context(|| format!("{word} {value} is no number\n{USAGE}"));
        match (word.as_str(), value.as_str()) {
            ("--rounds", _) => plan.rounds = number()?,
            ("--seed", _) => plan.seed = number()?,
            ("--database", "sqlite") => plan.kind = Kind::Sqlite,
            ("--database", "mariadb") => plan.kind = Kind::MariaDb,
            _ => bail!("{word} {value} is not understood\n{USAGE}"),
        }
    }
    Ok(plan)
}
