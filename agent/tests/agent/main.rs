//! The agent against a scripted controller.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]
#![allow(unreachable_pub, reason = "what the tests share is public to them")]

mod hostile_names;
mod identifying;
mod joining;
mod program;
mod publishing;
mod refusals;
mod renewing;
mod reporting;
mod storing;
mod support;
