//! Who may call what. Every call passes here before any service sees it.
//!
//! ```text
//!  connection ── Peer ──┐
//!                       ├─ Guard ── table (call, least role) ── Caller ── service
//!  authorization ── Tokens ┘  ├─ Calls: how many each one makes at a time
//!                             └─ refused: Denials ── cofiAudit, in groups
//! ```

mod body;
mod caller;
mod calls;
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
