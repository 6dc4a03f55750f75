//! The ledger's contract: what it promises about the tables, whatever the
//! database is: the same tests on SQLite and on a real MariaDB. Each has a
//! database of its own ([`fixture::Fixture`]).
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]
#![allow(unreachable_pub, reason = "what the tests share is public to them")]

mod applying;
mod auditing;
mod certificates;
mod checking;
mod contention;
mod deeds;
mod deleted_calls;
mod earlier;
mod fixture;
mod groups;
mod large;
mod lid_results;
mod listing;
mod machines;
mod model;
mod names;
mod planning;
mod plans;
mod quarantine;
mod recording;
mod releasing;
mod repeating;
mod retrying;
mod scene;
mod settling;
mod standing;
mod tokens;
