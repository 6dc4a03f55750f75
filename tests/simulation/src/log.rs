//! What the programs log belongs to the story, and an error that they log is a
//! broken promise: in a simulation no person must look.

use std::fmt::{self, Write as _};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use crate::witness::Witness;

/// Who says by itself when a person must look at the database.
const HEALTH: &str = "cofi_controller::health";

/// Tells the witness what is logged.
#[derive(Debug)]
pub struct Overheard(
    /// Who is told.
    pub Witness,
);

impl<S: Subscriber> Layer<S> for Overheard {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        if !target.starts_with("cofi") || level > Level::DEBUG {
            return;
        }
        let mut words = Words(String::new());
        event.record(&mut words);
        let line = format!("{level} {target}:{}", words.0);
        if level == Level::ERROR && target != HEALTH {
            self.0.broken(format_args!("an error was logged: {line}"));
        } else {
            self.0.tell(line);
        }
    }
}

struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        write!(self.0, " {}={value:?}", field.name()).ok();
    }
}
