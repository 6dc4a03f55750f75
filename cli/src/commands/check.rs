//! `cofi check`.

use super::connect;
use crate::{args::CheckArgs, client::Target, error::Error, exit::Exit, output::Console, view::Checked};

pub(super) async fn run(args: CheckArgs, target: Target, console: Console) -> Result<Exit, Error> {
    let client = connect(target).await?;
    let mut check = client.check(args.batch_ids, args.digests).await?;
    loop {
        let checked = check.next().await?;
        console.checked(&checked)?;
        match checked {
            Checked::Finding(_) => {}
            Checked::Summary(summary) if summary.findings == 0 => return Ok(Exit::Done),
            Checked::Summary(_) => return Ok(Exit::WithFailures),
        }
    }
}
