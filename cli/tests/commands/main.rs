//! The built `cofi` against a scripted controller.

mod batches;
mod checking;
mod earlier;
mod explaining;
mod failures;
mod fake;
mod listings;
mod program;
mod releasing;
mod samples;
mod watching;
