//! Lines of a worker, of bounded length.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// Reads a line into `line`, without its line feed. What is longer than `most`
/// bytes is read and left out. `None`: there are no more.
///
/// Cancelling loses nothing: what was read stays in `line`, which must be the
/// same, and not cleared, at the next call.
pub(super) async fn next_line(
    input: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
    most: usize,
) -> io::Result<Option<Length>> {
    loop {
        let available = input.fill_buf().await?;
        if available.is_empty() {
            return Ok(if line.is_empty() { None } else { Some(length(line, most)) });
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let part = &available[..end.unwrap_or(available.len())];
        // One byte more tells that the line was too long.
        let room = (most + 1).saturating_sub(line.len());
        line.extend_from_slice(&part[..part.len().min(room)]);
        let consumed = part.len() + usize::from(end.is_some());
        input.consume(consumed);
        if end.is_some() {
            return Ok(Some(length(line, most)));
        }
    }
}

/// Whether a line is there as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Whole,
    TooLong,
}

fn length(line: &mut Vec<u8>, most: usize) -> Length {
    if line.len() <= most {
        return Length::Whole;
    }
    line.truncate(most);
    Length::TooLong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_read_one_by_one_and_long_ones_are_cut() {
        let text = b"one\n\nfour fives\n12345\nlast";
        let mut input = tokio::io::BufReader::with_capacity(3, &text[..]);
        let mut seen = Vec::new();
        loop {
            let mut line = Vec::new();
            let Some(length) = next_line(&mut input, &mut line, 5).await.unwrap() else { break };
            seen.push((String::from_utf8(line).unwrap(), length));
        }
        let expected = [
            ("one", Length::Whole),
            ("", Length::Whole),
            ("four ", Length::TooLong),
            ("12345", Length::Whole),
            ("last", Length::Whole),
        ];
        assert_eq!(seen, expected.map(|(line, length)| (line.to_owned(), length)));
    }
}
