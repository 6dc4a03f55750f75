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
pub(super) struct Snapshot<'a, B> {
    pub(super) batch: &'a B,
}

/// Shows one batch after the other.
#[derive(Debug)]
pub(crate) struct Progress {
    console: Console,
    way: Way,
    last: Option<Batch>,
}

#[derive(Debug)]
enum Way {
    Json,
    /// There while they are drawn.
    Bars(Option<Box<Bars>>),
    Lines(Lines),
}

impl Progress {
    pub(super) fn new(console: Console) -> Self {
        let way = if console.json {
            Way::Json
        } else if console.draws {
            Way::Bars(None)
        } else {
            Way::Lines(Lines::default())
        };
        Self { console, way, last: None }
    }

    pub(crate) fn snapshot(&mut self, batch: &Batch) -> io::Result<()> {
        self.last = Some(batch.clone());
        match &mut self.way {
            Way::Json => self.console.document(&Snapshot { batch })?,
            Way::Bars(bars) => bars.get_or_insert_with(|| Box::new(Bars::new())).show(batch),
            Way::Lines(lines) => {
                if let Some(line) = lines.next(batch, Instant::now()) {
                    note(&line);
                }
            }
        }
        Ok(())
    }

    /// The newest snapshot.
    pub(crate) fn last(&self) -> Option<&Batch> {
        self.last.as_ref()
    }

    /// Something that happened beside the batch, on stderr.
    pub(crate) fn note(&self, text: &str) {
        match &self.way {
            Way::Bars(Some(bars)) => bars.above(|| note(text)),
            Way::Bars(None) | Way::Json | Way::Lines(_) => note(text),
        }
    }

    /// Takes what was drawn off the terminal, so that results can be printed.
    pub(crate) fn clear(&mut self) {
        match &mut self.way {
            Way::Bars(bars) => drop(bars.take()),
            Way::Json | Way::Lines(_) => {}
        }
    }
}
