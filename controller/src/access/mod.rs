//! Who may call what. Every call passes here before any service sees it.
//!
//! ```text
//!  connection ── Peer ──┐
//!                       ├─ Guard ── table (call, least role) ── Caller ── service
//!  authorization ── Tokens ┘  │
//!                             └─ refused: Denials ── cofiAudit, in groups
//! ```

mod body;
mod caller;
mod denials;
mod guard;
mod layer;
mod table;
mod tokens;

pub use self::denials::Denials;
pub(crate) use self::{
    caller::{Caller, Who},
    denials::{Denial, DenialLog},
    guard::Guard,
    layer::GuardLayer,
    tokens::Tokens,
};
