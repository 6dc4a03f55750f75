//! What the ledger takes and gives, by subject.

mod agent;
mod audit;
mod batch;
mod call;
mod earlier;
mod explained;
mod lid_report;
mod outcome;
mod plan;
mod recording;
mod release;
mod token;
mod words;

pub use agent::*;
pub use audit::*;
pub use batch::*;
pub use call::*;
pub use earlier::*;
pub use explained::*;
pub use lid_report::*;
pub use outcome::*;
pub use plan::*;
pub use recording::*;
pub use release::*;
pub use token::*;
pub use words::*;
