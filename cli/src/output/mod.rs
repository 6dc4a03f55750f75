//! The only place that prints. Results go to stdout, progress and errors to
//! stderr; text from outside is made harmless on the way.

mod access;
mod checked;
mod escape;
mod explained;
mod progress;
mod rows;
mod summary;
mod table;
mod units;

use std::{
    io::{self, IsTerminal, Write},
    marker::PhantomData,
};

use serde::Serialize;

pub(crate) use self::{escape::escape, progress::Progress, rows::Row, units::duration};
use self::{
    escape::to_json,
    progress::Snapshot,
    table::{Medium, Tabulator},
};
use crate::{
    error::Error,
    view::{
        Agent, AgentExplained, Batch, BatchExplained, Checked, CreatedToken, EarlierBatch, LidApplied,
        RecordingExplained, Rejection, Released, RevokedAgent,
    },
};

/// Narrower than this a terminal is not believed: tables would be one letter
/// wide.
const LEAST_COLUMNS: u16 = 60;

/// Where and how this process prints.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    json: bool,
    medium: Medium,
    /// Progress may be redrawn in place.
    draws: bool,
}

impl Console {
    pub(crate) fn new(json: bool) -> Self {
        let medium = if io::stdout().is_terminal() {
            let (_, columns) = console::Term::stdout().size();
            Medium::Terminal { columns: columns.max(LEAST_COLUMNS) }
        } else {
            Medium::Plain
        };
        Self { json, medium, draws: !json && io::stderr().is_terminal() }
    }

    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// A result for people on stdout; nothing with `--json`.
    pub(crate) fn say(self, text: &str) -> io::Result<()> {
        if self.json { Ok(()) } else { write_out(&format!("{}\n", escape(text))) }
    }

    /// A result for programs on stdout, on one line; nothing without `--json`.
    pub(crate) fn document<T: Serialize + ?Sized>(self, value: &T) -> io::Result<()> {
        if self.json { print(&to_json(value)?) } else { Ok(()) }
    }

    /// Begins a listing of any length.
    pub(crate) fn listing<R: Row>(self) -> Listing<R> {
        Listing {
            console: self,
            tabulator: Tabulator::new(self.medium, R::COLUMNS),
            given: 0,
            of: PhantomData,
        }
    }

    pub(crate) fn progress(self) -> Progress {
        Progress::new(self)
    }

    /// Everything about one batch.
    pub(crate) fn batch(self, batch: &Batch) -> io::Result<()> {
        self.document(batch)?;
        self.for_people(|medium| summary::batch(medium, batch))
    }

    /// Everything about one batch that an earlier service wrote.
    pub(crate) fn earlier_batch(self, batch: &EarlierBatch) -> io::Result<()> {
        self.document(batch)?;
        self.for_people(|medium| summary::earlier_batch(medium, batch))
    }

    /// The same, as the snapshot of a watch.
    pub(crate) fn earlier_snapshot(self, batch: &EarlierBatch) -> io::Result<()> {
        self.document(&Snapshot { batch })?;
        self.for_people(|medium| summary::earlier_batch(medium, batch))
    }

    /// What bringing calls in line came to.
    pub(crate) fn lid_applied(self, applied: &LidApplied) -> io::Result<()> {
        self.document(applied)?;
        self.for_people(|medium| summary::lid_applied(medium, applied))
    }

    /// What releasing recordings came to.
    pub(crate) fn released(self, released: &Released) -> io::Result<()> {
        self.document(released)?;
        self.for_people(|medium| summary::released(medium, released))
    }

    /// What a check says next.
    pub(crate) fn checked(self, said: &Checked) -> io::Result<()> {
        self.document(said)?;
        self.for_people(|medium| checked::checked(medium, said))
    }

    /// Why a batch is not done.
    pub(crate) fn batch_explained(self, explained: &BatchExplained) -> io::Result<()> {
        self.document(explained)?;
        self.for_people(|_| explained::batch(explained))
    }

    /// Why a recording is not done.
    pub(crate) fn recording_explained(self, explained: &RecordingExplained) -> io::Result<()> {
        self.document(explained)?;
        self.for_people(|medium| explained::recording(medium, explained))
    }

    /// Why an agent gets nothing.
    pub(crate) fn agent_explained(self, explained: &AgentExplained) -> io::Result<()> {
        self.document(explained)?;
        self.for_people(|medium| explained::agent(medium, explained))
    }

    /// Everything about one agent.
    pub(crate) fn agent(self, agent: &Agent) -> io::Result<()> {
        self.document(agent)?;
        self.for_people(|medium| summary::agent(medium, agent))
    }

    /// A token that was just made: its secret alone on stdout, unless a file has
    /// it, and what it is on stderr.
    pub(crate) fn created_token(self, created: &CreatedToken) -> io::Result<()> {
        self.document(created)?;
        if let Some(secret) = &created.secret {
            self.say(secret.reveal())?;
        }
        note(&access::created(created));
        if !self.json {
            note(&access::use_of(created));
        }
        Ok(())
    }

    /// What became of an agent's certificates.
    pub(crate) fn revoked_agent(self, name: &str, revoked: RevokedAgent) -> io::Result<()> {
        self.document(&revoked)?;
        self.say(&access::revoked_agent(name, revoked))
    }

    /// Every offender that the controller named; nothing with `--json`.
    pub(crate) fn rejection(self, rejection: &Rejection) -> io::Result<()> {
        self.for_people(|medium| summary::rejection(medium, rejection))
    }

    fn for_people(self, render: impl FnOnce(Medium) -> String) -> io::Result<()> {
        if self.json { Ok(()) } else { print(&render(self.medium)) }
    }
}

/// A listing on its way out, page by page: a table, or one JSON document
/// `{"NAME":[...],"more":BOOL}` with an item a line.
#[derive(Debug)]
pub(crate) struct Listing<R> {
    console: Console,
    tabulator: Tabulator,
    given: u64,
    of: PhantomData<fn(R)>,
}

impl<R: Row> Listing<R> {
    pub(crate) fn page(&mut self, items: &[R]) -> io::Result<()> {
        if self.console.json {
            for item in items {
                let before =
                    if self.given == 0 { format!("{{\"{}\":[\n", R::LISTING) } else { ",\n".to_owned() };
                write_out(&format!("{before}{}", to_json(item)?))?;
                self.given += 1;
            }
            return Ok(());
        }
        self.given += u64::try_from(items.len()).unwrap_or(u64::MAX);
        print(&self.tabulator.part(items.iter().map(Row::cells)))
    }

    /// Ends the listing; `more` says that a limit cut it short.
    pub(crate) fn end(self, more: bool) -> io::Result<()> {
        let Self { console, given, .. } = self;
        if console.json {
            return if given == 0 {
                print(&format!("{{\"{}\":[],\"more\":{more}}}", R::LISTING))
            } else {
                print(&format!("\n],\"more\":{more}}}"))
            };
        }
        if given == 0 {
            note(&format!("no {}", R::LISTING));
        } else if more {
            note(&format!("the first {given} {}; there are more", R::LISTING));
        }
        Ok(())
    }
}

/// Says why the command failed, with everything that led to it on one line,
/// and what to do.
pub(crate) fn report(error: &Error) {
    let mut text = format!("error: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let words = error.to_string();
        // Some libraries repeat their source in their own words.
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    note(&text);
    if let Some(advice) = error.advice() {
        note(advice);
    }
}

/// A line of its own on stderr, for people. Nothing can be done about a
/// stderr that is gone.
pub(crate) fn note(text: &str) {
    writeln!(io::stderr().lock(), "{}", escape(text)).ok();
}

/// `text` and a line's end, or nothing at all.
fn print(text: &str) -> io::Result<()> {
    if text.is_empty() { Ok(()) } else { write_out(&format!("{text}\n")) }
}

fn write_out(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
