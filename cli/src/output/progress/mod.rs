//! A batch on its way, as it happens: bars that are redrawn on a terminal,
//! lines elsewhere, JSON objects for programs.

mod bars;
mod lines;
mod text;

use std::{io, time::Instant};

use serde::Serialize;

use self::{bars::Bars, lines::Lines};
use super::{Console, note};
use crate::view::Batch;

/// What `--json` prints for each snapshot, one a line.
#[derive(Debug, Serialize)]
struct Snapshot<'a> {
    batch: &'a Batch,
}

/// Shows one batch after the other.
#[derive(Debug)]
pub(crate) struct Progress {
    console: Console,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Json,
    Bars(Box<Bars>),
    Lines(Lines),
}

impl Progress {
    pub(super) fn new(console: Console) -> Self {
        let way = if console.json {
            Way::Json
        } else if console.draws {
            Way::Bars(Box::new(Bars::new()))
        } else {
            Way::Lines(Lines::default())
        };
        Self { console, way }
    }

    pub(crate) fn snapshot(&mut self, batch: &Batch) -> io::Result<()> {
        match &mut self.way {
            Way::Json => self.console.document(&Snapshot { batch })?,
            Way::Bars(bars) => bars.show(batch),
            Way::Lines(lines) => {
                if let Some(line) = lines.next(batch, Instant::now()) {
                    note(&line);
                }
            }
        }
        Ok(())
    }

    /// Something that happened beside the batch, on stderr.
    pub(crate) fn note(&self, text: &str) {
        match &self.way {
            Way::Bars(bars) => bars.above(|| note(text)),
            Way::Json | Way::Lines(_) => note(text),
        }
    }

    /// Takes what was drawn off the terminal again, so that results can be
    /// printed.
    pub(crate) fn clear(&self) {
        match &self.way {
            Way::Bars(bars) => bars.clear(),
            Way::Json | Way::Lines(_) => {}
        }
    }
}
