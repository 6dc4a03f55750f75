//! What comes of the text that a worker writes, without a worker: the way from
//! its standard output to outcomes, for the fuzz targets.

use cofi_lid::protocol::{MAX_LINE_BYTES, Request};
use cofi_proto::session::{LidFailure, LidOutcome};
use tokio::io::BufReader;

use super::{
    board::Worker,
    lines::next_line,
    process::{introduction, parsed},
    slot::outcome,
};
use crate::chain::Chain;

/// Bytes that are read at a time: few, so that lines lie across reads.
const READ_BYTES: usize = 64;

/// What one line of a worker comes to.
#[derive(Debug)]
pub struct Heard {
    /// The worker's state, if it is its first line.
    pub worker: Worker,
    /// The outcome, or how the engine failed, if it is the answer to a request.
    pub outcome: Result<LidOutcome, LidFailure>,
}

/// What each line of `output` comes to, said by a worker that was asked
/// `request`.
pub async fn heard(output: &[u8], request: &Request) -> Vec<Heard> {
    let mut output = BufReader::with_capacity(READ_BYTES, output);
    let (mut line, mut all) = (Vec::new(), Vec::new());
    // Reading from memory never fails.
    while let Ok(Some(length)) = next_line(&mut output, &mut line, MAX_LINE_BYTES).await {
        let worker = parsed(&line, length).and_then(introduction);
        let worker = worker.map_or_else(|error| Worker::Failed(Chain(&error).to_string()), Worker::Ready);
        all.push(Heard { worker, outcome: outcome(request, parsed(&line, length), 1, 0.5) });
        line.clear();
    }
    all
}
