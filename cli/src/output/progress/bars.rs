//! Progress on a terminal, redrawn in place.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{super::escape::escape, text};
use crate::view::Batch;

const BAR: &str = "{prefix:<11}{wide_bar}  {msg}";
const TEXT: &str = "{prefix:<11}{msg}";

/// Redraws a second. A snapshot, once a second, changes some sixteen fields,
/// and each of them draws: the last one must not fall to the limit.
const HERTZ: u8 = 30;

/// The bars of one batch, on the terminal for as long as they live.
#[derive(Debug)]
pub(super) struct Bars {
    screen: MultiProgress,
    stored: ProgressBar,
    identified: ProgressBar,
    outcome: ProgressBar,
    waiting: ProgressBar,
}

impl Bars {
    pub(super) fn new() -> Self {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(HERTZ));
        let line = |template| screen.add(ProgressBar::new(0).with_style(style(template)));
        let (stored, identified, outcome, waiting) = (line(BAR), line(BAR), line(TEXT), line(TEXT));
        Self { screen, stored, identified, outcome, waiting }
    }

    pub(super) fn show(&self, batch: &Batch) {
        let counts = &batch.counts;
        fill(&self.stored, "stored", counts.stored, counts.recordings, &text::stored(batch));
        fill(&self.identified, "identified", counts.identified, counts.recordings, &text::identified(batch));
        fill(&self.outcome, &format!("batch {}", batch.batch_id), 0, 0, &text::outcome(batch));
        fill(&self.waiting, "", 0, 0, &text::waiting(batch));
    }

    /// Lets `print` write lines that stay above the bars.
    pub(super) fn above(&self, print: impl FnOnce()) {
        self.screen.suspend(print);
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        for line in [&self.stored, &self.identified, &self.outcome, &self.waiting] {
            line.finish_and_clear();
        }
    }
}

fn fill(line: &ProgressBar, prefix: &str, position: u64, length: u64, message: &str) {
    line.set_length(length);
    line.set_position(position);
    line.set_prefix(prefix.to_owned());
    line.set_message(escape(message).into_owned());
}

/// A template that cannot be read would be a mistake in this file; a test
/// rules it out.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("█▉▊▋▌▍▎▏ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_can_be_read() {
        for template in [BAR, TEXT] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
